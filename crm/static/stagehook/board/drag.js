// Dragging with mouse, pen and finger. A mouse picks a card up by moving it 4 px, a finger by resting on it, so that a
// swipe stays a swipe. The card follows the pointer; a slot of its height shows where it would land.
import { board, cardsOf, columns, columnOf, focusCard, putBack, spotOf } from "./columns.js";
import { saveMove } from "./moves.js";
import { hold, release } from "./updates.js";

const MOUSE_SLACK = 4; // px
const FINGER_SLACK = 9; // px
const FINGER_REST = 240; // ms
const EDGE = 56; // px from an edge within which lists and board scroll by themselves
const LANDING = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 140; // ms

let pressed = null; // a card under a pointer that is down, not yet dragged
let drag = null;
let swallowClick = false;

export function enableDragging() {
  board.addEventListener("pointerdown", press);
  board.addEventListener("dragstart", (event) => event.preventDefault());
  addEventListener("pointermove", follow);
  addEventListener("pointerup", () => letGo(true));
  addEventListener("pointercancel", () => letGo(false));
  addEventListener("touchmove", (event) => { if (drag) event.preventDefault(); }, { passive: false });
  addEventListener("contextmenu", (event) => { if (drag || pressed?.byFinger) event.preventDefault(); });
  addEventListener("keydown", (event) => { if (event.key === "Escape") letGo(false); });
  addEventListener("click", (event) => {
    if (!swallowClick) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
}

function press(event) {
  const card = event.target.closest(".card");
  if (!card || event.button || event.target.closest("button") || pressed || drag) return;
  hold();
  pressed = { card, x: event.clientX, y: event.clientY, pointer: event.pointerId, byFinger: event.pointerType === "touch" };
  if (pressed.byFinger) pressed.timer = setTimeout(() => lift(pressed), FINGER_REST);
}

function follow(event) {
  if (pressed?.pointer === event.pointerId) {
    const distance = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
    if (pressed.byFinger && distance > FINGER_SLACK) letGo(false);
    else if (!pressed.byFinger && distance > MOUSE_SLACK) lift(pressed);
  }
  if (drag) {
    drag.x = event.clientX;
    drag.y = event.clientY;
  }
}

function forget() {
  clearTimeout(pressed.timer);
  pressed = null;
}

function letGo(keep) {
  if (!pressed && !drag) return;
  if (drag) land(keep);
  else forget();
  release();
}

function lift({ card, x, y }) {
  forget();
  const box = card.getBoundingClientRect();
  const slot = document.createElement("li");
  slot.className = "slot";
  slot.setAttribute("aria-hidden", "true");
  slot.style.height = `${box.height}px`;
  drag = { card, slot, ghost: makeGhost(card, box), from: spotOf(card), gripX: x - box.left, gripY: y - box.top, x, y, column: null };
  card.after(slot);
  card.classList.add("lifted");
  document.documentElement.classList.add("dragging");
  navigator.vibrate?.(8);
  frame();
}

function makeGhost(card, box) {
  const ghost = document.createElement("div");
  const hue = [...columnOf(card).classList].find((name) => name.startsWith("hue-"));
  ghost.className = `carried ${hue}`;
  ghost.setAttribute("aria-hidden", "true");
  ghost.style.width = `${box.width}px`;
  ghost.style.height = `${box.height}px`;
  const copy = card.cloneNode(true);
  copy.removeAttribute("id");
  copy.removeAttribute("data-deal-id");
  ghost.append(copy);
  document.body.append(ghost);
  return ghost;
}

function frame() {
  if (!drag) return;
  track();
  drag.frame = requestAnimationFrame(frame);
}

function track() {
  drag.ghost.style.transform = `translate3d(${drag.x - drag.gripX}px, ${drag.y - drag.gripY}px, 0)`;
  scrollNear(board, "scrollLeft", drag.x, "left", "right");
  const column = columns().find((each) => contains(each, drag.x));
  if (column) hover(column);
}

const contains = (column, x) => {
  const box = column.getBoundingClientRect();
  return x >= box.left - 5 && x <= box.right + 5;
};

function scrollNear(element, property, at, low, high) {
  const box = element.getBoundingClientRect();
  if (at > box[high] - EDGE) element[property] += (at - box[high] + EDGE) / 3;
  else if (at < box[low] + EDGE) element[property] -= (box[low] + EDGE - at) / 3;
}

function hover(column) {
  if (column !== drag.column) {
    drag.column?.classList.remove("over");
    column.classList.add("over");
    drag.column = column;
    drag.cards = cardsOf(column);
  }
  const list = column.querySelector(".cards");
  scrollNear(list, "scrollTop", drag.y, "top", "bottom");
  const before = cardBelow(drag.y - drag.gripY + drag.slot.offsetHeight / 2) ?? list.querySelector(":scope > .more");
  if (drag.slot.parentNode !== list || drag.slot.nextElementSibling !== before) list.insertBefore(drag.slot, before);
}

// Binary search: a few boxes measured per frame, however long the column is.
function cardBelow(y) {
  let low = 0;
  let high = drag.cards.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const box = drag.cards[middle].getBoundingClientRect();
    if (box.top + box.height / 2 < y) low = middle + 1;
    else high = middle;
  }
  return drag.cards[low] ?? null;
}

function land(keep) {
  if (keep) track(); // the pointer may have moved since the last frame
  const { card, slot, ghost, from, column } = drag;
  cancelAnimationFrame(drag.frame);
  drag = null;
  document.documentElement.classList.remove("dragging");
  column?.classList.remove("over");
  swallowClick = true;
  setTimeout(() => { swallowClick = false; }); // the click that ends the drag comes before this
  if (!keep) putBack(slot, from);
  flyTo(slot, ghost);
  slot.replaceWith(card);
  card.classList.remove("lifted");
  if (keep) saveMove(card, from);
}

function flyTo(slot, ghost) {
  const goal = slot.offsetParent ? slot : slot.closest(".col"); // a folded column shows no cards
  const box = goal.getBoundingClientRect();
  ghost.classList.add("lands");
  const path = [{ transform: ghost.style.transform }, { transform: `translate3d(${box.left}px, ${box.top}px, 0)` }];
  ghost.animate(path, { duration: LANDING, easing: "cubic-bezier(.2,.8,.2,1)" }).finished.finally(() => ghost.remove());
}
