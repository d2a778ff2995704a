// Pictures drawn from JSON: figure[data-chart][data-src]. Each kind is a function (figure, data) -> draw(); register more
// with `kinds.NAME = ...` from a page's own module. What a picture shows, its table says.
//
// line  {"x": [ISO times], "series": [{"name", "values": [n|null], "dash"?}], "unit"?, "gaps": [{"from","to","reason"}], "log"?}
// heat  {"x": [labels], "y": [labels], "values": [[n]], "unit"?, "log"?, "links"?: [row URLs]}
// bars  {"items": [{"label", "value", "low"?, "high"?, "href"?, "hot"?}], "unit"?}
export const kinds = {};
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const number = n => n == null ? "–" : n.toLocaleString("en", { maximumFractionDigits: 2 });
export const colour = i => css(`--c${i % 8}`);
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4], [4, 2], [1, 3], [8, 3, 1, 3, 1, 3], [12, 3]];
const SVG = "http://www.w3.org/2000/svg";
export function svg(name, attributes = {}, text = "") {
  const e = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== "") e.textContent = text;
  return e;
}
const drawn = new Map();                    // figure -> () => draws it again

export async function load(figure) {
  const box = figure.querySelector(".picture");
  try {
    const answer = await fetch(figure.dataset.src, { headers: { Accept: "application/json" } });
    const data = await answer.json();
    if (!answer.ok) throw data;
    show(figure, data);
  } catch (e) {
    state(box, "failed", e?.what ? `${e.what} ${e.todo ?? ""}` : figure.dataset.failed);
  }
}
export function show(figure, data) {
  const told = { packets: figure.dataset.packets, sessions: figure.dataset.sessions, logins: figure.dataset.logins, other: figure.dataset.others };
  data.unit = told[data.unit] ?? data.unit;   // else the server's words
  for (const s of data.series ?? []) s.name = told[s.name] ?? s.name;
  data.logged = ` (${figure.dataset.log ?? "log"})`;
  const box = figure.querySelector(".picture"), kind = kinds[figure.dataset.chart];
  const empty = data.x ? !data.x.length : data.items ? !data.items.length : false;
  if (empty) { state(box, "empty", figure.dataset.empty); drawn.delete(figure); return; }
  const draw = () => { box.replaceChildren(); kind(figure, box, data); };
  drawn.set(figure, draw);
  draw();
  figure.dataset.ready = "1";
  const table = figure.querySelector("[data-table] .scroll");
  if (table) table.replaceChildren(tabled(data));
}
function state(box, name, text) {
  box.replaceChildren(Object.assign(document.createElement("p"), { className: `state ${name}`, textContent: text }));
}

// The same as rows.
function tabled(data) {
  if (data.items) return table(["", data.unit ?? ""], data.items.map(i => [i.label, i.low == null ? number(i.value) : `${number(i.value)} (${number(i.low)}–${number(i.high)})`]));
  if (data.y) return table(["", ...data.x], data.y.map((y, i) => [y, ...data.values[i].map(number)]));
  return table(["", ...data.series.map(s => s.name)], data.x.map((x, i) => [x.replace("T", " ").replace("Z", ""), ...data.series.map(s => number(s.values[i]))]));
}
export function table(head, rows) {
  const t = document.createElement("table"), h = t.createTHead().insertRow(), body = t.createTBody();
  head.forEach((text, i) => h.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col", className: i ? "num" : "" })));
  for (const row of rows.slice(0, 2000)) {
    const r = body.insertRow();
    row.forEach((text, i) => Object.assign(r.insertCell(), { textContent: text, className: i ? "num" : "mono" }));
  }
  return t;
}

export function tip(box) {
  const t = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
  box.append(t);
  return {
    at(x, y, lines) {
      t.replaceChildren(...lines.flatMap((line, i) => [i ? document.createElement("br") : "", Object.assign(document.createElement(i ? "span" : "b"), { textContent: line })]));
      t.hidden = false;
      t.style.left = `${Math.max(0, Math.min(x + 12, box.clientWidth - t.offsetWidth))}px`;
      t.style.top = `${Math.max(0, y - t.offsetHeight - 8)}px`;
    },
    off() { t.hidden = true; },
  };
}

// Ticks as ISO dates and 24 hours, the day where it begins, the year once: the same in every language.
function ticks(u, splits, axis, space, step) {
  let day = "", year = "";
  return splits.map(at => {
    const iso = new Date(at * 1e3).toISOString(), date = iso.slice(0, 4) === year ? iso.slice(5, 10) : iso.slice(0, 10);
    const fresh = iso.slice(0, 10) !== day;
    day = iso.slice(0, 10); year = iso.slice(0, 4);
    return step >= 86400 ? date : fresh ? `${iso.slice(11, 16)}\n${date}` : iso.slice(11, 16);
  });
}

// Lines over time, with brushing: what is brushed becomes the range of the page.
kinds.line = (figure, box, data) => {
  const xs = data.x.map(x => Date.parse(x) / 1000);
  const stroke = i => data.series.length === 1 ? css("--cool") : colour(i);
  const gaps = (data.gaps ?? []).map(g => [Date.parse(g.from) / 1000, Date.parse(g.to) / 1000]);
  const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "12px system-ui" };
  const shade = u => {
    for (const [a, b] of gaps) {
      const l = u.valToPos(a, "x", true), r = u.valToPos(b, "x", true);
      u.ctx.fillStyle = css("--shade");
      u.ctx.fillRect(Math.max(l, u.bbox.left), u.bbox.top, Math.min(r, u.bbox.left + u.bbox.width) - Math.max(l, u.bbox.left), u.bbox.height);
    }
  };
  const u = new uPlot({
    width: box.clientWidth || 600, height: Number(figure.dataset.height) || 240,
    tzDate: ts => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
    cursor: { drag: { x: true, y: false, setScale: false } },
    legend: { live: true },
    scales: { y: { distr: data.log ? 3 : 1, range: data.log ? undefined : (_, lo, hi) => [0, hi > 0 ? hi * 1.05 : 1] } },
    axes: [{ ...axis, values: ticks, space: 72 }, { ...axis, size: 64, label: data.unit ? data.unit + (data.log ? data.logged : "") : undefined, labelFont: "12px system-ui", values: (_, vs) => vs.map(v => v == null ? "" : number(v)) }],
    series: [{ label: "UTC", value: (_, v) => v == null ? "" : new Date(v * 1e3).toISOString().slice(0, 16).replace("T", " ") },
      ...data.series.map((s, i) => ({ label: s.name, stroke: stroke(i), width: 1.5, dash: DASHES[i % 8], spanGaps: false,
        fill: data.stack ? stroke(i) + "33" : undefined, points: { show: xs.length < 60, size: 4 }, value: (_, v) => number(v) }))],
    hooks: {
      drawClear: [shade],
      setSelect: [me => {
        if (me.select.width < 4) return;
        const [a, b] = [me.select.left, me.select.left + me.select.width].map(p => me.posToVal(p, "x") * 1000);
        figure.dispatchEvent(new CustomEvent("noroshi:range", { bubbles: true, detail: { start: a, end: b } }));
      }],
    },
  }, [xs, ...data.series.map(s => s.values)], box);
  figure.plot = u;
};

const steps = 8;
// One of eight colours; the scale is even, or logarithmic where the data says so.
export function heatScale(values, log) {
  let most = 0;
  for (const v of values) if (v > most) most = v;
  return { most, of: v => !v ? -1 : Math.min(steps - 1, Math.floor(log ? Math.log1p(v) / Math.log1p(most) * steps : v / most * steps)) };
}
kinds.heat = (figure, box, data) => {
  const flat = data.values.flat(), scale = heatScale(flat, data.log), wide = box.clientWidth || 600;
  const left = Math.min(160, Math.max(48, ...data.y.map(y => y.length * 7.2 + 12))), top = 4, bottom = 24;
  const cell = Math.max(2, (wide - left - 4) / data.x.length), row = Math.max(10, Math.min(22, 420 / data.y.length));
  const high = top + row * data.y.length + bottom;
  const plot = svg("svg", { class: "plot", viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "presentation" });
  data.y.forEach((label, i) => {
    if (row >= 12 || i % 2 === 0) plot.append(svg("text", { x: left - 8, y: top + row * i + row / 2 + 4, "text-anchor": "end" }, label));
    data.x.forEach((x, j) => {
      const v = data.values[i][j], step = v == null ? null : scale.of(v);
      if (step === null || step >= 0) plot.append(svg("rect", { class: "cell", "data-i": i, "data-j": j, x: left + cell * j, y: top + row * i, width: Math.max(1, cell - (cell > 6 ? 1 : 0)), height: row - 1, fill: step === null ? css("--shade") : css(`--h${step}`) }));
    });
  });
  const every = Math.ceil(data.x.length / Math.max(1, Math.floor((wide - left) / 96)));
  data.x.forEach((x, j) => { if (j % every === 0 && left + cell * j < wide - 88) plot.append(svg("text", { x: left + cell * j, y: high - 8 }, x.replace("T", " ").replace(/:00Z$|Z$/, ""))); });
  box.append(plot);
  const t = tip(box);
  plot.addEventListener("pointermove", e => {
    const c = e.target.closest(".cell");
    if (!c) { t.off(); return; }
    const i = +c.dataset.i, j = +c.dataset.j, v = data.values[i][j], sum = flat.reduce((a, b) => a + (b || 0), 0);
    t.at(e.offsetX, e.offsetY, [`${number(v)} ${data.unit ?? ""}`, data.y[i], data.x[j], sum ? `${(100 * v / sum).toFixed(1)} %` : ""]);
  });
  plot.addEventListener("pointerleave", () => t.off());
  if (data.links) plot.addEventListener("click", e => { const c = e.target.closest(".cell"); if (c && data.links[+c.dataset.i]) location.assign(data.links[+c.dataset.i]); });
  const key = Object.assign(document.createElement("div"), { className: "scale" });
  key.append("0", ...Array.from({ length: steps }, (_, i) => Object.assign(document.createElement("i"), { className: `s${i}` })), `${number(scale.most)} ${data.unit ?? ""}${data.log ? data.logged : ""}`);
  box.append(key);
};

kinds.bars = (figure, box, data) => {
  const wide = box.clientWidth || 480, row = 24, items = data.items.slice(0, 60).map(i => i.label ? i : { ...i, label: "–" });
  if (items.some(i => i.href)) box.setAttribute("role", "group");      // an image holds nothing one can open
  const left = Math.min(wide * 0.4, Math.max(...items.map(i => [...i.label].reduce((n, c) => n + (c > "\u2e80" ? 13 : 7.4), 12))));
  const right = Math.max(...items.map(i => (i.low != null ? `${number(i.value)} (${number(i.low)}–${number(i.high)})` : number(i.value)).length * 7.2 + 12));
  const most = Math.max(...items.map(i => i.high ?? i.value), 1e-9), w = v => Math.max(0, (wide - left - right) * v / most);
  const plot = svg("svg", { class: "plot", viewBox: `0 0 ${wide} ${row * items.length + 4}`, width: wide, height: row * items.length + 4 });
  items.forEach((item, i) => {
    const y = row * i, name = svg("text", { class: "strong", x: left - 8, y: y + 16, "text-anchor": "end" }, item.label);
    if (item.href) { const a = svg("a", { href: item.href }); a.append(name); plot.append(a); } else plot.append(name);
    const bar = svg("rect", { class: item.hot ? "bar hot" : "bar", x: left, y: y + 6, width: w(item.value), height: 12 });
    bar.append(svg("title", {}, `${item.label}: ${number(item.value)} ${data.unit ?? ""}`));
    plot.append(bar);
    if (item.low != null) plot.append(svg("path", { class: "axis", stroke: css("--ink"), d: `M${left + w(item.low)} ${y + 12}H${left + w(item.high)}M${left + w(item.low)} ${y + 8}v8M${left + w(item.high)} ${y + 8}v8` }));
    plot.append(svg("text", { x: left + w(item.high ?? item.value) + 6, y: y + 16 }, `${number(item.value)}${item.low != null ? ` (${number(item.low)}–${number(item.high)})` : ""}`));
  });
  box.append(plot);
};

// Saved as SVG or PNG, with the colours written in.
export function save(figure, as) {
  const plot = figure.querySelector("svg.plot"), canvas = figure.querySelector("canvas"), name = `noroshi-${figure.id}.${as}`;
  if (plot) {
    const text = standalone(plot);
    if (as === "svg") return download(new Blob([text], { type: "image/svg+xml" }), name);
    const image = new Image(), wide = plot.width.baseVal.value, high = plot.height.baseVal.value;
    image.onload = () => {
      const c = Object.assign(document.createElement("canvas"), { width: wide * 2, height: high * 2 }), g = c.getContext("2d");
      g.fillStyle = css("--page"); g.fillRect(0, 0, c.width, c.height); g.drawImage(image, 0, 0, c.width, c.height);
      c.toBlob(b => download(b, name));
    };
    image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    return;
  }
  if (!canvas) return;
  const c = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }), g = c.getContext("2d");
  g.fillStyle = css("--page"); g.fillRect(0, 0, c.width, c.height); g.drawImage(canvas, 0, 0);
  if (as === "png") { c.toBlob(b => download(b, name)); return; }
  const body = `<svg xmlns="${SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" width="${c.width}" height="${c.height}"><title>${escaped(figure.dataset.title ?? "")}</title><image width="${c.width}" height="${c.height}" xlink:href="${c.toDataURL("image/png")}"/></svg>`;
  download(new Blob([body], { type: "image/svg+xml" }), name);
}
const escaped = s => s.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
function standalone(plot) {
  const copy = plot.cloneNode(true), from = [plot, ...plot.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((e, i) => {
    const s = getComputedStyle(e);
    for (const p of ["fill", "stroke", "stroke-width", "font-size", "font-family", "text-anchor"]) if (s.getPropertyValue(p)) to[i].setAttribute(p, s.getPropertyValue(p));
    to[i].removeAttribute("class");
  });
  copy.setAttribute("xmlns", SVG);
  return new XMLSerializer().serializeToString(copy);
}
function download(blob, name) {
  const a = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(a); a.click(); a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 5000);
}
document.addEventListener("click", e => {
  const b = e.target.closest("[data-save]");
  if (b) save(document.getElementById(b.dataset.of), b.dataset.save);
});

const again = () => drawn.forEach((draw, figure) => figure.isConnected ? draw() : drawn.delete(figure));
document.addEventListener("noroshi:theme", again);
let timer = 0, wide = innerWidth;
addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; clearTimeout(timer); timer = setTimeout(again, 150); } });
const all = at => at.querySelectorAll("figure[data-chart][data-src]:not([data-begun])").forEach(f => { if (kinds[f.dataset.chart]) { f.dataset.begun = "1"; load(f); } });
export const scan = (at = document) => all(at);
document.addEventListener("htmx:load", e => all(e.target));
// After the page's own module has had its turn to register kinds.
addEventListener("DOMContentLoaded", () => all(document));
if (document.readyState === "complete") all(document);
