// The blotter: every parent, with the children and fills of the selected one beneath.

import { average, bps, el, int, participation, percent, price, shortfall, time, vwapSlippage } from "../format.js";
import { may, of, rows } from "../store.js";
import { Table } from "../table.js";
import { amend, change, ticket } from "./dialogs.js";

const sided = (r) => r.side;
const tone = (x) => (x === null ? "dim" : x > 0 ? "bad" : "good");

export const childColumns = [
  { name: "child", width: "150px", text: (r) => r.id },
  { name: "side", width: "50px", text: (r) => r.side, cls: sided },
  { name: "qty", width: "80px", num: true, text: (r) => int(r.quantity) },
  { name: "filled", width: "80px", num: true, text: (r) => int(r.filled) },
  { name: "price", width: "90px", num: true, text: (r) => (r.ord_type === "market" ? "market" : price(r.price, r.symbol)) },
  { name: "state", width: "130px", text: (r) => r.status.replaceAll("_", " ") + (r.pending ? `, ${r.pending} pending` : ""), cls: (r) => (r.unknown ? "bad" : r.ended ? "dim" : "") },
  { name: "unknown", width: "70px", text: (r) => (r.unknown ? "UNKNOWN" : ""), cls: () => "bad" },
  { name: "tif", width: "50px", text: (r) => r.time_in_force },
  { name: "venue", width: "70px", text: (r) => r.venue },
  { name: "model", width: "110px", text: (r) => r.model },
  { name: "why", width: "220px", text: (r) => r.reason },
  { name: "at", width: "80px", text: (r) => time(r.ts_event) },
  { name: "ClOrdID", width: "180px", text: (r) => r.cl_ord_id, cls: () => "dim" },
];

export const fillColumns = [
  { name: "at", width: "80px", text: (r) => time(r.ts_event) },
  { name: "child", width: "150px", text: (r) => r.child },
  { name: "side", width: "50px", text: (r) => r.side, cls: sided },
  { name: "qty", width: "80px", num: true, text: (r) => int(r.quantity) },
  { name: "price", width: "90px", num: true, text: (r) => price(r.price, r.symbol) },
  { name: "liquidity", width: "90px", text: (r) => (r.liquidity === "added" ? "passive" : r.liquidity === "removed" ? "aggressive" : r.liquidity) },
  { name: "venue", width: "80px", text: (r) => r.venue },
  { name: "ExecID", width: "220px", text: (r) => r.exec_id, cls: () => "dim" },
];

const columns = [
  { name: "parent", width: "130px", text: (r) => r.id },
  { name: "side", width: "48px", text: (r) => r.side, cls: sided },
  { name: "symbol", width: "70px", text: (r) => r.symbol },
  { name: "state", width: "86px", text: (r) => (r.taken_over ? "by hand" : r.status), cls: (r) => ({ working: "good", paused: "warn", refused: "bad" })[r.status] || (r.ended ? "dim" : "") },
  { name: "amount", width: "84px", num: true, text: (r) => int(r.quantity) },
  { name: "done", width: "110px", title: "filled; the mark is where the schedule wants to be", draw: (cell, r) => meter(cell, r) },
  { name: "filled", width: "84px", num: true, text: (r) => int(r.filled) },
  { name: "working", width: "76px", num: true, text: (r) => int(r.working) },
  { name: "idle", width: "84px", num: true, text: (r) => (r.ended ? "" : int(Math.max(0, r.quantity - r.filled - r.working))) },
  { name: "average", width: "88px", num: true, text: (r) => { const a = average(r); return a ? price(a, r.symbol) : ""; } },
  { name: "arrival", width: "88px", num: true, text: (r) => price(r.arrival_price, r.symbol) },
  { name: "IS bps", width: "66px", num: true, title: "average against arrival; a cost is positive", text: (r) => bps(shortfall(r)), cls: (r) => tone(shortfall(r)) },
  { name: "VWAP bps", width: "72px", num: true, title: "average against the market's VWAP since it began", text: (r) => bps(vwapSlippage(r)), cls: (r) => tone(vwapSlippage(r)) },
  { name: "share", width: "60px", num: true, title: "of the market's volume since it began", text: (r) => percent(participation(r), 1) },
  { name: "passive", width: "60px", num: true, text: (r) => (r.filled ? percent(r.passive / r.filled) : "") },
  { name: "policy", width: "80px", text: (r) => r.policy },
  { name: "trader", width: "70px", text: (r) => r.trader },
  { name: "until", width: "80px", text: (r) => time(r.ended || r.window_end) },
  { name: "denied", width: "56px", num: true, text: (r) => r.denied || "", cls: (r) => (r.denied ? "warn" : "") },
  { name: "reason", width: "260px", text: (r) => r.reason || r.last_reason },
];

function meter(cell, r) {
  if (!cell.firstChild) {
    cell.fillBar = el("i");
    cell.mark = el("u");
    cell.append(el("div", { class: "meter" }, cell.fillBar, cell.mark));
  }
  const share = (x) => `${Math.min(100, (100 * x) / Math.max(1, r.quantity)).toFixed(1)}%`;
  cell.fillBar.style.width = share(r.filled);
  cell.mark.style.left = share(r.target);
  cell.mark.hidden = Boolean(r.ended);
  cell.title = `${int(r.filled)} of ${int(r.quantity)}; the schedule wants ${int(r.target)}`;
}

export function parents({ open }) {
  const filter = el("input", { type: "search", placeholder: "filter ( / )", id: "filter" });
  const finished = el("input", { type: "checkbox", id: "finished" });
  finished.style.width = "auto";
  const buttons = {};
  const act = (name, label, key, run) => (buttons[name] = el("button", { id: `b-${name}`, onclick: () => run(table.row), title: key }, label, " ", el("kbd", {}, key)));
  const children = new Table(childColumns, { key: (r) => r.id, empty: "no children", height: "100%" });
  const fills = new Table(fillColumns, { key: (r) => r.symbol + r.exec_id, empty: "no fills", height: "100%" });
  const table = new Table(columns, { key: (r) => r.id, onOpen: (r) => open(r.id), onSelect: () => draw(new Set(["parent", "child", "fill"])), empty: "no parents yet: press n for a ticket" });
  table.element.style.flex = "3 1 0";
  const below = el("div", { class: "grid two" }, children.element, fills.element);
  below.style.cssText = "flex:2 1 0;min-height:140px";
  const bar = el("div", { class: "bar" },
    el("button", { class: "primary", id: "b-new", disabled: !may("trade"), onclick: () => ticket() }, "New parent ", el("kbd", {}, "n")),
    act("open", "Open", "Enter", (r) => open(r.id)), act("amend", "Amend", "a", amend), act("pause", "Pause", "p", (r) => change(r, "pause")),
    act("resume", "Resume", "r", (r) => change(r, "resume")), act("cancel", "Cancel", "x", (r) => change(r, "cancel")),
    el("span", { class: "grow" }), el("label", {}, finished, " finished too"), filter);
  const node = el("div", { class: "grid" }, bar, table.element, below);
  node.style.cssText = "flex:1;min-height:0;display:flex;flex-direction:column";

  function draw(dirty) {
    const row = table.row;
    if (dirty.has("parent")) {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = [...rows.parent.values()].filter((r) => (finished.checked || !r.ended || r.id === table.selected) && (!words.length || words.every((w) => `${r.id} ${r.symbol} ${r.side} ${r.policy} ${r.trader} ${r.status}`.toLowerCase().includes(w))));
      table.set(shown.reverse());
      for (const [name, button] of Object.entries(buttons)) {
        const live = row && !row.ended;
        button.disabled = !row || (name !== "open" && (!may("trade") || !live)) || (name === "pause" && row.status !== "working") || (name === "resume" && row.status !== "paused");
      }
    }
    if (dirty.has("child") || dirty.has("parent")) children.set(row ? of("child", row.id) : []);
    if (dirty.has("fill") || dirty.has("parent")) fills.set(row ? of("fill", row.id) : []);
  }
  filter.addEventListener("input", () => draw(new Set(["parent"])));
  finished.addEventListener("change", () => draw(new Set(["parent"])));
  const keys = { n: () => may("trade") && ticket(), a: () => buttons.amend.click(), p: () => buttons.pause.click(), r: () => buttons.resume.click(), x: () => buttons.cancel.click(), "/": () => filter.focus() };
  return { node, draw, keys, focus: () => table.element.focus() };
}
