// What the page knows: rows by kind and id, and who wants to hear of changes. Views are drawn once a frame.

export const rows = { parent: new Map(), child: new Map(), fill: new Map(), alarm: new Map(), market: new Map(), staged: new Map() };
export const state = { head: {}, me: null, reference: { instruments: [], accounts: [] }, policies: [], link: "away" };

// Children and fills by their parent, so that a view looks at those of one alone.
const byParent = { child: new Map(), fill: new Map() };
const MOST = { child: 20000, fill: 20000 };

const idOf = { parent: (r) => r.id, child: (r) => r.id, fill: (r) => r.symbol + " " + r.exec_id, alarm: (r) => r.id, market: (r) => r.symbol, staged: (r) => r.id };
const listeners = new Set();
let pending = false;
const dirty = new Set();

export function take(message, first) {
  if (first) for (const map of [...Object.values(rows), ...Object.values(byParent)]) map.clear();
  state.head = message.head;
  dirty.add("head");
  for (const [kind, list] of Object.entries(message.rows)) {
    dirty.add(kind);
    const map = rows[kind], id = idOf[kind], groups = byParent[kind];
    // Newest change first on the wire; what is new goes in oldest first, and all of it in order of its making.
    list.reverse();
    if (first) list.sort((a, b) => madeAt(a) - madeAt(b));
    for (const row of list) {
      map.set(id(row), row);
      if (!groups) continue;
      let group = groups.get(row.parent);
      if (!group) groups.set(row.parent, (group = new Map()));
      group.set(id(row), row);
    }
    if (map.size > 1.1 * MOST[kind]) forget(kind);
  }
  if (first) for (const kind of Object.keys(rows)) dirty.add(kind);
  changed();
}

const madeAt = (row) => row.began_utc ?? row.ts_utc ?? 0;

// A page that is open all day keeps what works and the newest of what is over.
function forget(kind) {
  const map = rows[kind];
  for (const [key, row] of map) {
    if (map.size <= MOST[kind]) return;
    if (kind === "child" && !row.ended) continue;
    map.delete(key);
    byParent[kind].get(row.parent).delete(key);
  }
}

// Of one parent, the newest first.
export const of = (kind, parent) => [...(byParent[kind].get(parent)?.values() ?? [])].reverse();

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
