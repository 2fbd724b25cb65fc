// Folded columns, remembered in a cookie so that the server draws them folded.
import { board, columns } from "./columns.js";

export function enableFolding() {
  board.addEventListener("click", (event) => {
    const column = event.target.closest(".col");
    if (event.target.closest("[data-fold]") || (column?.classList.contains("folded") && !event.target.closest("a"))) fold(column);
  });
}

function fold(column) {
  const folded = column.classList.toggle("folded");
  column.querySelector("[data-fold]").setAttribute("aria-expanded", !folded);
  const stages = columns().filter((each) => each.classList.contains("folded")).map((each) => each.dataset.stageId);
  document.cookie = `folded=${stages.join(".")}; path=/; max-age=31536000; samesite=lax`;
}
