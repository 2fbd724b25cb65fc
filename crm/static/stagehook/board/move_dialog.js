// "Move to…": the same move as a drag, from a list of stages. Digits choose one.
import { board, columnOf } from "./columns.js";
import { moveToStage } from "./moves.js";

const dialog = document.getElementById("move");
const choices = [...dialog.querySelectorAll("[data-to-stage]")];
let moving = null;

export function openMoveDialog(card) {
  moving = card;
  const here = columnOf(card).dataset.stageId;
  for (const choice of choices) choice.disabled = choice.dataset.toStage === here;
  dialog.showModal();
  choices.find((choice) => !choice.disabled)?.focus();
  return true;
}

export function enableMoveDialog() {
  board.addEventListener("click", (event) => {
    if (event.target.closest("[data-move]")) openMoveDialog(event.target.closest(".card"));
  });
  dialog.addEventListener("click", (event) => choose(event.target.closest("[data-to-stage]")));
  dialog.addEventListener("keydown", (event) => {
    const able = choices.filter((choice) => !choice.disabled);
    const at = able.indexOf(document.activeElement);
    if (event.key === "ArrowDown") able[(at + 1) % able.length].focus();
    if (event.key === "ArrowUp") able.at(at - 1).focus();
    if (Number(event.key)) choose(choices[Number(event.key) - 1]);
  });
}

function choose(choice) {
  if (!choice || choice.disabled) return;
  dialog.close();
  moveToStage(moving, choice.dataset.toStage);
}
