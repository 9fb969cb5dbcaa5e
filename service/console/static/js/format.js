import { exponent } from "./store.js";

const grouped = new Intl.NumberFormat("en-US");
export const int = (n) => (n === null || n === undefined ? "" : grouped.format(n));
export const price = (units, symbol) => {
  if (!units) return "";
  const e = exponent(symbol);
  const text = (units / 10 ** e).toFixed(e);
  return e > 2 ? text.replace(/0{1,2}$/, "") : text;
};
export const percent = (share, digits = 0) => (share === null || share === undefined ? "" : `${(100 * share).toFixed(digits)} %`);
export const bps = (x) => (x === null || x === undefined || !Number.isFinite(x) ? "" : `${x >= 0 ? "+" : ""}${x.toFixed(2)}`);
const two = (n) => String(n).padStart(2, "0");
export const time = (ns) => {
  if (!ns) return "";
  const d = new Date(ns / 1e6);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};
export const money = (x) => (x === null || x === undefined ? "" : new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 }).format(x));

export const average = (p) => (p.filled ? p.money / p.filled : null);
const sign = (p) => (p.side === "buy" ? 1 : -1);
const against = (p, benchmark) => {
  const mine = average(p);
  return mine && benchmark ? (sign(p) * (mine - benchmark)) / benchmark * 10000 : null;
};
export const shortfall = (p) => against(p, p.arrival_price);
export const vwap = (p) => (p.market_volume ? p.market_money / p.market_volume : null);
export const vwapSlippage = (p) => against(p, vwap(p));
export const participation = (p) => (p.market_volume ? p.filled / p.market_volume : null);

// Elements without markup in text: what a plug-in or a broker wrote can never become part of the page.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}
// Named figures in a host: made once, and touched only where they have changed.
export function figures(host, make) {
  const shown = new Map();
  return (name, value, cls = "") => {
    let node = shown.get(name);
    if (!node) {
      shown.set(name, (node = el("b")));
      host.append(make(name, node));
    }
    if (node.textContent !== value) node.textContent = value;
    if (node.className !== cls) node.className = cls;
  };
}
export const stat = (name, node) => el("div", { class: "stat" }, el("span", {}, name), node);

export function toast(text) {
  const node = el("div", { class: "toast", role: "status" }, text);
  document.body.append(node);
  setTimeout(() => node.remove(), 6000);
}
