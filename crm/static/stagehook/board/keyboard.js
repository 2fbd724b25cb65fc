// The board without a mouse: arrows go from card to card, Space picks one up, M lists the stages, [ and ] move it a
// stage back or on, X chooses. Every step of a move is told to screen readers.
import { pressAction, say } from "../base/toast.js";
import { act, anyChosen, clear } from "../bulk/bar.js";
import {
  board, cardsOf, columnOf, columns, focusCard, makeReachable, putBack, spotOf, unfoldedColumns, whereabouts, words,
} from "./columns.js";
import { openMoveDialog } from "./move_dialog.js";
import { moveToStage, saveMove } from "./moves.js";
import { openForm } from "./quick_create.js";
import { toggleCard } from "./selection.js";
import { hold, release } from "./updates.js";

let picked = null; // {card, from}

export function enableKeyboard() {
  board.addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (card) makeReachable(card);
  });
  board.addEventListener("focusout", (event) => {
    if (picked && !picked.moving && event.target.closest(".card") === picked.card) cancel();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    const card = event.target.closest(".card");
    const handled = (picked && carry(event.key)) || (!picked && card && onCard(event, card)) || anywhere(event.key);
    if (handled) event.preventDefault();
  });
}

function anywhere(key) {
  if (key === "Escape") return anyChosen() && clear();
  if ((key === "m" || key === "M") && anyChosen()) return act("move");
  if (key === "n" || key === "N") return openForm(unfoldedColumns()[0]);
  if (key === "z" || key === "Z") return pressAction("z");
  if (key !== "?") return false;
  document.getElementById("keys").showModal();
  return true;
}

function onCard(event, card) {
  const onTitle = event.target.matches(".card-title");
  switch (event.key) {
    case "ArrowDown": return go(cardsOf(columnOf(card))[index(card) + 1]);
    case "ArrowUp": return go(cardsOf(columnOf(card))[index(card) - 1]);
    case "ArrowRight": return go(beside(card, 1));
    case "ArrowLeft": return go(beside(card, -1));
    case "Home": return go(cardsOf(columnOf(card))[0]);
    case "End": return go(cardsOf(columnOf(card)).at(-1));
    case "m": case "M": return anyChosen() ? act("move") : openMoveDialog(card);
    case "x": case "X": return toggleCard(card);
    case "]": return step(card, 1);
    case "[": return step(card, -1);
    case "n": case "N": return openForm(columnOf(card));
    case " ": return onTitle && pickUp(card);
    default: return false;
  }
}

const index = (card) => cardsOf(columnOf(card)).indexOf(card);

function go(card) {
  focusCard(card);
  return true;
}

function neighbour(column, direction) {
  const all = unfoldedColumns();
  return all[all.indexOf(column) + direction];
}

// The card at the same height in the next column that has any.
function beside(card, direction) {
  let column = neighbour(columnOf(card), direction);
  while (column && !cardsOf(column).length) column = neighbour(column, direction);
  return column && cardsOf(column)[Math.min(index(card), cardsOf(column).length - 1)];
}

function step(card, direction) {
  const all = columns();
  const column = all[all.indexOf(columnOf(card)) + direction];
  if (column) moveToStage(card, column.dataset.stageId);
  return true;
}

function pickUp(card) {
  hold();
  picked = { card, from: spotOf(card) };
  card.classList.add("picked");
  say(words("Lifted", whereabouts(card)));
  return true;
}

function carry(key) {
  const { card } = picked;
  switch (key) {
    case "Tab": return true;
    case "Escape": cancel(); return go(card);
    case " ": case "Enter": return drop();
    case "ArrowUp": return shift(card, (cards, at) => at > 0 && cards[at - 1].before(card));
    case "ArrowDown": return shift(card, (cards, at) => at < cards.length - 1 && cards[at + 1].after(card));
    case "ArrowLeft": return across(card, -1);
    case "ArrowRight": return across(card, 1);
    default: return true;
  }
}

function shift(card, change) {
  picked.moving = true; // taking the card out of the page takes its focus, which is not the reader leaving it
  change(cardsOf(columnOf(card)), index(card));
  focusCard(card);
  picked.moving = false;
  say(words("Over", whereabouts(card)));
  return true;
}

function across(card, direction) {
  const column = neighbour(columnOf(card), direction);
  if (!column) return true;
  return shift(card, (_cards, at) => {
    const list = column.querySelector(".cards");
    list.insertBefore(card, cardsOf(column)[at] ?? list.querySelector(":scope > .more"));
  });
}

function putDown() {
  const { card, from } = picked;
  picked = null;
  card.classList.remove("picked");
  return { card, from };
}

function drop() {
  const { card, from } = putDown();
  say(words("Dropped", whereabouts(card)));
  saveMove(card, from);
  release();
  return true;
}

function cancel() {
  const { card, from } = putDown();
  putBack(card, from);
  say(words("Cancelled"));
  release();
}
