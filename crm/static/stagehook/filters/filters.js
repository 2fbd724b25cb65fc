// The bar of filters: opens the dialog at a chip's field, keeps empty fields out of the address, and opens the forms of
// saved views. F opens the dialog from anywhere.
const bar = document.querySelector("[data-filters]");
const filters = document.getElementById("filters");
const viewDialog = document.getElementById("view-dialog");

async function openFilters(group) {
  if (!filters.firstElementChild) await window.htmx.ajax("GET", bar.dataset.filters, { target: filters, swap: "innerHTML" });
  if (!filters.open) filters.showModal();
  const field = group && filters.querySelector(`[name="${CSS.escape(group)}"], [name^="${CSS.escape(group)}_"], [name^="${CSS.escape(group)}."]`);
  (field || filters.querySelector("input:not([type=hidden])"))?.focus();
}

async function openViewForm(url) {
  await window.htmx.ajax("GET", url, { target: viewDialog, swap: "innerHTML" });
  viewDialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.filter !== undefined) openFilters(button.dataset.filter);
  if (button?.dataset.viewForm) openViewForm(button.dataset.viewForm);
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if ((event.key !== "f" && event.key !== "F") || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  openFilters("");
});

document.addEventListener("formdata", (event) => {
  if (!event.target.matches('[method="get"]')) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
