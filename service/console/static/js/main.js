// The page: log in, the bar with what matters and the red button, tabs, keys.

import { get, live, post, setCsrf } from "./api.js";
import { el, figures, time, toast } from "./format.js";
import { changed, listen, may, state, take } from "./store.js";
import { dialog, kill } from "./views/dialogs.js";
import { alarms, market, risk } from "./views/others.js";
import { parent } from "./views/parent.js";
import { parents } from "./views/parents.js";
import { tickets } from "./views/tickets.js";

const app = document.getElementById("app");
let stopLive = null, view = null, unlisten = null;
const THEME = "slipstream.theme";
const theme = (name) => { document.documentElement.dataset.theme = name; localStorage.setItem(THEME, name); view?.repaint?.(); };
theme(localStorage.getItem(THEME) || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));

function login(message = "") {
  const name = el("input", { name: "name", id: "name", autocomplete: "username", required: true });
  const password = el("input", { name: "password", id: "password", type: "password", autocomplete: "current-password", required: true });
  const error = el("div", { class: "error", role: "alert" }, message);
  const form = el("form", { class: "panel login" }, el("h1", {}, "Slipstream"), el("label", {}, "name", name), el("label", {}, "password", password), error, el("button", { class: "primary", type: "submit" }, "Log in"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      begin(await post("/api/session", { name: name.value.trim(), password: password.value }));
    } catch (problem) {
      error.textContent = problem.message;
    }
  });
  app.replaceChildren(form);
  name.focus();
}

async function begin(me) {
  state.me = me;
  setCsrf(me.csrf);
  [state.reference, state.policies] = await Promise.all([get("/api/reference"), get("/api/parents/policies")]);
  frame();
  stopLive = live(take, (link) => {
    state.link = link;
    if (link === "logged out") { leave(); login("your session has ended"); } else changed("head");
  });
}

function leave() {
  stopLive?.();
  unlisten?.();
  view?.close?.();
  stopLive = unlisten = view = null;
  document.querySelectorAll("dialog").forEach((node) => node.remove());
}

const TABS = { parents: "Parents", market: "Market", risk: "Risk", alarms: "Alarms", tickets: "Tickets" };
let main, tabs, fact, banners;

function frame() {
  const facts = el("div", { class: "facts" });
  fact = figures(facts, (name, node) => el("span", { class: "fact" }, `${name} `, node));
  banners = el("div", { role: "alert" });
  main = el("main", {});
  tabs = el("nav", { class: "tabs", role: "tablist" }, ...Object.entries(TABS).map(([name, label], i) => el("button", { role: "tab", id: `tab-${name}`, onclick: () => { location.hash = name; } }, label, " ", el("kbd", {}, String(i + 1)))));
  const out = el("button", { id: "logout", onclick: async () => { await post("/api/session/end").catch(() => null); leave(); login(); } }, `${state.me.name} (${state.me.roles.join(", ")}): log out`);
  const light = el("button", { id: "theme", title: "light or dark", onclick: () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark") }, "◐");
  const top = el("header", { class: "top" }, el("span", { class: "brand" }, "Slipstream"), facts, light, el("button", { onclick: help }, "Keys ", el("kbd", {}, "?")), out,
    el("button", { class: "kill", id: "kill", disabled: !may("kill"), title: "Shift+K", onclick: () => kill() }, "KILL"));
  app.replaceChildren(top, banners, tabs, main);
  unlisten = listen((dirty) => { if (dirty.has("head")) head(); view?.draw(dirty); });
  route();
}

function head() {
  const h = state.head;
  const session = Object.entries(h.sessions || {});
  const down = session.filter(([, up]) => !up).map(([name]) => name);
  fact("market", time(h.market_time) || "--:--:--");
  fact("feed", h.feed_age == null ? "never" : `${h.feed_age.toFixed(1)} s`, h.stale ? "bad" : "good");
  fact("gateway", h.gateway === "up" ? "up" : "AWAY", h.gateway === "up" ? "good" : "bad");
  fact("FIX", session.length ? (down.length ? "DOWN" : "up") : "-", down.length ? "bad" : "good");
  fact("runners", String(h.runners?.length ?? 0), h.runners?.length ? "good" : "bad");
  fact("working", String(h.working ?? 0));
  fact("unknown", String(h.unknown ?? 0), h.unknown ? "bad" : "");
  fact("alarms", String(h.open_alarms ?? 0), h.open_alarms ? "warn" : "");
  const lines = [];
  if (state.link !== "live") lines.push(["", "this page has lost the console: what it shows is old; trading goes on; `slipstream kill` works without it"]);
  if (h.gateway && h.gateway !== "up" && h.gateway !== "unknown") lines.push(["", `the gateway does not answer: ${h.gateway}`]);
  if (h.halted) lines.push(["", `trading has stopped: ${h.halted}`]);
  for (const k of h.kills || []) lines.push(["", `KILL ${k.scope} in force, by ${k.by}: ${k.reason} (${k.working} orders still work)`]);
  if (h.unknown) lines.push(["soft", `${h.unknown} orders of unknown outcome: the broker is asked, and they count in full until it answers`]);
  if (h.stale && h.feed_age != null) lines.push(["soft", `the feed is silent for ${h.feed_age.toFixed(0)} s: no new orders go out`]);
  // Told once: a screen reader reads an alert out whenever it is drawn.
  const told = JSON.stringify(lines);
  if (told === banners.told) return;
  banners.told = told;
  banners.replaceChildren(...lines.map(([cls, text]) => el("div", { class: `banner ${cls}` }, text)));
}

function route() {
  if (!main) return;
  const [name, id] = location.hash.replace("#", "").split("/");
  view?.close?.();
  const open = (parentId) => { location.hash = `parent/${parentId}`; };
  view = name === "parent" && id ? parent(decodeURIComponent(id), { back: () => { location.hash = "parents"; } }) : name === "market" ? market() : name === "risk" ? risk() : name === "alarms" ? alarms() : name === "tickets" ? tickets() : parents({ open });
  for (const key of Object.keys(TABS)) document.getElementById(`tab-${key}`).setAttribute("aria-selected", String(key === name || (key === "parents" && !(name in TABS))));
  main.replaceChildren(view.node);
  view.draw(new Set(["head", "parent", "child", "fill", "alarm", "market", "staged"]));
  head();
  view.focus?.();
}

function help() {
  const lines = [["1 - 5", "parents, market, risk, alarms, tickets"], ["n", "new parent"], ["/", "filter"], ["j k or arrows", "move in a table"], ["Enter", "open the selected parent"], ["a p r x", "amend, pause, resume, cancel it"], ["t o", "on a parent's page: take over, order by hand"], ["Shift+K", "kill"], ["Esc", "back"]];
  dialog("Keys", [el("table", {}, el("tbody", {}, ...lines.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what)))))], { submit: "OK", onSubmit: async () => {} });
}

addEventListener("hashchange", () => state.me && route());
addEventListener("keydown", (event) => {
  if (!view || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { if (event.key === "Escape") event.target.blur(); return; }
  if (event.key === "K" && may("kill")) { event.preventDefault(); kill(); return; }
  if (event.key === "?") return void help();
  const tab = Object.keys(TABS)[Number(event.key) - 1];
  if (tab) { location.hash = tab; return; }
  const run = view.keys[event.key];
  if (run) { event.preventDefault(); run(); }
});
addEventListener("unhandledrejection", (event) => toast(event.reason?.message || "something went wrong in this page"));

get("/api/session").then(begin, () => login());
