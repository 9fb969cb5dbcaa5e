// Requests to the control API. Every change carries the CSRF token and an id of its own.

let csrf = "";

export class Problem extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors || [];
  }
}

export function setCsrf(token) { csrf = token; }

function commandId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export async function call(method, path, body) {
  const headers = {};
  if (method !== "GET") {
    headers["x-csrf-token"] = csrf;
    headers["x-command-id"] = commandId();
    headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, "the console does not answer; trading goes on without it, and `slipstream kill` works");
  }
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const more = (data.errors || []).map((e) => `${e.key}: ${e.message}`).join("; ");
    throw new Problem(answer.status, more || data.detail || answer.statusText, data.errors);
  }
  return data;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body ?? {});

// The live rows. Reconnects for ever, from the beginning: a page never guesses what it has missed.
export function live(onMessage, onState) {
  let socket = null, closed = false, wait = 250;
  function open() {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    let first = true;
    socket.onmessage = (event) => {
      wait = 250;
      onMessage(JSON.parse(event.data), first);
      first = false;
    };
    socket.onopen = () => onState("live");
    socket.onclose = (event) => {
      if (closed) return;
      onState(event.code === 4401 ? "logged out" : "away");
      if (event.code !== 4401) setTimeout(open, wait = Math.min(2 * wait, 4000));
    };
  }
  open();
  return () => { closed = true; socket.close(); };
}
