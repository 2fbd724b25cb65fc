// The list of deals: columns become one word in the address, and a cell under edit takes the focus and gives it back.
import { enableChoosing } from "./choosing.js";

enableChoosing();

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-columns]");
  if (!form) return;
  event.preventDefault();
  const query = new URLSearchParams(location.search);
  query.delete("after");
  query.set("columns", [...form.querySelectorAll("input:checked")].map((box) => box.value).join(","));
  location.search = query;
});

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
