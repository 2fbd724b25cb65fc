// The list of deals: a cell under edit takes the focus and gives it back.
import { enableColumns } from "./columns.js";
import { enableChoosing } from "./choosing.js";

enableChoosing();
enableColumns();

document.addEventListener("htmx:afterSwap", (event) => {
  const cell = event.detail.target.closest?.("td.cell");
  const form = cell?.querySelector("[data-cell]");
  if (form) form.querySelector("input:not([type=hidden]), select")?.focus();
  else cell?.querySelector(".cell-edit")?.focus();
});

document.addEventListener("keydown", (event) => {
  const form = event.key === "Escape" && event.target.closest("[data-cell]");
  if (form) form.querySelector("[data-cancel]").click();
});
