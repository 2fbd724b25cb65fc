// The card form on top of a column. Enter saves and leaves the form open for the next deal, Escape closes it.
import { board, unfoldedColumns } from "./columns.js";
import { refresh } from "./updates.js";

export function openForm(column) {
  if (!column) return false;
  closeForm();
  const place = column.querySelector(".col-new");
  const { create } = column.querySelector("[data-create]").dataset;
  window.htmx.ajax("GET", create, { target: place, swap: "innerHTML" });
  return true;
}

function closeForm() {
  for (const place of board.querySelectorAll(".col-new")) place.replaceChildren();
}

export function enableQuickCreate() {
  document.querySelector("[data-new]").addEventListener("click", () => openForm(unfoldedColumns()[0]));
  board.addEventListener("click", (event) => {
    if (event.target.closest("[data-create]")) openForm(event.target.closest(".col"));
    if (event.target.closest("[data-close-quick]")) closeForm();
  });
  board.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.closest(".quick")) return;
    const button = event.target.closest(".col").querySelector("[data-create]");
    closeForm();
    button.focus();
  });
  document.addEventListener("deal-created", (event) => refresh([event.detail.id]));
  board.addEventListener("htmx:afterSettle", (event) => {
    if (!event.target.matches(".col-new, .quick")) return;
    const wrong = event.target.querySelector("[aria-invalid]");
    (wrong ?? event.target.querySelector("[name=title]")).focus();
  });
}
