// Cards that were chosen: with Ctrl and a click, X, or all of a column.
import { anyChosen, chooseAll, enableBar, isChosen, toggle } from "../bulk/bar.js";
import { board, titleOf } from "./columns.js";

export function toggleCard(card) {
  toggle(card.dataset.dealId, titleOf(card));
  return true;
}

function mark() {
  for (const card of board.querySelectorAll(".card")) card.classList.toggle("chosen", isChosen(card.dataset.dealId));
}

export function enableSelection() {
  enableBar(mark);
  new MutationObserver(() => { if (anyChosen()) mark(); }).observe(board, { childList: true, subtree: true });
  board.addEventListener("click", (event) => {
    const all = event.target.closest("[data-select-all]");
    if (all) {
      all.closest("details").open = false;
      chooseAll(`${all.dataset.selectAll}${location.search}`);
    }
    const card = event.target.closest(".card");
    if (!card || event.target.closest(".card-menu, .bolt") || !(event.ctrlKey || event.metaKey || anyChosen())) return;
    event.preventDefault();
    toggleCard(card);
  });
}
