// What every page does: copy, colours, keys, dialogs, parts that follow events. Pages read the same without it.
import "./charts.js";

const root = document.documentElement;
const said = document.getElementById("said");
export const say = text => { if (said) { said.textContent = ""; said.textContent = text; } };
export const csrf = () => document.querySelector("meta[name=csrf]")?.content ?? "";

// Every request htmx makes carries the token of this page.
document.addEventListener("htmx:configRequest", e => { e.detail.headers["X-CSRF-Token"] = csrf(); });
// What failed is said where it was asked for, in the server's words.
document.addEventListener("htmx:responseError", e => {
  let told = {};
  try { told = JSON.parse(e.detail.xhr.responseText); } catch { /* a page, or nothing */ }
  const box = document.createElement("div");
  box.className = "state failed";
  box.setAttribute("role", "alert");
  for (const text of [told.what, told.where, told.todo]) {
    if (text) box.append(Object.assign(document.createElement("p"), { textContent: text }));
  }
  if (!box.childNodes.length) box.textContent = `${e.detail.xhr.status}`;
  e.detail.target.prepend(box);
});

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {                          // no clipboard without a secure context: the old way
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.classList.add("copied");
  say(said?.dataset.copied ?? "");
  setTimeout(() => button.classList.remove("copied"), 1200);
}

function theme(name) {
  if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
  document.cookie = `theme=${name};path=/;max-age=31536000;samesite=lax` + (location.protocol === "https:" ? ";secure" : "");
  document.querySelectorAll("[data-theme-set]").forEach(a =>
    a.dataset.themeSet === name ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current"));
  document.dispatchEvent(new CustomEvent("noroshi:theme"));
}
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("noroshi:theme")));

document.addEventListener("click", e => {
  const copier = e.target.closest("[data-copy]");
  if (copier) { e.preventDefault(); copy(copier); return; }
  const themed = e.target.closest("[data-theme-set]");
  if (themed) { e.preventDefault(); theme(themed.dataset.themeSet); return; }
  const opener = e.target.closest("[data-dialog]");
  if (opener) { e.preventDefault(); document.getElementById(opener.dataset.dialog)?.showModal(); return; }
  document.querySelectorAll("details.menu[open],details.custom[open]").forEach(d => { if (!d.contains(e.target)) d.open = false; });
});

// A filter that is changed is applied: forms with data-auto.
document.addEventListener("change", e => { const f = e.target.closest("form[data-auto]"); if (f) f.requestSubmit(); });

document.addEventListener("keydown", e => {
  if (e.key === "Escape") { document.querySelectorAll("details.menu[open],details.custom[open]").forEach(d => { d.open = false; }); return; }
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input,textarea,select,[contenteditable]")) return;
  if (e.key === "/") { const q = document.getElementById("q"); if (q) { e.preventDefault(); q.focus(); q.select(); } }
  else if (e.key === "?") document.getElementById("help")?.showModal();
  else if (e.key === "g") document.querySelector("nav a")?.focus();
  else if (e.key === "t") theme(isDark() ? "light" : "dark");
});

// The time range all panels follow stands in the URL; whoever brushes sets it. Times are milliseconds.
export function range() {
  const r = document.querySelector("[data-range]");
  return r ? [Date.parse(r.dataset.start), Date.parse(r.dataset.end)] : null;
}
export function setRange(start, end) {
  const url = new URL(location.href);
  ["range", "cursor", "part"].forEach(k => url.searchParams.delete(k));
  const text = ms => new Date(Math.round(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
  url.searchParams.set("from", text(start));
  url.searchParams.set("to", text(end));
  location.assign(url);
}
document.addEventListener("noroshi:range", e => setRange(e.detail.start, e.detail.end));

// One stream for all that listens: elements with data-on="runs findings changed" get noroshi:EVENT, and hx-trigger
// may name it ("noroshi:changed from:body"). Opened only when something on the page listens.
let source = null;
export function listen() {
  if (source || !document.querySelector("[data-listen],[hx-trigger*='noroshi:']")) return;
  source = new EventSource("/api/v1/events");
  for (const name of ["hello", "runs", "findings", "changed", "missed", "progress"]) {
    source.addEventListener(name, e => {
      let detail = {};
      try { detail = JSON.parse(e.data); } catch { return; }
      document.body.dispatchEvent(new CustomEvent(`noroshi:${name}`, { detail, bubbles: true }));
      if (name === "missed") document.body.dispatchEvent(new CustomEvent("noroshi:changed", { detail, bubbles: true }));
    });
  }
  source.onerror = () => document.body.classList.add("offline");
  source.onopen = () => document.body.classList.remove("offline");
  addEventListener("pagehide", () => { source?.close(); source = null; });
}
addEventListener("pageshow", listen);
listen();
