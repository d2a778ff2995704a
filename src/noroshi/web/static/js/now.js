// What arrives, as a picture that moves: the newest hour with packets, played again and again at speed until new data
// comes; on a map of the world where countries are known, else on the map of the address space.
import { World } from "./world.js";
import { Hilbert, cell } from "./hilbert.js";
import { number } from "./charts.js";

const figure = document.getElementById("arriving");
const find = name => figure.querySelector(`[data-${name}]`);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const ROWS = 14;
const state = { data: null, slice: 0, playing: !still, by: new Map(), countries: {}, world: null, hilbert: null, timer: 0 };

async function load() {
  const answer = await fetch(figure.dataset.src, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  state.data = await answer.json();
  state.start = Date.parse(state.data.start);
  state.width = (Date.parse(state.data.end) - state.start) / state.data.slices;
  state.at = new Map();
  for (const event of state.data.events) {
    if (!state.at.has(event[0])) state.at.set(event[0], []);
    state.at.get(event[0]).push(event);
  }
  await picture();
  restart();
}

async function picture() {
  find("loading")?.remove();
  if (state.data.known) {
    if (!state.world) {
      const world = await (await fetch(figure.dataset.world)).json();
      state.world = new World(find("map"), world, document.documentElement.lang);
    }
    find("map").removeAttribute("hidden");  // SVG has no such property
  } else {
    state.hilbert ??= new Hilbert(find("space").querySelector("canvas"), find("tip"), tell);
    find("space").hidden = false;
    find("tip").textContent = figure.dataset.none;
  }
}

function tell(network, space) {
  if (!space) return network;
  return `${network}  ${number(space[2])} ${figure.dataset.packets}, ${number(space[1])} ${figure.dataset.sources}`;
}

function restart() {
  state.slice = 0;
  state.by.clear();
  state.countries = {};
  find("list").replaceChildren();
  draw();
  // Without motion the whole hour stands at once.
  if (!state.playing) {
    while (state.slice < state.data.slices) step(false);
    state.data.events.slice(-ROWS).forEach(listed);
  }
  draw();
}

function draw() {
  state.world?.shade(state.countries, n => `${number(n)} ${figure.dataset.packets}`);
  state.hilbert?.draw([...state.by.values()], 2);
  const at = new Date(state.start + state.slice * state.width).toISOString().slice(0, 19).replace("T", " ");
  find("clock").textContent = `${state.data.live ? figure.dataset.live : figure.dataset.replay} · ${at} UTC`;
}

function step(show) {
  for (const event of state.at.get(state.slice) ?? []) {
    const [, network, packets, country] = event;
    const known = state.by.get(network) ?? [network, 0, 0];
    state.by.set(network, [network, known[1] + 1, known[2] + packets]);
    if (country) state.countries[country] = (state.countries[country] ?? 0) + packets;
    if (show) arrived(event);
  }
  state.slice++;
}

function arrived(event) {
  const [, network, packets, country] = event;
  if (state.world && country) state.world.arrive(country, packets, false);
  if (state.hilbert) flash(network);
  listed(event);
}

function listed([, , packets, country, ip, port]) {
  const row = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: `/entity/ip/${encodeURIComponent(ip)}`, textContent: ip, className: "mono" });
  row.append(link, text(country && state.world ? state.world.name(country) : ""), text(`${number(packets)} → ${port}`, "num"));
  const list = find("list");
  list.prepend(row);
  while (list.childElementCount > ROWS) list.lastElementChild.remove();
}
const text = (content, className = "muted") => Object.assign(document.createElement("span"), { textContent: content, className });

function flash(network) {
  const [x, y] = cell(network);
  const context = find("space").querySelector("canvas").getContext("2d");
  context.fillStyle = getComputedStyle(figure).getPropertyValue("--accent").trim();
  context.fillRect(2 * x - 1, 2 * y - 1, 4, 4);
}

let frame = 0;
function tick() {
  if (state.data && state.playing && !document.hidden) {
    step(true);
    if (++frame % 5 === 0) draw();
    if (state.slice >= state.data.slices) restart();
  }
  // A slice of the hour lasts 6 s; at 60x it is shown for a tenth of a second.
  const speed = Number(find("speed").value);
  state.timer = setTimeout(tick, Math.max(40, (state.width || 6000) / speed));
}

const play = find("play");
play.addEventListener("click", () => {
  state.playing = !state.playing;
  label();
});
function label() {
  play.textContent = state.playing ? play.dataset.pause : play.dataset.go;
  play.setAttribute("aria-pressed", String(state.playing));
}
if (figure) {
  label();
  load().then(tick, () => { find("loading").className = "state failed"; find("loading").textContent = figure.dataset.failed; });
  document.body.addEventListener("noroshi:changed", () => load().catch(() => {}));
  document.addEventListener("noroshi:theme", () => state.data && draw());
}
