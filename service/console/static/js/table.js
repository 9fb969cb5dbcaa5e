// A table of any length: only the rows in sight are elements, and only cells that changed are touched.

import { el } from "./format.js";

const ROW = 26;

export class Table {
  // columns: { name, width, num, text(row), cls(row), draw(cell, row) }
  constructor(columns, { key, onOpen, onSelect, empty = "nothing yet", height }) {
    this.columns = columns;
    this.key = key;
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.selected = null;
    this.data = [];
    this.pool = [];
    const template = columns.map((c) => c.width).join(" ");
    this.head = el("div", { class: "head", role: "row" }, ...columns.map((c) => el("span", { class: c.num ? "num" : "", role: "columnheader", title: c.title }, c.name)));
    this.head.style.gridTemplateColumns = template;
    this.body = el("div", { role: "rowgroup" });
    this.body.style.position = "relative";
    this.none = el("div", { class: "empty" }, empty);
    this.element = el("div", { class: "vt", role: "grid", tabIndex: 0 }, this.head, this.body, this.none);
    if (height) this.element.style.height = height;
    this.template = template;
    // Measured when they change alone: to ask while drawing would have the browser lay out the page each time.
    this.top = this.tall = this.height = 0;
    this.element.addEventListener("scroll", () => { this.top = this.element.scrollTop; this.draw(); }, { passive: true });
    this.element.addEventListener("keydown", (event) => this.keydown(event));
    new ResizeObserver(() => { this.top = this.element.scrollTop; this.tall = this.element.clientHeight; this.draw(); }).observe(this.element);
  }

  set(data) {
    this.data = data;
    if (this.height !== data.length * ROW) {
      this.height = data.length * ROW;
      this.none.hidden = data.length > 0;
      this.body.style.height = `${this.height}px`;
      // The browser scrolls by itself when what is left is shorter than what was scrolled past.
      this.top = Math.max(0, Math.min(this.top, this.height + ROW - this.tall));
    }
    this.draw();
  }

  get row() {
    return this.data.find((r) => this.key(r) === this.selected) ?? null;
  }

  select(row) {
    this.selected = row ? this.key(row) : null;
    this.onSelect?.(row);
    this.draw();
  }

  keydown(event) {
    const at = this.data.findIndex((r) => this.key(r) === this.selected);
    let to = null;
    if (event.key === "ArrowDown" || event.key === "j") to = Math.min(this.data.length - 1, at + 1);
    else if (event.key === "ArrowUp" || event.key === "k") to = Math.max(0, at - 1);
    else if (event.key === "Enter" && at >= 0) return void this.onOpen?.(this.data[at]);
    if (to === null || !this.data[to]) return;
    event.preventDefault();
    this.select(this.data[to]);
    const top = to * ROW, view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + 2 * ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + 2 * ROW - view.clientHeight;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.top / ROW) - 4);
    const count = this.tall ? Math.min(this.data.length - first, Math.ceil(this.tall / ROW) + 8) : 0;
    while (this.pool.length < count) this.pool.push(this.newRow());
    this.pool.forEach((node, i) => {
      const row = i < count ? this.data[first + i] : null;
      if (node.hidden === Boolean(row)) node.hidden = !row;
      if (row) this.fill(node, row, first + i);
      else node.row = null;
    });
  }

  newRow() {
    const cells = this.columns.map((c) => el("span", { class: c.num ? "num" : "", role: "gridcell" }));
    const node = el("div", { class: "vrow", role: "row" }, ...cells);
    node.style.gridTemplateColumns = this.template;
    node.cells = cells;
    node.addEventListener("click", () => node.row && this.select(node.row));
    node.addEventListener("dblclick", () => node.row && this.onOpen?.(node.row));
    this.body.append(node);
    return node;
  }

  fill(node, row, at) {
    const selected = this.key(row) === this.selected;
    // A row that has changed is another object.
    if (node.row === row && node.at === at && node.selected === selected) return;
    Object.assign(node, { row, at, selected });
    const transform = `translateY(${at * ROW}px)`;
    if (node.style.transform !== transform) node.style.transform = transform;
    if (node.classList.contains("selected") !== selected) node.classList.toggle("selected", selected);
    if (node.key !== this.key(row)) node.setAttribute("data-key", (node.key = this.key(row)));
    this.columns.forEach((column, i) => {
      const cell = node.cells[i];
      if (column.draw) return void column.draw(cell, row);
      const text = String(column.text(row) ?? "");
      if (cell.text !== text) { cell.text = cell.textContent = text; cell.title = text.length > 24 ? text : ""; }
      const cls = `${column.num ? "num " : ""}${column.cls?.(row) ?? ""}`;
      if (cell.className !== cls) cell.className = cls;
    });
  }
}
