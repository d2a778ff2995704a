// The page of a value: when it was seen (stacked columns, brushed to choose a time), and what stands beside it (a graph).
import { kinds, svg, number, colour, tip } from "./charts.js";
import { say } from "./app.js";
import { Matrix, short } from "./matrix.js";

// One colour for one kind of record on every page; where two of a picture would have the same, the later takes the next.
const PLACES = { flows: 0, sessions: 1, logins: 2, commands: 3, alerts: 4, connections: 5, indicators: 6, services: 7, events: 4, dns: 5, http: 3, tls: 2, ssh: 1, transfers: 6, relays: 7, files: 6, src: 0, dst: 1, victim: 4 };
function colours(names) {
  const taken = new Set();
  return names.map(name => {
    let c = PLACES[name] ?? [...name].reduce((n, ch) => (n * 31 + ch.codePointAt(0)) % 8, 7);
    while (taken.has(c) && taken.size < 8) c = (c + 1) % 8;
    taken.add(c);
    return name ? colour(c) : "var(--gap)";
  });
}
const DAY = 86_400_000;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function ticks(most) {
  const raw = most / 4, power = 10 ** Math.floor(Math.log10(raw)), unit = [1, 2, 5, 10].find(n => n * power >= raw) * power;
  const step = Math.max(1, unit), out = [];
  for (let v = 0; v <= most; v += step) out.push(v);
  return out;
}

kinds.stack = (figure, box, data) => {
  const wide = box.clientWidth || 600, high = Number(figure.dataset.height) || 200, left = 56, bottom = 22, top = 8;
  const n = data.x.length, room = (wide - left - 4) / n, bar = Math.max(1, Math.min(40, room - (room > 5 ? 1 : 0)));
  const sums = data.x.map((_, i) => data.series.reduce((a, s) => a + s.values[i], 0)), most = Math.max(1, ...sums);
  const y = v => high - bottom - (high - bottom - top) * v / most, fills = colours(data.series.map(s => s.name));
  const plot = svg("svg", { class: "plot brushed", viewBox: `0 0 ${wide} ${high}`, width: wide, height: high });
  for (const v of ticks(most)) {
    plot.append(svg("path", { class: "axis", d: `M${left} ${y(v)}H${wide - 4}` }), svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, number(v)));
  }
  data.x.forEach((day, i) => {
    let at = 0;
    data.series.forEach((s, j) => {
      const v = s.values[i];
      if (!v) return;
      const from = y(at), to = y(at += v);
      plot.append(svg("rect", { x: left + room * i + (room - bar) / 2, y: Math.min(to, from - 1), width: bar, height: Math.max(1, from - to), fill: fills[j] }));
    });
  });
  const every = Math.max(1, Math.ceil(n / Math.max(1, Math.floor((wide - left) / 96))));
  data.x.forEach((day, i) => { if (i % every === 0) plot.append(n < 8 ? svg("text", { x: left + room * (i + 0.5), y: high - 6, "text-anchor": "middle" }, day) : svg("text", { x: Math.min(left + room * i, wide - 72), y: high - 6 }, day)); });
  const chosen = svg("rect", { class: "brushing", y: top, height: high - bottom - top, width: 0 });
  plot.append(chosen);
  box.append(plot);
  const key = Object.assign(document.createElement("ul"), { className: "key" });
  data.series.forEach((s, j) => {
    const li = document.createElement("li"), mark = svg("svg", { width: 12, height: 12, "aria-hidden": "true" });
    mark.append(svg("rect", { width: 12, height: 12, rx: 2, fill: fills[j] }));
    li.append(mark, ` ${s.title} `, Object.assign(document.createElement("span"), { className: "muted", textContent: number(s.total) }));
    key.append(li);
  });
  box.append(key);
  const t = tip(box), place = e => { const r = plot.getBoundingClientRect(); return (e.clientX - r.left) * wide / r.width; };
  const index = x => Math.max(0, Math.min(n - 1, Math.floor((x - left) / room)));
  let start = null;
  plot.addEventListener("pointerdown", e => { if (e.button === 0) { start = place(e); plot.setPointerCapture(e.pointerId); } });
  plot.addEventListener("pointermove", e => {
    const x = place(e), i = index(x);
    if (start !== null) {
      const a = Math.min(index(start), i), b = Math.max(index(start), i);
      chosen.setAttribute("x", left + room * a);
      chosen.setAttribute("width", room * (b - a + 1));
    }
    const lines = data.series.filter(s => s.values[i]).map(s => `${s.title}: ${number(s.values[i])} (${(100 * s.values[i] / sums[i]).toFixed(0)} %)`);
    t.at(x * plot.clientWidth / wide, e.offsetY, [`${data.x[i]}${data.step > 1 ? ` + ${data.step} d` : ""}: ${number(sums[i])}`, ...lines]);
  });
  plot.addEventListener("pointerleave", () => { if (start === null) t.off(); });
  plot.addEventListener("pointerup", e => {
    const from = start, to = place(e);
    start = null;
    if (from === null || Math.abs(to - from) < 5) { chosen.setAttribute("width", 0); return; }
    const a = Math.min(index(from), index(to)), b = Math.max(index(from), index(to));
    const begin = Date.parse(data.x[a]), end = Date.parse(data.x[b]) + data.step * DAY;
    figure.dispatchEvent(new CustomEvent("noroshi:range", { bubbles: true, detail: { start: begin, end } }));
  });
};

// What stands beside a value. Up to 60 nodes a node-link picture can be read; more are shown as a matrix, which may be
// chosen for fewer too; beyond HELD the page of a value goes on.
const MOST = 60, HELD = 400, ROUNDS = 320;
const GROUPS = { ip: 0, prefix: 0, asn: 0, domain: 1, url: 1, email: 1, md5: 2, sha1: 2, sha256: 2, sha512: 2, imphash: 2, ssdeep: 2, tlsh: 2, cve: 3, advisory: 3, cpe: 3, purl: 3, technique: 4, credential: 5, "ssh-key": 5, certificate: 5, hassh: 6, ja3: 6, ja3s: 6, ja4: 6, ja4s: 6, malware: 7, actor: 7 };
const SHAPES = [
  r => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  r => `M${-r} ${-r * 0.8}h${2 * r}v${1.6 * r}h${-2 * r}z`,
  r => `M0 ${-r * 1.2}L${r * 1.2} 0L0 ${r * 1.2}L${-r * 1.2} 0z`,
  r => `M0 ${-r * 1.15}L${r * 1.1} ${r * 0.85}H${-r * 1.1}z`,
  r => `M${-r * 0.4} ${-r}h${r * 0.8}v${r * 0.6}h${r * 0.6}v${r * 0.8}h${-r * 0.6}v${r * 0.6}h${-r * 0.8}v${-r * 0.6}h${-r * 0.6}v${-r * 0.8}h${r * 0.6}z`,
  r => `M0 ${-r * 1.1}L${r} ${-r * 0.35}L${r * 0.65} ${r * 0.95}H${-r * 0.65}L${-r} ${-r * 0.35}z`,
  r => `M${-r * 0.55} ${-r}h${r * 1.1}l${r * 0.55} ${r}l${-r * 0.55} ${r}h${-r * 1.1}l${-r * 0.55} ${-r}z`,
  r => `M0 ${r * 1.15}L${r * 1.1} ${-r * 0.85}H${-r * 1.1}z`,
];

class Graph {
  constructor(figure, data) {
    this.figure = figure;
    this.box = figure.querySelector(".picture");
    this.nodes = [];
    this.edges = new Map();
    this.ids = new Map();
    this.chosen = 0;
    this.matrix = new Matrix(this);
    this.wanted = new URLSearchParams(location.search).get("beside") === "matrix" ? "matrix" : "graph";
    this.switch = this.choices();
    this.box.before(this.switch);
    this.take(data);
    this.draw();
  }
  get many() { return this.nodes.length > MOST; }
  get as() { return this.many ? "matrix" : this.wanted; }
  // Two buttons; the choice stands in the URL.
  choices() {
    const group = Object.assign(document.createElement("div"), { className: "presets as" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", this.figure.dataset.as);
    for (const name of ["graph", "matrix"]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: this.figure.dataset[`as${name}`] });
      button.dataset.as = name;
      button.addEventListener("click", () => {
        this.wanted = name;
        const url = new URL(location.href);
        if (name === "matrix") url.searchParams.set("beside", name); else url.searchParams.delete("beside");
        history.replaceState(history.state, "", url);
        this.settle(60);
        this.draw();
      });
      group.append(button);
    }
    return group;
  }
  // Adds nodes and edges of an answer; true when there was anything new.
  take(data, from = 0) {
    const before = this.nodes.length, at = this.nodes[from], most = Math.max(1e-9, ...data.nodes.slice(1).map(n => n.weight));
    const place = data.nodes.map((n, i) => {
      const id = `${n.kind} ${n.value}`;
      if (!this.ids.has(id)) {
        if (this.nodes.length >= HELD) return -1;
        const turn = i * 2.4, far = before ? 70 : 40 + 16 * Math.sqrt(i) * 2;
        this.ids.set(id, this.nodes.length);
        this.nodes.push({ ...n, r: this.nodes.length ? 5 + 6 * Math.sqrt(n.weight / most) : 12, x: (at?.x ?? 0) + far * Math.cos(turn) * (i ? 1.6 : 0), y: (at?.y ?? 0) + far * Math.sin(turn) * (i ? 1 : 0), opened: !this.nodes.length });
      }
      return this.ids.get(id);
    });
    for (const [a, b, count] of data.edges) {
      const [i, j] = [place[a], place[b]].sort((p, q) => p - q);
      if (i >= 0 && i !== j && !this.edges.has(`${i} ${j}`)) this.edges.set(`${i} ${j}`, { i, j, count });
    }
    this.settle();
    return this.nodes.length > before;
  }
  size() {
    this.wide = Math.max(300, this.box.clientWidth || 600);
    this.high = Math.min(680, Math.max(360, this.wide * 0.42 + this.nodes.length * 9));
  }
  // Forces: nodes push, edges pull, labels keep off each other; cooled step by step, then done.
  settle(rounds = ROUNDS) {
    if (this.many) return;
    this.size();
    const { nodes } = this, pull = [...this.edges.values()], near = Math.min(this.wide, this.high * 1.5) / 6;
    for (let round = 0; round < rounds; round++) {
      const heat = 0.9 * (1 - round / rounds) + 0.02, fx = new Float64Array(nodes.length), fy = new Float64Array(nodes.length);
      for (let i = 0; i < nodes.length; i++) {
        for (let j = i + 1; j < nodes.length; j++) {
          const a = nodes[i], b = nodes[j], dx = b.x - a.x || 0.01 * (i - j), dy = b.y - a.y || 0.01, d2 = dx * dx + dy * dy + 1;
          const push = near * near * 1.1 / d2;
          let px = dx * push, py = dy * push * 0.8;
          const ox = (a.w + b.w) / 2 + 6 - Math.abs(dx), oy = 26 - Math.abs(dy);   // labels stand below: boxes that overlap move apart
          if (ox > 0 && oy > 0) { py += Math.sign(dy || 1) * oy * 4; px += Math.sign(dx || 1) * ox * 0.6; }
          fx[i] -= px; fy[i] -= py; fx[j] += px; fy[j] += py;
        }
      }
      for (const { i, j, count } of pull) {
        const a = nodes[i], b = nodes[j], dx = b.x - a.x, dy = b.y - a.y, d = Math.hypot(dx, dy) || 1;
        const draw = (d - near) * (i ? 0.12 : 0.22) * Math.min(1.5, 0.6 + Math.log10(1 + count) / 2) / d;
        fx[i] += dx * draw * 3; fy[i] += dy * draw * 3; fx[j] -= dx * draw * 3; fy[j] -= dy * draw * 3;
      }
      nodes.forEach((n, i) => {
        n.w ??= Math.min(26, [...n.value].length) * 6.6;
        if (n.held || !i) return;
        const far = Math.hypot(fx[i], fy[i]) || 1, step = Math.min(far, 30 * heat);
        n.x += fx[i] / far * step - n.x * 0.004; n.y += fy[i] / far * step - n.y * 0.012;
        this.inside(n);
      });
    }
  }
  inside(n) {
    const half = Math.min(n.w / 2 + 4, this.wide / 2 - 20);
    n.x = Math.max(-this.wide / 2 + half, Math.min(this.wide / 2 - half, n.x));
    n.y = Math.max(-this.high / 2 + 14, Math.min(this.high / 2 - 28, n.y));
  }
  draw() {
    const as = this.as;
    for (const b of this.switch.children) { b.setAttribute("aria-pressed", b.dataset.as === as); b.disabled = this.many && b.dataset.as === "graph"; }
    this.figure.dataset.shown = as;
    this.figure.querySelectorAll("[data-hint]").forEach(p => { p.hidden = p.dataset.hint !== as; });
    document.querySelectorAll(`[data-of="${this.figure.id}"]`).forEach(b => { b.hidden = as === "matrix"; });   // a table is saved as CSV
    this.figure.closest(".beside").classList.toggle("as-matrix", as === "matrix");
    if (as === "matrix") { this.matrix.draw(this.box); this.box.append(this.panel()); return; }
    this.size();
    const { wide, high } = this, plot = svg("svg", { class: "plot", viewBox: `${-wide / 2} ${-high / 2} ${wide} ${high}`, width: wide, height: high });
    const lines = svg("g"), dots = svg("g"), most = Math.max(...[...this.edges.values()].map(e => e.count), 1);
    for (const e of this.edges.values()) {
      e.line = svg("path", { class: "edge", "stroke-width": (0.6 + 2.4 * Math.log1p(e.count) / Math.log1p(Math.max(most, 10))).toFixed(2) });
      e.line.append(svg("title", {}, `${this.nodes[e.i].value} – ${this.nodes[e.j].value}: ${number(e.count)} ${this.figure.dataset.rows}`));
      lines.append(e.line);
    }
    this.nodes.forEach((n, i) => {
      const g = svg("g", { class: `node${i === this.chosen ? " chosen" : ""}${n.notes?.length ? " faint" : ""}`, tabindex: 0, role: "button", "aria-label": `${n.title} ${short(n.value)}${short(n.value) === n.value ? "" : `: ${n.value}`}` });
      g.append(svg("path", { d: SHAPES[GROUPS[n.kind] ?? 0](n.r), fill: i ? colour(GROUPS[n.kind] ?? 0) : css("--accent") }));
      g.append(svg("text", { y: n.r + 13, "text-anchor": "middle", class: i === this.chosen ? "strong" : "" }, short(n.value)));
      g.append(svg("title", {}, `${n.title}: ${n.value}`));
      n.g = g;
      this.act(g, n, i);
      dots.append(g);
    });
    plot.append(lines, dots);
    this.box.replaceChildren(plot, this.key(), this.panel());
    this.move();
  }
  move() {
    for (const n of this.nodes) n.g.setAttribute("transform", `translate(${n.x.toFixed(1)} ${n.y.toFixed(1)})`);
    for (const e of this.edges.values()) {
      const a = this.nodes[e.i], b = this.nodes[e.j];
      e.line.setAttribute("d", `M${a.x.toFixed(1)} ${a.y.toFixed(1)}L${b.x.toFixed(1)} ${b.y.toFixed(1)}`);
    }
  }
  act(g, n, i) {
    let from = null, moved = false;
    g.addEventListener("pointerdown", e => { if (e.button === 0) { from = [e.clientX, e.clientY, n.x, n.y]; moved = false; g.setPointerCapture(e.pointerId); } });
    g.addEventListener("pointermove", e => {
      if (!from || (!moved && Math.hypot(e.clientX - from[0], e.clientY - from[1]) < 4)) return;
      const scale = this.wide / this.box.querySelector("svg.plot").clientWidth;
      moved = n.held = true;
      n.x = from[2] + (e.clientX - from[0]) * scale; n.y = from[3] + (e.clientY - from[1]) * scale;
      this.inside(n); this.move();
    });
    g.addEventListener("pointerup", () => { const was = moved; from = null; if (!was) this.choose(i); });
    g.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); this.choose(i); } });
  }
  async choose(i) {
    const n = this.nodes[i], { dataset } = this.figure;
    this.chosen = i;
    if (!n.opened && this.nodes.length < HELD) {
      n.opened = true;
      try {
        const answer = await fetch(`/api/v1/pivot/graph?${new URLSearchParams({ value: n.value, kind: n.kind })}`, { headers: { Accept: "application/json" } });
        const data = await answer.json();
        if (!answer.ok) throw data;
        this.note = this.take(data, i) ? "" : dataset.none;
      } catch (e) { this.note = e?.what ?? String(e); }
    } else this.note = n.opened ? "" : dataset.full;
    if (this.nodes.length >= HELD) this.note = dataset.full;
    else if (this.many && this.figure.dataset.shown === "graph") this.note = dataset.many;
    this.draw();
    if (this.as === "matrix") this.matrix.focus(i); else this.nodes[i].g.focus();
    say(`${n.title} ${n.value} ${this.note}`);
  }
  panel() {
    const n = this.nodes[this.chosen], p = Object.assign(document.createElement("p"), { className: "chosen-node" });
    const a = Object.assign(document.createElement("a"), { href: n.href, textContent: n.value, className: "mono" });
    p.append(`${n.title} `, a);
    if (this.note) p.append(Object.assign(document.createElement("span"), { className: "muted", textContent: ` ${this.note}` }));
    return p;
  }
  key() {
    const ul = Object.assign(document.createElement("ul"), { className: "key" }), seen = new Map();
    this.nodes.forEach((n, i) => { if (i) { const g = GROUPS[n.kind] ?? 0; seen.set(g, new Set([...(seen.get(g) ?? []), n.title])); } });
    for (const [g, titles] of [...seen].sort((a, b) => a[0] - b[0])) {
      const li = document.createElement("li"), mark = svg("svg", { width: 14, height: 14, viewBox: "-8 -8 16 16", "aria-hidden": "true" });
      mark.append(svg("path", { d: SHAPES[g](5.5), fill: colour(g) }));
      li.append(mark, ` ${[...titles].join(", ")}`);
      ul.append(li);
    }
    return ul;
  }
}

const figure = document.getElementById("graph");
if (figure) {
  let graph = new Graph(figure, JSON.parse(figure.dataset.graph)), was = innerWidth;
  figure.dataset.ready = "1";
  document.addEventListener("noroshi:theme", () => graph.draw());
  addEventListener("resize", () => { if (innerWidth !== was) { was = innerWidth; graph.settle(60); graph.draw(); } });
}
