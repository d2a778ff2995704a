// The map of the world: countries as SVG paths in an equal-area projection, shaded by a number each, and dots that
// tell what just arrived. Projection: Equal Earth (Savric, Patterson, Jenny 2018).

const A = [1.340264, -0.081106, 0.000893, 0.003796];
const M = Math.sqrt(3) / 2;
const SVG = "http://www.w3.org/2000/svg";

/** (longitude, latitude) in degrees -> x, y; the equator is 5.41 wide. */
export function project(lon, lat) {
  const t = Math.asin(M * Math.sin((lat * Math.PI) / 180));
  const t2 = t * t;
  const t6 = t2 * t2 * t2;
  const x = ((lon * Math.PI) / 180) * Math.cos(t) / (M * (A[0] + 3 * A[1] * t2 + t6 * (7 * A[2] + 9 * A[3] * t2)));
  const y = t * (A[0] + A[1] * t2 + t6 * (A[2] + A[3] * t2));
  return [x, -y];
}

const SCALE = 180;
const LOW = -56; // south of it lives no network worth the paper
const HIGH = 84;

/** Where a point lies in the map's own coordinates. tenths: [longitude, latitude] in tenths of a degree. */
export function place(tenths) {
  const [x, y] = project(tenths[0] / 10, Math.max(LOW, Math.min(HIGH, tenths[1] / 10)));
  return [x * SCALE, y * SCALE];
}

function path(flat) {
  let out = "";
  for (let i = 0; i < flat.length; i += 2) {
    const [x, y] = place([flat[i], flat[i + 1]]);
    out += (i ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1);
  }
  return out + "Z";
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** The step of the heat scale (0..7) for a count, evenly in its logarithm. */
export function step(count, most) {
  if (!count) return -1;
  return Math.min(7, Math.floor((8 * Math.log1p(count)) / Math.log1p(most + 1)));
}

export class World {
  /** svg: an empty <svg>; world: what world.json holds; lang: en or ja. */
  constructor(svg, world, lang) {
    this.svg = svg;
    this.world = world;
    this.lang = lang;
    const [left] = place([-1800, 0]);
    const [, top] = place([0, HIGH * 10]);
    const [, bottom] = place([0, LOW * 10]);
    svg.setAttribute("viewBox", `${left} ${top} ${-2 * left + 12} ${bottom - top}`);
    this.shapes = new Map();
    const land = make("g", { class: "land" });
    for (const flat of world.other) land.append(make("path", { d: path(flat) }));
    for (const [code, country] of Object.entries(world.countries)) {
      if (code === "AQ" || !country.shape.length) continue;
      const shape = make("path", { d: country.shape.map(path).join(""), "data-code": code });
      this.shapes.set(code, shape);
      land.append(shape);
    }
    this.points = make("g", { class: "points" });
    this.dots = make("g", { class: "dots" });
    svg.replaceChildren(land, this.points, this.dots);
  }

  /** Shades countries. counts: {code: number}. format: how a number is told. */
  shade(counts, format) {
    const most = Math.max(0, ...Object.values(counts));
    this.points.replaceChildren();
    for (const [code, shape] of this.shapes) {
      const s = step(counts[code] || 0, most);
      shape.setAttribute("class", s < 0 ? "" : `h${s}`);
      this.title(shape, code, counts[code] || 0, format);
    }
    for (const [code, n] of Object.entries(counts)) {
      const country = this.world.countries[code];
      if (!n || !country || this.shapes.has(code)) continue;
      const [cx, cy] = place(country.at); // too small to be drawn: a point of its shade
      const dot = make("circle", { cx, cy, r: 4, class: `h${step(n, most)}`, "data-code": code });
      this.title(dot, code, n, format);
      this.points.append(dot);
    }
  }

  title(element, code, n, format) {
    const told = make("title", {});
    told.textContent = `${this.name(code)}: ${format(n)}`;
    element.replaceChildren(told);
  }

  name(code) {
    const country = this.world.countries[code];
    return country ? country[this.lang] || country.en : code;
  }

  /** A dot where something arrived from; it fades, or just goes where motion is not wanted. weight: 1 or more. */
  arrive(code, weight, strong) {
    const country = this.world.countries[code];
    if (!country || this.dots.childElementCount > 300) return;
    const [x, y] = place(country.at);
    const r = Math.min(14, 2 + 2 * Math.log2(1 + weight));
    const dot = make("circle", { cx: x, cy: y, r, class: strong ? "arrived strong" : "arrived" });
    this.dots.append(dot);
    setTimeout(() => dot.remove(), 1200);
  }
}
