// The address space of IPv4 on a Hilbert curve: 256 x 256 cells, one a /16; networks that are near stay near.
// After the map in "xkcd 195" and Dainotti et al.; the curve as in Hacker's Delight, 16-1.

/** Cell of a /16 (0..65535) on a curve of order 8: [x, y], 0.0.0.0 at the top left. */
export function cell(network) {
  let x = 0;
  let y = 0;
  let t = network;
  for (let s = 1; s < 256; s *= 2) {
    const rx = 1 & (t >> 1);
    const ry = 1 & (t ^ rx);
    if (ry === 0) {
      if (rx === 1) {
        x = s - 1 - x;
        y = s - 1 - y;
      }
      [x, y] = [y, x];
    }
    x += s * rx;
    y += s * ry;
    t >>= 2;
  }
  return [x, y];
}

/** The /16 whose cell is x, y. */
export function network(x, y) {
  let d = 0;
  for (let s = 128; s > 0; s >>= 1) {
    const rx = (x & s) > 0 ? 1 : 0;
    const ry = (y & s) > 0 ? 1 : 0;
    d += s * s * ((3 * rx) ^ ry);
    if (ry === 0) {
      if (rx === 1) {
        x = 255 - x;
        y = 255 - y;
      }
      [x, y] = [y, x];
    }
  }
  return d;
}

export function text(n) {
  return `${n >> 8}.${n & 255}.0.0/16`;
}

function colours(element) {
  const style = getComputedStyle(element);
  return Array.from({ length: 8 }, (_, i) => style.getPropertyValue(`--h${i}`).trim());
}

export class Hilbert {
  /** canvas: 512 x 512; tip: an element that tells what lies under the pointer. */
  constructor(canvas, tip, tell) {
    this.canvas = canvas;
    this.tip = tip;
    this.tell = tell;
    this.values = new Map();
    canvas.width = canvas.height = 512;
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => (tip.textContent = ""));
  }

  /** spaces: [[network, sources, packets], ...]; by: 1 for sources, 2 for packets. */
  draw(spaces, by) {
    const context = this.canvas.getContext("2d");
    const scale = colours(this.canvas);
    const style = getComputedStyle(this.canvas);
    context.fillStyle = style.getPropertyValue("--panel").trim();
    context.fillRect(0, 0, 512, 512);
    this.values = new Map(spaces.map((s) => [s[0], s]));
    const most = spaces.reduce((m, s) => Math.max(m, s[by]), 1);
    for (const s of spaces) {
      const [x, y] = cell(s[0]);
      const shade = Math.min(7, Math.floor((8 * Math.log1p(s[by])) / Math.log1p(most + 1)));
      context.fillStyle = scale[Math.max(1, shade)];
      context.fillRect(2 * x, 2 * y, 2, 2);
    }
    this.grid(context, style.getPropertyValue("--line").trim(), style.getPropertyValue("--muted").trim());
  }

  /** Lines around each /8 and its number. */
  grid(context, line, ink) {
    context.strokeStyle = line;
    context.fillStyle = ink;
    context.font = "9px sans-serif";
    context.lineWidth = 0.5;
    for (let n = 0; n < 256; n++) {
      const [x, y] = cell(n << 8);
      const left = x & ~15;
      const top = y & ~15;
      context.strokeRect(2 * left, 2 * top, 32, 32);
      context.fillText(String(n), 2 * left + 2, 2 * top + 9);
    }
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * 256);
    const y = Math.floor(((event.clientY - box.top) / box.height) * 256);
    if (x < 0 || y < 0 || x > 255 || y > 255) return;
    const n = network(x, y);
    this.tip.textContent = this.tell(text(n), this.values.get(n));
  }
}
