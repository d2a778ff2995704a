// The list of findings: choosing several at once, and how many are chosen.
const form = document.getElementById("triage");
if (form) {
  const boxes = () => [...form.querySelectorAll("input[name=ids]")];
  const all = form.querySelector("[data-all]"), told = form.querySelector("[data-chosen]");
  const tell = () => {
    const n = boxes().filter(b => b.checked).length;
    if (told) told.textContent = told.dataset.text.replace("{n}", n);
    form.querySelectorAll(".act button").forEach(b => { b.disabled = !n; });
    if (all) { all.checked = n > 0 && n === boxes().length; all.indeterminate = n > 0 && !all.checked; }
  };
  form.addEventListener("change", e => {
    if (e.target === all) boxes().forEach(b => { b.checked = all.checked; });
    tell();
  });
  tell();
}
