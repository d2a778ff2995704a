// What stands beside a value as a matrix: rows are values, by kind and rank; columns are those opened and the best linked.
// It is read where a graph is none any more, and by whoever would rather have a table.
import { number } from "./charts.js";

const COLUMNS = 8;   // columns of values that were not opened fill up to so many; opened ones always have one
const make = (tag, more = {}, ...children) => { const e = Object.assign(document.createElement(tag), more); e.append(...children); return e; };
const bare = text => text.replace(/^cpe:2\.3:/, "").replace(/(:\*)+$/, "").replace(/^https?:\/\//, "");
export const short = text => { const t = bare(text), c = [...t]; return c.length > 26 ? `${c.slice(0, 14).join("")}…${c.slice(-9).join("")}` : t; };

export class Matrix {
  constructor(graph) {
    this.graph = graph;
    this.words = graph.figure.dataset;
    this.kind = "";
    this.text = "";
  }
  // Draws into `box`; who was typing goes on typing.
  draw(box) {
    const { nodes, edges } = this.graph;
    this.count = nodes.map(() => new Map());
    for (const { i, j, count } of edges.values()) { this.count[i].set(j, count); this.count[j].set(i, count); }
    this.most = Math.max(1, ...[...edges.values()].map(e => e.count));
    this.rows = nodes.map((n, i) => ({ n, i, links: this.count[i].size })).slice(1);
    this.body = make("div", { className: "scroll matrix", tabIndex: 0 });
    this.body.setAttribute("role", "region");
    this.body.setAttribute("aria-label", this.words.matrix);
    this.told = make("p", { className: "muted told" });
    this.told.setAttribute("role", "status");
    box.replaceChildren(this.filters(), this.told, this.body);
    this.table();
  }
  filters() {
    const field = make("input", { type: "search", className: "find-value", value: this.text, maxLength: 200, placeholder: this.words.filter, spellcheck: false });
    field.setAttribute("aria-label", this.words.filter);
    field.addEventListener("input", () => { this.text = field.value.trim().toLowerCase(); this.table(); });
    const kinds = new Map();
    for (const { n } of this.rows) kinds.set(n.kind, [n.title, (kinds.get(n.kind)?.[1] ?? 0) + 1]);
    if (!kinds.has(this.kind)) this.kind = "";
    const choose = make("select", {}, make("option", { value: "", textContent: this.words.every }), ...[...kinds].map(([kind, [title, n]]) => make("option", { value: kind, textContent: `${title} (${number(n)})`, selected: kind === this.kind })));
    choose.setAttribute("aria-label", this.words.kinds);
    choose.addEventListener("change", () => { this.kind = choose.value; this.table(); });
    return make("div", { className: "of-matrix" }, field, choose);
  }
  columns() {
    const opened = this.rows.filter(r => r.n.opened), rest = this.rows.filter(r => !r.n.opened && r.links > 1).sort((a, b) => b.links - a.links || b.n.weight - a.n.weight);
    return [...opened, ...rest.slice(0, Math.max(0, COLUMNS - opened.length))].map(r => r.i);
  }
  table() {
    const { nodes } = this.graph, words = this.words, columns = [0, ...this.columns()];
    const shown = this.rows.filter(r => (!this.kind || r.n.kind === this.kind) && (!this.text || r.n.value.toLowerCase().includes(this.text)));
    const head = make("tr", {}, make("th", { scope: "col", textContent: words.value }), make("th", { scope: "col", className: "num", textContent: words.weight }), make("th", { scope: "col", className: "num", textContent: words.links }));
    for (const c of columns) {
      const name = make("span", { className: "mono", textContent: short(nodes[c].value), title: `${nodes[c].title}: ${nodes[c].value}` });
      head.append(make("th", { scope: "col", className: `across${c ? "" : " own"}` }, name));
    }
    const groups = new Map();
    for (const r of shown) groups.set(r.n.title, [...(groups.get(r.n.title) ?? []), r]);
    const heaviest = list => Math.max(...list.map(r => r.n.weight));
    const bodies = [...groups].sort((a, b) => heaviest(b[1]) - heaviest(a[1])).map(([title, list]) => {
      const body = make("tbody", {}, make("tr", { className: "group" }, make("th", { colSpan: 3 + columns.length, scope: "rowgroup", textContent: `${title} · ${number(list.length)}` })));
      list.sort((a, b) => b.n.weight - a.n.weight || b.links - a.links || (a.n.value < b.n.value ? -1 : 1));
      body.append(...list.map(r => this.row(r, columns)));
      return body;
    });
    this.told.textContent = shown.length ? words.told.replace("{shown}", number(shown.length)).replace("{total}", number(this.rows.length)) : words.nothing;
    this.body.replaceChildren(make("table", {}, make("thead", {}, head), ...bodies));
  }
  row({ n, i, links }, columns) {
    const open = make("button", { type: "button", className: "open", textContent: "+", disabled: n.opened, title: this.words.expand });
    open.setAttribute("aria-label", `${this.words.expand}: ${n.value}`);
    open.addEventListener("click", () => this.graph.choose(i));
    n.opener = open;
    const link = make("a", { href: n.href, className: "mono" }, make("bdi", { textContent: n.value }));
    const tr = make("tr", { className: i === this.graph.chosen ? "chosen" : "" }, make("th", { scope: "row" }, open, link), make("td", { className: "num", textContent: n.weight.toPrecision(2) }), make("td", { className: "num", textContent: number(links) }));
    for (const c of columns) {
      const count = this.count[i].get(c);
      tr.append(make("td", { className: count ? `num heat-${Math.min(4, Math.floor(5 * Math.log1p(count) / Math.log1p(this.most + 1)))}` : `num none${c === i ? " itself" : ""}`, textContent: count ? number(count) : "" }));
    }
    return tr;
  }
  focus(i) {
    const { opener } = this.graph.nodes[i];
    (opener?.isConnected && !opener.disabled ? opener : opener?.nextElementSibling)?.focus();
  }
}
