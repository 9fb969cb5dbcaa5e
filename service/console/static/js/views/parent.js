// One parent: its plan against what is done, its price with its fills, what it costs, and why it does what it does.

import { get } from "../api.js";
import { average, bps, el, figures, int, money, participation, percent, price, shortfall, stat as makeStat, time, vwap, vwapSlippage } from "../format.js";
import { may, of, rows, state } from "../store.js";
import { Table } from "../table.js";
import { amend, change, handOrder, kill, takeBack } from "./dialogs.js";
import { childColumns, fillColumns } from "./parents.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seconds = (ns) => ns / 1e9;

const decisionColumns = [
  { name: "at", width: "80px", text: (r) => time(r.ts_event) },
  { name: "decided", width: "80px", text: (r) => r.action },
  { name: "why", width: "200px", text: (r) => r.reason },
  { name: "qty", width: "70px", num: true, text: (r) => int(r.quantity) || "" },
  { name: "price", width: "90px", num: true, text: (r) => price(r.price, r.symbol) },
  { name: "wanted", width: "80px", num: true, text: (r) => int(r.target) },
  { name: "filled", width: "80px", num: true, text: (r) => int(r.filled) },
  { name: "working", width: "80px", num: true, text: (r) => int(r.working) },
  { name: "model", width: "110px", text: (r) => r.model },
  { name: "score", width: "80px", num: true, text: (r) => (r.score === null ? "" : r.score.toFixed(4)) },
  { name: "child", width: "140px", text: (r) => r.child },
];

function chart(host, series, { value, bands }) {
  const options = {
    width: host.clientWidth || 600, height: 230, series: [{ label: "at", value: (_, t) => (t === null ? "" : time(t * 1e9)) }, ...series], bands,
    axes: [{ stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, values: (_, ticks) => ticks.map((t) => time(t * 1e9)) }, { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, size: 70, values: (_, ticks) => ticks.map(value) }],
    cursor: { drag: { x: true, y: false } }, scales: { x: { time: false } },
  };
  return new uPlot(options, [[], ...series.map(() => [])], host);
}

// Several curves with times of their own on one axis of time; a curve holds its value until its next point.
function joined(curves) {
  const times = [...new Set(curves.flatMap((c) => c.map((p) => p[0])))].sort((a, b) => a - b);
  return [times, ...curves.map((points) => {
    let i = -1;
    return times.map((t) => {
      while (i + 1 < points.length && points[i + 1][0] <= t) i++;
      return i < 0 || (i === points.length - 1 && t > points[i][0]) ? null : points[i][1];
    });
  })];
}
function sparse(times, points) {
  const at = new Map(points);
  return times.map((t) => (at.has(t) ? at.get(t) : null));
}

export function parent(id, { back }) {
  const title = el("h2", {}), stats = el("div", { class: "stats" }), cost = el("div", { class: "stats" });
  const buttons = {};
  const act = (name, label, key, run) => (buttons[name] = el("button", { id: `b-${name}`, onclick: () => run(rows.parent.get(id)) }, label, " ", el("kbd", {}, key)));
  const progressHost = el("div", { class: "chart" }), priceHost = el("div", { class: "chart" });
  const children = new Table(childColumns, { key: (r) => r.id, height: "200px", onOpen: (r) => !r.ended && may("trade") && takeBack(r) });
  const fills = new Table(fillColumns, { key: (r) => r.symbol + r.exec_id, height: "200px" });
  const decisions = new Table(decisionColumns, { key: (r) => `${r.ts_utc} ${r.child} ${r.action}`, height: "220px", empty: "no decisions yet" });
  const node = el("div", { class: "grid" },
    el("div", { class: "bar" }, el("button", { onclick: back }, "Back ", el("kbd", {}, "Esc")), title, el("span", { class: "grow" }),
      act("amend", "Amend", "a", amend), act("pause", "Pause", "p", (r) => change(r, "pause")), act("resume", "Resume", "r", (r) => change(r, "resume")), act("cancel", "Cancel", "x", (r) => change(r, "cancel")),
      act("takeover", "Take over", "t", (r) => change(r, "takeover")), act("order", "Order", "o", handOrder),
      el("button", { disabled: !may("kill"), onclick: () => kill(`parent=${id}`) }, "Kill it")),
    el("div", { class: "panel" }, stats),
    el("div", { class: "panel" }, el("h2", {}, "What the rest costs"), cost),
    el("div", { class: "grid two" }, el("div", { class: "panel" }, el("h2", {}, "Done against plan, lots"), progressHost), el("div", { class: "panel" }, el("h2", {}, "Mid and fills"), priceHost)),
    el("div", { class: "panel" }, el("h2", {}, "Decisions: what, why, on what"), decisions.element),
    el("div", { class: "grid two" }, el("div", { class: "panel" }, el("h2", {}, "Children (double click takes one back)"), children.element), el("div", { class: "panel" }, el("h2", {}, "Fills"), fills.element)));
  let charts = null, page = null, gone = false, timer = 0;

  const stat = (name, value, cls) => el("div", { class: "stat" }, el("span", {}, name), el("b", { class: cls }, value || "-"));
  const figure = figures(stats, makeStat);
  function head(row) {
    title.textContent = `${row.id}: ${row.side} ${int(row.quantity)} ${row.symbol} by ${row.policy}`;
    title.className = row.side;
    const ahead = row.filled - row.target;
    const show = (name, value, cls) => figure(name, value || "-", cls);
    show("state", row.taken_over ? `by hand: ${row.taken_over}` : row.status, row.taken_over ? "warn" : "");
    show("reason", row.reason || row.last_reason);
    show("filled", `${int(row.filled)} (${percent(row.filled / row.quantity)})`);
    show("working", int(row.working));
    show("against schedule", row.ended ? "" : `${ahead >= 0 ? "+" : ""}${int(ahead)} lots`);
    show("average", price(average(row), row.symbol));
    show("arrival", price(row.arrival_price, row.symbol));
    show("IS, bps", bps(shortfall(row)));
    show("running VWAP", price(vwap(row), row.symbol));
    show("against VWAP, bps", bps(vwapSlippage(row)));
    show("share of volume", percent(participation(row), 1));
    show("passive share", row.filled ? percent(row.passive / row.filled) : "");
    show("children", int(row.children));
    show("denied", int(row.denied));
    show("window", `${time(row.window_start)} to ${time(row.window_end)}`);
    show("objective", row.objective);
    show("model", row.model);
    show("parameters", Object.entries(row.parameters).map(([k, v]) => `${k}=${v}`).join(" "));
    const live = !row.ended && may("trade");
    for (const [name, button] of Object.entries(buttons)) button.disabled = !live || (name === "pause" && row.status !== "working") || (name === "resume" && row.status !== "paused") || (name === "order" && row.taken_over !== state.me.name) || (name === "takeover" && row.taken_over === state.me.name);
  }

  function plot() {
    const symbol = page.parent.symbol;
    if (!charts) {
      charts = {
        progress: chart(progressHost, [{ label: "plan", stroke: css("--dim"), dash: [6, 4] }, { label: "schedule wants", stroke: css("--warn") }, { label: "done", stroke: css("--accent"), width: 2 }], { value: int }),
        price: chart(priceHost, [{ label: "mid", stroke: css("--dim") },
          { label: "passive", stroke: css("--passive"), paths: () => null, points: { show: true, size: 8, fill: css("--passive") } },
          { label: "aggressive", stroke: css("--aggressive"), paths: () => null, points: { show: true, size: 8, fill: css("--panel"), width: 2 } }], { value: (v) => price(v, symbol) }),
      };
    }
    const progress = page.progress.map(([t, filled, target]) => [seconds(t), filled, target]);
    const now = Math.min(state.head.market_time, page.parent.ended || Infinity);
    if (progress.length && seconds(now) > progress.at(-1)[0]) progress.push([seconds(now), page.parent.filled, page.parent.target]);
    charts.progress.setData(joined([page.plan.map(([t, q]) => [seconds(t), q]), progress.map((p) => [p[0], p[2]]), progress.map((p) => [p[0], p[1]])]));
    const fillsOf = (kind) => of("fill", id).filter((f) => (f.liquidity === "added") === kind).map((f) => [seconds(f.ts_event), f.price]);
    const passive = fillsOf(true), aggressive = fillsOf(false), mids = page.mids.map(([t, twice]) => [seconds(t), twice / 2]);
    const [times, mid] = joined([mids, passive.map((p) => [p[0], null]), aggressive.map((p) => [p[0], null])]);
    charts.price.setData([times, mid, sparse(times, passive), sparse(times, aggressive)]);
  }

  async function load() {
    if (gone) return;
    try {
      page = await get(`/api/parents/${encodeURIComponent(id)}?children=0&fills=0&decisions=200`);
      if (gone) return;
      plot();
      decisions.set(page.decisions.map((d) => ({ ...d, symbol: page.parent.symbol })).reverse());
      const left = page.parent.quantity - page.parent.filled;
      if (page.now) cost.replaceChildren(
        stat("left, lots", int(left)), stat("taking it now, bps", page.now.cost_bps === null ? "" : bps(page.now.cost_bps)), stat("displayed, lots", int(page.now.fillable)), stat("at an average of", price(page.now.average, page.parent.symbol)),
        stat("to the end, bps", bps(page.rest?.cost_bps)), stat("risk of waiting (1 sd), bps", bps(page.rest?.risk_bps)), stat("share of volume to the end", percent(page.rest?.participation, 1)), stat("completes", percent(page.rest?.completes)), stat("value left", money(page.rest?.value)));
      else cost.replaceChildren(el("span", { class: "dim" }, page.parent.ended ? "nothing is left to do" : "no market to price it with"));
    } catch (problem) {
      cost.replaceChildren(el("span", { class: "bad" }, problem.message));
    }
    timer = setTimeout(load, 1500);
  }
  load();

  function draw(dirty) {
    const row = rows.parent.get(id);
    if (!row) return;
    if (dirty.has("parent")) head(row);
    if (dirty.has("child")) children.set(of("child", id));
    if (dirty.has("fill")) fills.set(of("fill", id));
  }
  const resize = () => charts && [[charts.progress, progressHost], [charts.price, priceHost]].forEach(([c, host]) => c.setSize({ width: host.clientWidth, height: 230 }));
  addEventListener("resize", resize);
  // A chart keeps the colours that it was made with.
  function repaint() {
    if (!charts) return;
    for (const one of Object.values(charts)) one.destroy();
    charts = null;
    plot();
  }
  return { node, draw, repaint, keys: { a: () => buttons.amend.click(), p: () => buttons.pause.click(), r: () => buttons.resume.click(), x: () => buttons.cancel.click(), t: () => buttons.takeover.click(), o: () => buttons.order.click(), Escape: back }, close: () => { gone = true; clearTimeout(timer); removeEventListener("resize", resize); } };
}
