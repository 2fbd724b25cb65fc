// Folded columns, remembered in a cookie so that the server draws them folded.
import { board, columns } from "./columns.js";

export function enableFolding() {
  board.addEventListener("click", (event) => {
    const column = event.target.closest(".col");
    if (event.target.closest("[data-fold]")) fold(column);
    else if (column?.classList.contains("folded") && !event.target.closest("a, summary, .menu-list")) fold(column);
  });
}

function fold(column) {
  const folded = column.classList.toggle("folded");
  const menu = column.querySelector("details");
  const hadFocus = column.contains(document.activeElement);
  menu.open = false;
  if (hadFocus) (folded ? column.querySelector(".unfold") : menu.querySelector("summary")).focus();
  const stages = columns().filter((each) => each.classList.contains("folded")).map((each) => each.dataset.stageId);
  document.cookie = `folded=${stages.join(".")}; path=/; max-age=31536000; samesite=lax`;
}
