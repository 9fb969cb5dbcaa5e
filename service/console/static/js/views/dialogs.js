// Dialogs: the ticket, changes of a parent, kill, and what takes two people.

import { get, post } from "../api.js";
import { bps, el, int, money, percent, price, toast } from "../format.js";
import { prove } from "../proof.js";
import { state } from "../store.js";

export function dialog(title, build, { submit = "OK", danger = false, onSubmit, width }) {
  const error = el("div", { class: "error", role: "alert" });
  const ok = el("button", { type: "submit", class: danger ? "kill" : "primary" }, submit);
  const cancel = el("button", { type: "button", onclick: () => node.close() }, "Back (Esc)");
  const form = el("form", { method: "dialog" }, el("h2", {}, title), ...build, error, el("div", { class: "bar" }, cancel, ok));
  const node = el("dialog", {}, form);
  if (width) node.style.width = width;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    ok.disabled = true;
    error.textContent = "";
    try {
      await onSubmit();
      node.close();
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      ok.disabled = false;
    }
  });
  node.addEventListener("close", () => node.remove());
  document.body.append(node);
  node.showModal();
  return node;
}

export const field = (name, input, help) => el("label", { title: help }, el("span", {}, name), input);
export const reasonField = (required) => el("input", { name: "reason", required, maxLength: 500, autocomplete: "off", placeholder: "for the record" });

function parameterInput(p, value) {
  if (p.kind === "choice" || p.kind === "bool") {
    const choices = p.kind === "bool" ? ["true", "false"] : p.choices;
    const unset = el("option", { value: "" }, p.default === null ? "not set" : `default: ${p.default}`);
    const select = el("select", { name: p.name }, unset, ...choices.map((c) => el("option", { value: c }, c)));
    if (value !== undefined) select.value = String(value);
    return select;
  }
  const hint = p.default === null ? p.unit : `${p.default} (${p.unit})`;
  return el("input", { name: p.name, placeholder: hint, autocomplete: "off", value: value ?? "" });
}

function given(inputs) {
  const values = {};
  for (const input of inputs) if (input.value.trim() !== "") values[input.name] = input.value.trim();
  return values;
}

const TEMPLATES = "slipstream.templates";
const templates = () => JSON.parse(localStorage.getItem(TEMPLATES) || "{}");

export function ticket(preset = {}) {
  const symbol = el("select", { name: "symbol", id: "t-symbol" }, ...state.reference.instruments.map((i) => el("option", { value: i.symbol }, i.symbol)));
  const side = el("select", { name: "side", id: "t-side" }, el("option", { value: "buy" }, "buy"), el("option", { value: "sell" }, "sell"));
  const quantity = el("input", { name: "quantity", id: "t-quantity", type: "number", min: 1, required: true });
  const policy = el("select", { name: "policy", id: "t-policy" }, ...state.policies.map((p) => el("option", { value: p.name, title: p.description }, p.name)));
  const account = el("select", { name: "account", id: "t-account" }, ...state.reference.accounts.map((a) => el("option", { value: a }, a)));
  const about = el("div", { class: "dim wrap" });
  const fields = el("div", { class: "fields" });
  const estimate = el("div", { class: "panel stats", id: "t-estimate" });
  const saved = el("select", { name: "template" }, el("option", { value: "" }, "template ..."), ...Object.keys(templates()).map((n) => el("option", { value: n }, n)));
  let inputs = [];
  function offer(values = {}) {
    const chosen = state.policies.find((p) => p.name === policy.value);
    about.textContent = chosen.description + (chosen.model ? ` Model: ${chosen.model}.` : "");
    inputs = chosen.takes.map((p) => parameterInput(p, values[p.name]));
    fields.replaceChildren(...chosen.takes.map((p, i) => field(`${p.name.replaceAll("_", " ")} [${p.unit}]`, inputs[i], p.help)));
  }
  const body = () => ({ symbol: symbol.value, side: side.value, quantity: Number(quantity.value), policy: policy.value, account: account.value, parameters: given(inputs) });
  function put(t) {
    for (const [input, name] of [[symbol, "symbol"], [side, "side"], [quantity, "quantity"], [policy, "policy"], [account, "account"]]) if (t[name] !== undefined) input.value = t[name];
    offer(t.parameters || {});
  }
  async function price_it() {
    try {
      const e = await post("/api/parents/estimate", body());
      const stat = (name, value) => el("div", { class: "stat" }, el("span", {}, name), el("b", {}, value || "not known"));
      estimate.replaceChildren(stat("expected cost, bps", bps(e.cost_bps)), stat("of it spread", bps(e.spread_bps)), stat("of it impact", bps(e.impact_bps)), stat("risk (1 sd), bps", bps(e.risk_bps)), stat("share of volume", percent(e.participation, 1)), stat("completes", percent(e.completes)), stat("value", money(e.value)));
      if (e.missing.length) estimate.append(el("div", { class: "warn wrap" }, `not known: ${e.missing.join(", ")}`));
    } catch (problem) {
      estimate.replaceChildren(el("div", { class: "bad wrap" }, problem.message));
    }
  }
  policy.addEventListener("change", () => offer());
  saved.addEventListener("change", () => saved.value && put(templates()[saved.value]));
  const keep = el("button", { type: "button", onclick: () => {
    const name = prompt("Name of the template");
    if (!name) return;
    localStorage.setItem(TEMPLATES, JSON.stringify({ ...templates(), [name]: body() }));
    saved.append(el("option", { value: name }, name));
    toast(`template ${name} kept in this browser`);
  } }, "Keep as template");
  const list = el("input", { name: "list", id: "t-list", autocomplete: "off", maxLength: 32, placeholder: "list, if it has one" });
  const stage = el("button", { type: "button", id: "t-stage", onclick: async () => {
    try {
      const kept = await post("/api/staging", { ticket: body(), list: list.value.trim() });
      toast(`${kept.id} is staged for the desk`);
      node.close();
    } catch (problem) {
      estimate.replaceChildren(el("div", { class: "bad wrap" }, problem.message));
    }
  } }, "Stage, do not send");
  const node = dialog("New parent", [
    el("div", { class: "fields" }, field("symbol", symbol), field("side", side), field("quantity [lots]", quantity), field("policy", policy), field("account", account), field("template", saved)),
    about, fields, estimate,
    el("div", { class: "bar" }, keep, el("button", { type: "button", id: "t-price", onclick: price_it }, "Estimate"), list, stage),
  ], { submit: "Start", onSubmit: async () => {
    const made = await post("/api/parents", body());
    toast(`${made.parent} is ${made.status}`);
  } });
  policy.value = preset.policy || (state.policies.find((p) => p.name === "vwap") ? "vwap" : policy.value);
  put(preset);
  quantity.focus();
  return node;
}

export function amend(row) {
  const policy = el("select", { name: "policy", id: "a-policy" }, ...state.policies.map((p) => el("option", { value: p.name, title: p.description }, p.name)));
  policy.value = row.policy;
  const falls = el("div", { class: "warn wrap" }), fields = el("div", { class: "fields" });
  let inputs = [], unset = [];
  const quantity = el("input", { name: "quantity", type: "number", min: 1, placeholder: String(row.quantity), id: "a-quantity" });
  const reason = reasonField(false);
  function offer() {
    const chosen = state.policies.find((p) => p.name === policy.value), takes = (chosen?.takes || []).filter((p) => p.amendable);
    const taken = new Set((chosen?.takes || []).map((p) => p.name));
    unset = policy.value === row.policy ? [] : Object.keys(row.parameters).filter((name) => !taken.has(name));
    falls.textContent = policy.value === row.policy ? "" : `${row.policy}'s children are cancelled and ${policy.value} goes on.${unset.length ? ` What falls away: ${unset.join(", ")}.` : ""}`;
    inputs = takes.map((p) => {
      const input = parameterInput(p);
      if (row.parameters[p.name] !== undefined && input.tagName === "INPUT") input.placeholder = `now ${row.parameters[p.name]}`;
      return input;
    });
    fields.replaceChildren(field("quantity [lots]", quantity), field("policy", policy), ...takes.map((p, i) => field(`${p.name.replaceAll("_", " ")} [${p.unit}]`, inputs[i], p.help)), field("reason", reason));
  }
  policy.addEventListener("change", offer);
  offer();
  return dialog(`Amend ${row.id}`, [
    falls, fields,
  ], { submit: "Amend", onSubmit: async () => {
    const body = { action: "amend", version: row.version, reason: reason.value, changes: given(inputs) };
    if (quantity.value) body.quantity = Number(quantity.value);
    if (policy.value !== row.policy) Object.assign(body, { policy: policy.value, unset });
    const made = await post(`/api/parents/${row.id}/change`, body);
    toast(`${made.parent} is at version ${made.version}`);
  } });
}

export function change(row, action) {
  const reason = reasonField(false);
  const catchUp = el("select", { name: "catch_up", id: "c-catch-up" }, ...[["skip", "skip what was missed"], ["spread", "spread it over the rest"], ["at_once", "send it at once"]].map(([v, t]) => el("option", { value: v }, t)));
  const what = { pause: "Its children are cancelled; its schedule runs on.", resume: row.taken_over ? "It is handed back: orders by hand are cancelled." : "Say what becomes of what was missed.", cancel: "Its children are cancelled, then it ends.", takeover: "Its policy stops, its children are cancelled, and only you send orders for it, through the same gate, until it is resumed." }[action];
  const word = action === "takeover" ? "Take over" : action[0].toUpperCase() + action.slice(1);
  return dialog(`${word} ${row.id}`, [
    el("div", { class: "dim" }, what),
    el("div", { class: "fields" }, ...(action === "resume" ? [field("what was missed", catchUp)] : []), field("reason", reason)),
  ], { submit: word, danger: action === "cancel", onSubmit: async () => {
    const body = { action, version: row.version, reason: reason.value };
    if (action === "resume") body.catch_up = catchUp.value;
    const made = await post(`/api/parents/${row.id}/change`, body);
    toast(`${made.parent} is ${made.status}`);
  } });
}

// One child by hand, of a parent that this person has taken over.
export function handOrder(row) {
  const quantity = el("input", { name: "quantity", id: "h-quantity", type: "number", min: 1, required: true });
  const limit = el("input", { name: "price", id: "h-price", autocomplete: "off", placeholder: "empty: at market" });
  const tif = el("select", { name: "time_in_force", id: "h-tif" }, el("option", { value: "day" }, "day"), el("option", { value: "ioc" }, "immediate or cancel"));
  const reason = reasonField(false);
  const node = dialog(`${row.side} ${row.symbol} by hand for ${row.id}`, [
    el("div", { class: "dim" }, `${int(Math.max(0, row.quantity - row.filled - row.working))} lots are idle. The gate judges it like any other order.`),
    el("div", { class: "fields" }, field("quantity [lots]", quantity), field("limit price", limit), field("time in force", tif), field("reason", reason)),
  ], { submit: `Send ${row.side}`, onSubmit: async () => {
    const made = await post(`/api/parents/${row.id}/orders`, { version: row.version, quantity: Number(quantity.value), price: limit.value.trim() || null, time_in_force: tif.value, reason: reason.value });
    toast(`${made.child} is sent`);
  } });
  quantity.focus();
  return node;
}

export function takeBack(child) {
  const reason = reasonField(false);
  return dialog(`Cancel ${child.id}`, [el("div", { class: "fields" }, field("reason", reason))], { submit: "Cancel this child", danger: true, onSubmit: async () => {
    await post(`/api/parents/${child.parent}/orders/${child.id}/cancel`, { reason: reason.value });
  } });
}

export function dismiss(held) {
  const comment = reasonField(true);
  return dialog(`Dismiss ${held.order.child_id}`, [el("div", { class: "wrap" }, `${held.terms}: ${held.detail}`), el("div", { class: "fields" }, field("reason", comment))], { submit: "Dismiss this one", danger: true, onSubmit: async () => {
    await post(`/api/gateway/held/${held.order.child_id}/dismiss`, { comment: comment.value });
  } });
}

export function explainBreak(found) {
  const comment = reasonField(true);
  return dialog(`Explain ${found.id}`, [el("div", { class: "wrap" }, `${found.symbol} ${found.kind.replaceAll("_", " ")} ${found.child_id}: it is over, and nothing is booked.`), el("div", { class: "fields" }, field("what it is", comment))], { submit: "Explain", onSubmit: async () => {
    await post(`/api/gateway/breaks/${found.id}/explain`, { comment: comment.value });
  } });
}

export function kill(preset = "all") {
  const scope = el("input", { name: "scope", value: preset, required: true, id: "k-scope", autocomplete: "off" });
  const typed = el("input", { name: "typed", required: true, id: "k-typed", autocomplete: "off", spellcheck: false });
  const reason = reasonField(true);
  reason.id = "k-reason";
  const how = el("select", { name: "how", id: "k-how" }, el("option", { value: "all" }, "everything"), el("option", { value: "reduce" }, "all but what makes holdings smaller"));
  const say = el("span", {}, `type ${preset} to confirm`);
  scope.addEventListener("input", () => { say.textContent = `type ${scope.value} to confirm`; });
  const node = dialog("Kill", [
    el("div", { class: "wrap" }, "Cancels every order in the scope at every venue at once and lets nothing new out. Two other people lift it."),
    el("div", { class: "fields" }, field("scope: all, or parent=, symbol=, policy=, trader=, desk=, venue=, model=, account=, client=", scope), el("label", {}, say, typed), field("stops", how, "What only makes holdings smaller is let out where the limits allow that; where they do not, everything stops."), field("reason", reason)),
  ], { submit: "KILL", danger: true, onSubmit: async () => {
    const reply = await post("/api/gateway/kill", { scope: scope.value.trim(), typed: typed.value, reason: reason.value, reduce_only: how.value === "reduce" });
    toast(`kill ${reply.scope} is in force; ${int(reply.working)} orders are being cancelled${reply.detail ? `; ${reply.detail}` : ""}`);
  } });
  typed.focus();
  return node;
}

function proofFields() {
  const person = el("input", { name: "person", required: true, id: "p-person", value: state.me.name, autocomplete: "off" });
  const secret = el("input", { name: "secret", type: "password", required: true, id: "p-secret", autocomplete: "off" });
  return { person, secret, fields: [field("your name in the gateway's file of people", person), field("your secret (it stays in this browser)", secret)] };
}

export function propose(action, target, text = "") {
  const { person, secret, fields } = proofFields();
  const reason = reasonField(true);
  reason.id = "p-reason";
  return dialog(`Propose: ${action} ${target}`, [el("div", { class: "fields" }, ...fields, field("reason", reason))], { submit: "Propose", onSubmit: async () => {
    const request = { kind: "propose", action, target, text, reason: reason.value };
    const proof = await prove(person.value.trim(), secret.value, request);
    const made = await post("/api/gateway/proposals", { action, target, text, reason: reason.value, proof });
    toast(`proposal ${made.proposal}: another person has ${Math.round(made.seconds / 60)} minutes to approve it`);
  } });
}

export async function approve(proposal) {
  const { person, secret, fields } = proofFields();
  // Who lets one order past a soft limit says why, too (C20).
  const reason = reasonField(proposal.action === "override");
  const shown = [el("div", { class: "wrap" }, `${proposal.by} proposes: ${proposal.action} ${proposal.target}: ${proposal.reason}`)];
  if (proposal.action === "limits") {
    const [now, then] = await Promise.all([get("/api/gateway/limits"), get(`/api/gateway/limits?proposal=${proposal.proposal}`)]);
    shown.push(el("pre", {}, difference(now.text, then.text)));
  }
  return dialog(`Approve proposal ${proposal.proposal}`, [...shown, el("div", { class: "fields" }, ...fields, field("reason", reason))], { submit: "Approve", onSubmit: async () => {
    const request = { kind: "approve", proposal: proposal.proposal, action: proposal.action, target: proposal.target, reason: reason.value };
    const proof = await prove(person.value.trim(), secret.value, request);
    await post(`/api/gateway/proposals/${proposal.proposal}/approve`, { action: proposal.action, target: proposal.target, reason: reason.value, proof });
    toast(`done: ${proposal.action} ${proposal.target}`);
  } });
}

// Lines that are in one text and not in the other, in order: enough to see what a change of limits changes.
export function difference(before, after) {
  const old = before.split("\n"), now = after.split("\n");
  const length = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--) for (let j = now.length - 1; j >= 0; j--) length[i][j] = old[i] === now[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const out = [];
  let i = 0, j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) { i++; j++; continue; }
    if (j >= now.length || (i < old.length && length[i + 1][j] >= length[i][j + 1])) out.push(`- ${old[i++]}`);
    else out.push(`+ ${now[j++]}`);
  }
  return out.join("\n") || "no difference";
}

export async function editLimits() {
  const now = await get("/api/gateway/limits");
  const text = el("textarea", { rows: 24, spellcheck: false, id: "l-text", value: now.text });
  text.style.fontFamily = "var(--mono)";
  dialog(`Limits ${now.version}`, [text], { submit: "Propose these", width: "900px", onSubmit: async () => {
    if (text.value === now.text) throw new Error("nothing is changed");
    propose("limits", "", text.value);
  } });
}

export function close_alarm(row) {
  const comment = el("input", { name: "comment", required: true, maxLength: 500, id: "al-comment", autocomplete: "off" });
  return dialog(`Close ${row.code}`, [el("div", { class: "wrap" }, row.detail), field("comment", comment)], { submit: "Close this one", onSubmit: async () => {
    await post(`/api/alarms/${row.id}/close`, { comment: comment.value });
  } });
}

export { int, price };
