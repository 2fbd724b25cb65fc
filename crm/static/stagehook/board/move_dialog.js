// The menu of a card: "Move to…", the same move as a drag, from a list of stages; won, lost, and the rules run by hand.
// Arrows go through both, digits choose a stage.
import { act } from "../bulk/bar.js";
import { board, columnOf } from "./columns.js";
import { moveToStage } from "./moves.js";
import { toggleCard } from "./selection.js";
import { refresh } from "./updates.js";

const dialog = document.getElementById("move");
const actions = document.getElementById("card-actions");
const choices = [...dialog.querySelectorAll("[data-to-stage]")];
let moving = null;

export function openMoveDialog(card) {
  moving = card;
  const here = columnOf(card).dataset.stageId;
  for (const choice of choices) choice.disabled = choice.dataset.toStage === here;
  offerActions(card.dataset.dealId);
  dialog.showModal();
  choices.find((choice) => !choice.disabled)?.focus();
  return true;
}

// Which rules there are depends on the deal, so they are asked for each time; the list of stages is there at once.
function offerActions(dealId) {
  actions.replaceChildren();
  window.htmx.ajax("GET", `/deals/${dealId}/actions/`, { source: actions, target: actions, swap: "innerHTML" });
}

export function enableMoveDialog() {
  board.addEventListener("click", (event) => {
    if (event.target.closest(".card-menu")) openMoveDialog(event.target.closest(".card"));
  });
  dialog.addEventListener("click", (event) => {
    choose(event.target.closest("[data-to-stage]"));
    run(event.target.closest("[data-verb]")?.dataset.verb);
  });
  dialog.addEventListener("keydown", (event) => {
    const able = [...dialog.querySelectorAll(".menu-item:enabled")];
    const at = able.indexOf(document.activeElement);
    if (event.key === "ArrowDown") able[(at + 1) % able.length].focus();
    if (event.key === "ArrowUp") able.at(Math.max(at, 0) - 1).focus();
    if (event.key.startsWith("Arrow")) event.preventDefault(); // the focus scrolls, not the dialog
    if (Number(event.key)) choose(choices[Number(event.key) - 1]);
  });
  actions.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.requestConfig.verb === "post") refresh([event.detail.requestConfig.parameters.deal]);
  });
}

function run(verb) {
  if (!verb) return;
  dialog.close();
  if (verb === "select") toggleCard(moving);
  else act(verb, [moving.dataset.dealId]);
}

function choose(choice) {
  if (!choice || choice.disabled) return;
  dialog.close();
  moveToStage(moving, choice.dataset.toStage);
}
