// Counts what is selected, selects all, and applies a filter as soon as it is chosen.
const rows = document.getElementById("log-rows");
const all = document.getElementById("select-all");
const filters = document.getElementById("log-filters");

function count() {
  const boxes = [...rows.querySelectorAll("[name=ids]")];
  const chosen = boxes.filter((box) => box.checked).length;
  document.getElementById("selected").textContent = chosen;
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
}

filters.addEventListener("change", () => filters.requestSubmit());
filters.addEventListener("submit", () => {
  for (const field of filters.elements) field.disabled = field.name !== "" && field.value === "";
});
addEventListener("pageshow", () => {
  for (const field of filters.elements) field.disabled = false;
});
rows?.addEventListener("change", count);
rows?.addEventListener("htmx:afterSettle", count);
all?.addEventListener("change", () => {
  for (const box of rows.querySelectorAll("[name=ids]")) box.checked = all.checked;
  count();
});
