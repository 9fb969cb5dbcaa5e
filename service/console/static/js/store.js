// What the page knows: rows by kind and id, and who wants to hear of changes. Views are drawn once a frame.

export const rows = { parent: new Map(), child: new Map(), fill: new Map(), alarm: new Map(), market: new Map() };
export const state = { head: {}, me: null, reference: { instruments: [], accounts: [] }, policies: [], link: "away" };

const idOf = { parent: (r) => r.id, child: (r) => r.id, fill: (r) => r.symbol + " " + r.exec_id, alarm: (r) => r.id, market: (r) => r.symbol };
const listeners = new Set();
let pending = false;
const dirty = new Set();

export function take(message, first) {
  if (first) for (const map of Object.values(rows)) map.clear();
  state.head = message.head;
  dirty.add("head");
  for (const [kind, list] of Object.entries(message.rows)) {
    dirty.add(kind);
    const map = rows[kind], id = idOf[kind];
    // Newest change first on the wire; what is new goes in oldest first.
    for (let i = list.length - 1; i >= 0; i--) map.set(id(list[i]), list[i]);
  }
  if (first) for (const kind of Object.keys(rows)) dirty.add(kind);
  changed();
}

export function changed(kind) {
  if (kind) dirty.add(kind);
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    const what = new Set(dirty);
    dirty.clear();
    for (const listener of listeners) listener(what);
  });
}

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const exponent = (symbol) => state.reference.instruments.find((i) => i.symbol === symbol)?.price_exponent ?? 4;
export const may = (right) => Boolean(state.me?.rights.includes(right));
