// Market, risk and alarms.

import { get, post } from "../api.js";
import { el, figures, int, price, stat, time, toast } from "../format.js";
import { may, rows, state } from "../store.js";
import { Table } from "../table.js";
import { approve, close_alarm, dismiss, editLimits, explainBreak, propose } from "./dialogs.js";

export function market() {
  const hosts = new Map(), node = el("div", { class: "grid three" });
  function draw(dirty) {
    if (!dirty.has("market")) return;
    for (const row of [...rows.market.values()].sort((a, b) => a.symbol.localeCompare(b.symbol))) {
      let host = hosts.get(row.symbol);
      if (!host) {
        const facts = el("div", { class: "stats" });
        host = { fact: figures(facts, stat), book: el("tbody") };
        if (!hosts.size) node.replaceChildren();
        node.append(el("div", { class: "panel" }, el("h2", {}, row.symbol), facts, el("table", { class: "book" }, host.book)));
        hosts.set(row.symbol, host);
      }
      // A row that has changed is another object.
      if (host.row === row) continue;
      host.row = row;
      const show = (name, value, cls) => host.fact(name, value || "-", cls);
      show("last", price(row.last, row.symbol));
      show("reference", price(row.reference, row.symbol));
      show("volume", int(row.volume));
      show("spread, bps", row.spread_bps.toFixed(2));
      show("volatility, bps/min", row.volatility_bps.toFixed(2));
      show("phase", row.phase, row.phase === "continuous" ? "good" : "bad");
      show("at", time(row.ts_event));
      const most = Math.max(1, ...row.bids.map((l) => l[1]), ...row.asks.map((l) => l[1]));
      const levels = [...row.asks].reverse().map((l) => ["sell", l]).concat(row.bids.map((l) => ["buy", l]));
      host.book.replaceChildren(...levels.map(([side, [p, q]]) => {
        const bar = el("div", { class: "meter" }, el("i"));
        bar.firstChild.style.width = `${(100 * q) / most}%`;
        bar.firstChild.style.background = `var(--${side})`;
        const cell = el("td", {}, bar);
        cell.style.width = "50%";
        return el("tr", {}, el("td", { class: `num ${side}` }, price(p, row.symbol)), el("td", { class: "num" }, int(q)), cell);
      }));
    }
    if (!rows.market.size && !hosts.size) node.replaceChildren(el("div", { class: "dim" }, "no market data yet"));
  }
  return { node, draw, keys: {} };
}

export function risk() {
  const kills = el("div"), proposals = el("div"), latched = el("div"), limits = el("div"), orders = el("div"), exposure = el("div"), held = el("div"), breaks = el("div");
  const node = el("div", { class: "grid two" },
    el("div", { class: "panel" }, el("h2", {}, "Kills in force"), kills), el("div", { class: "panel" }, el("h2", {}, "Waiting for a second person"), proposals),
    el("div", { class: "panel" }, el("h2", {}, "Stopped by itself"), latched), el("div", { class: "panel" }, el("h2", {}, "Limits"), limits),
    el("div", { class: "panel" }, el("h2", {}, "Held by a soft limit"), held), el("div", { class: "panel" }, el("h2", {}, "Breaks with the drop copy"), breaks),
    el("div", { class: "panel" }, el("h2", {}, "Exposure and limits used"), exposure), el("div", { class: "panel" }, el("h2", {}, "Orders at the broker"), orders));
  const line = (text, ...more) => el("div", { class: "bar" }, el("span", { class: "grow wrap" }, text), ...more);
  let waiting = "";
  const none = (text) => el("span", { class: "dim" }, text);
  let shown = "";
  function draw(dirty) {
    if (!dirty.has("head")) return;
    const head = state.head, key = JSON.stringify([head.kills, head.proposals, head.latched, head.limits_version]);
    if (key === shown) return;
    shown = key;
    kills.replaceChildren(...(head.kills?.length ? head.kills.map((k) => line(`${k.scope} by ${k.by}: ${k.reason} (${k.working} still work)`, el("button", { disabled: !may("countersign"), onclick: () => propose("release", k.scope) }, "Propose release"))) : [none("none")]));
    proposals.replaceChildren(...(head.proposals?.length ? head.proposals.map((p) => line(`${p.proposal}: ${p.action} ${p.target} by ${p.by}: ${p.reason}, until ${time(p.expires_utc)}`, el("button", { disabled: !may("countersign"), onclick: () => approve(p).catch((e) => toast(e.message)) }, "Approve"))) : [none("nothing")]));
    const off = Object.entries(head.latched || {});
    latched.replaceChildren(...(off.length ? off.map(([scope, why]) => line(`${scope}: ${why}`, el("button", { disabled: !may("countersign"), onclick: () => propose("arm", scope) }, "Propose arming"))) : [none("nothing")]));
    limits.replaceChildren(line(`version ${head.limits_version || "not known"}`, el("button", { onclick: () => editLimits().catch((e) => toast(e.message)) }, may("countersign") ? "Show, or propose others" : "Show")));
  }
  async function ask() {
    try {
      const [wait, differ] = await Promise.all([get("/api/gateway/held"), get("/api/gateway/breaks")]);
      // Drawn again when it has changed alone, so that no button goes from under a finger.
      if (waiting !== (waiting = JSON.stringify([wait, differ]))) {
        held.replaceChildren(...(wait.length ? wait.map((h) => line(`${h.terms}: ${h.detail}${h.proposal ? ` (proposal ${h.proposal} is open)` : ""}, until ${time(h.expires_utc)}`,
          el("button", { disabled: !may("countersign") || Boolean(h.proposal), onclick: () => propose("override", h.terms) }, "Propose release"), el("button", { disabled: !may("countersign"), onclick: () => dismiss(h) }, "Dismiss"))) : [none("no order")]));
        breaks.replaceChildren(...(differ.length ? differ.map((b) => line(`${b.id}: ${b.symbol} ${b.kind.replaceAll("_", " ")} ${b.child_id} ${b.differs}; ours ${b.ours || "nothing"}; theirs ${b.theirs || "nothing"}; ${int(b.claimed)} lots claimed`,
          el("button", { disabled: !may("reconcile"), onclick: () => explainBreak(b) }, "Explain"), el("button", { disabled: !may("countersign"), onclick: () => propose("book", b.id) }, "Propose booking"))) : [none("none")]));
      }
    } catch (problem) {
      held.replaceChildren(none(problem.message));
    }
    try {
      const found = await get("/api/gateway/orders");
      orders.replaceChildren(...(found.length ? found.slice(0, 200).map((o) => el("div", { class: o.unknown ? "bad" : "" }, `${o.child_id} ${o.side} ${int(o.leaves_quantity)} of ${int(o.quantity)} ${o.symbol} at ${price(o.price, o.symbol) || "market"}: ${o.status.replaceAll("_", " ")} ${o.pending}${o.unknown ? " UNKNOWN" : ""}`)) : [none("no order works or is unknown")]));
    } catch (problem) {
      orders.replaceChildren(el("span", { class: "bad" }, problem.message));
    }
    try {
      const levels = await get("/api/gateway/exposure");
      exposure.replaceChildren(levels.length ? table(levels) : none("nothing traded yet"));
    } catch (problem) {
      exposure.replaceChildren(none(problem.message));
    }
  }
  function table(levels) {
    const cell = (value, cls = "num") => el("td", { class: cls }, value);
    const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
    return el("table", { class: "book" }, el("tbody", {}, el("tr", {}, ...["level", "name", "gross", "net", "P&L", "used"].map((n, i) => cell(n, i < 2 ? "dim" : "num dim"))),
      ...levels.map((l) => el("tr", {}, cell(l.level, ""), cell(l.name, ""), cell(short.format(l.gross)), cell(short.format(l.net)), cell(short.format(l.profit_loss)), cell(`${(100 * l.used).toFixed(0)} %`, `num ${l.used >= 0.8 ? "bad" : l.used >= 0.5 ? "warn" : ""}`)))));
  }
  ask();
  const timer = setInterval(ask, 1500);
  return { node, draw, keys: {}, close: () => clearInterval(timer), force: () => { shown = ""; } };
}

export function alarms() {
  const all = el("input", { type: "checkbox", id: "closed" });
  all.style.width = "auto";
  const button = (id, text, run) => el("button", { id, disabled: true, onclick: () => table.row && run(table.row) }, text);
  const seen = button("b-ack", "Acknowledge", async (r) => { try { await post(`/api/alarms/${r.id}/acknowledge`, {}); } catch (e) { toast(e.message); } });
  const close = button("b-close", "Close with a comment", close_alarm);
  const table = new Table([
    { name: "at (UTC)", width: "80px", text: (r) => time(r.ts_utc) },
    { name: "kind", width: "70px", text: (r) => r.kind, cls: (r) => ({ alarm: "bad", kill: "bad", session: "warn" })[r.kind] || "" },
    { name: "code", width: "190px", text: (r) => r.code },
    { name: "times", width: "50px", num: true, text: (r) => r.times },
    { name: "symbol", width: "70px", text: (r) => r.symbol },
    { name: "what", width: "minmax(380px, 1fr)", text: (r) => r.detail },
    { name: "seen by", width: "80px", text: (r) => r.acknowledged },
    { name: "closed by", width: "80px", text: (r) => r.closed },
    { name: "comment", width: "200px", text: (r) => r.comment },
  ], { key: (r) => r.id, onSelect: buttons, onOpen: (r) => !r.closed && may("acknowledge") && close_alarm(r), empty: "no alarms" });
  table.element.style.flex = "1";
  function buttons() {
    const row = table.row;
    seen.disabled = !row || Boolean(row.acknowledged) || !may("acknowledge");
    close.disabled = !row || Boolean(row.closed) || !may("acknowledge");
  }
  const node = el("div", {}, el("div", { class: "bar" }, seen, close, el("span", { class: "dim" }, "one at a time: there is no way to dismiss them together"), el("span", { class: "grow" }), el("label", {}, all, " closed ones too")), table.element);
  node.style.cssText = "flex:1;display:flex;flex-direction:column;gap:10px;min-height:0";
  const draw = (dirty) => { if (dirty.has("alarm")) { table.set([...rows.alarm.values()].filter((r) => all.checked || !r.closed).sort((a, b) => b.ts_utc - a.ts_utc)); buttons(); } };
  all.addEventListener("change", () => draw(new Set(["alarm"])));
  return { node, draw, keys: {} };
}
