// Tickets that wait: staged for the desk, claimed by a trader, released alone or a list as a whole.

import { post } from "../api.js";
import { el, int, time, toast } from "../format.js";
import { may, rows, state } from "../store.js";
import { Table } from "../table.js";

export function tickets() {
  const over = el("input", { type: "checkbox", id: "over" });
  over.style.width = "auto";
  const press = (path, body) => post(path, body).then((made) => { if (made.parent || Array.isArray(made)) toast(Array.isArray(made) ? `${made.length} parents work` : `${made.parent} is ${made.status}`); }).catch((e) => toast(e.message));
  const buttons = {};
  const act = (name, label, run) => (buttons[name] = el("button", { id: `s-${name}`, disabled: true, onclick: () => table.row && run(table.row) }, label));
  const simple = (action) => (r) => press(`/api/staging/${r.id}/act`, { action });
  const table = new Table([
    { name: "ticket", width: "140px", text: (r) => r.id },
    { name: "list", width: "90px", text: (r) => r.list },
    { name: "state", width: "90px", text: (r) => r.status, cls: (r) => ({ claimed: "good", releasing: "warn" })[r.status] || (done(r) ? "dim" : "") },
    { name: "side", width: "50px", text: (r) => r.ticket.side, cls: (r) => r.ticket.side },
    { name: "amount", width: "84px", num: true, text: (r) => int(r.ticket.quantity) },
    { name: "symbol", width: "70px", text: (r) => r.ticket.symbol },
    { name: "policy", width: "80px", text: (r) => r.ticket.policy },
    { name: "parameters", width: "minmax(200px, 1fr)", text: (r) => Object.entries(r.ticket.parameters || {}).map(([k, v]) => `${k}=${v}`).join(" ") },
    { name: "staged by", width: "80px", text: (r) => r.by },
    { name: "claimed by", width: "80px", text: (r) => r.claimed },
    { name: "at (UTC)", width: "80px", text: (r) => time(r.ts_utc) },
    { name: "parent", width: "140px", text: (r) => r.parent },
    { name: "said", width: "220px", text: (r) => r.said || r.reason },
  ], { key: (r) => r.id, onSelect: enable, empty: "no tickets wait: a ticket (n on the parents' tab) can be staged" });
  table.element.style.flex = "1";
  const done = (r) => r.status === "released" || r.status === "discarded";
  function enable() {
    const row = table.row, mine = row && row.claimed === state.me.name, can = row && may("trade");
    buttons.claim.disabled = !can || row.status !== "staged";
    buttons.return.disabled = !can || row.status !== "claimed";
    buttons.discard.disabled = !can || !["staged", "claimed"].includes(row.status);
    buttons.release.disabled = !can || !mine || row.status !== "claimed" || Boolean(row.list);
    buttons.list.disabled = !can || !row.list || !mine || row.status !== "claimed";
  }
  const node = el("div", {}, el("div", { class: "bar" }, act("claim", "Claim", simple("claim")), act("return", "Give back", simple("return")), act("discard", "Discard", simple("discard")),
    act("release", "Release", (r) => press(`/api/staging/${r.id}/release`, {})), act("list", "Release its list, all or none", (r) => press(`/api/staging/lists/${encodeURIComponent(r.list)}/release`, {})),
    el("span", { class: "grow" }), el("label", {}, over, " finished too")), table.element);
  node.style.cssText = "flex:1;display:flex;flex-direction:column;gap:10px;min-height:0";
  const draw = (dirty) => { if (dirty.has("staged")) { table.set([...rows.staged.values()].filter((r) => over.checked || !done(r)).reverse()); enable(); } };
  over.addEventListener("change", () => draw(new Set(["staged"])));
  return { node, draw, keys: {} };
}
