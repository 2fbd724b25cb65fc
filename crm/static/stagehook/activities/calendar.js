// The calendar: activities are dragged to another day (a finger rests on one first), arrow keys go from day to day, M
// moves the activity in focus, N plans something on the day in focus.
import { act, openForm } from "./activities.js";

const SLACK = 4; // px a mouse moves before it drags
const FINGER_SLACK = 9; // px
const FINGER_REST = 240; // ms
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
const phone = matchMedia("(max-width: 40rem)"); // an agenda: nothing beside each other to drag to

let pressed = null; // an activity under a pointer that is down
let drag = null;
let swallowClick = false;

const table = () => document.querySelector(".cal");
const days = () => [...document.querySelectorAll(".cal-day")];

document.addEventListener("pointerdown", (event) => {
  const item = event.target.closest(".cal-item");
  if (!item || event.button || event.target.closest(".cal-move") || pressed || drag || phone.matches) return;
  pressed = { item, x: event.clientX, y: event.clientY, byFinger: event.pointerType === "touch" };
  if (pressed.byFinger) pressed.timer = setTimeout(lift, FINGER_REST);
});

document.addEventListener("pointermove", (event) => {
  if (pressed) {
    const distance = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
    if (pressed.byFinger && distance > FINGER_SLACK) forget();
    else if (!pressed.byFinger && distance > SLACK) lift();
  }
  if (drag) follow(event);
});

document.addEventListener("pointerup", () => letGo(true));
document.addEventListener("pointercancel", () => letGo(false));
document.addEventListener("touchmove", (event) => { if (drag) event.preventDefault(); }, { passive: false });
document.addEventListener("contextmenu", (event) => { if (drag || pressed?.byFinger) event.preventDefault(); });
document.addEventListener("click", (event) => {
  if (!swallowClick) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

function forget() {
  clearTimeout(pressed?.timer);
  pressed = null;
}

function lift() {
  const { item, x, y } = pressed;
  forget();
  const box = item.getBoundingClientRect();
  const ghost = item.cloneNode(true);
  for (const named of ghost.querySelectorAll("[id]")) named.removeAttribute("id");
  ghost.className = "cal-carried";
  ghost.setAttribute("aria-hidden", "true");
  ghost.style.width = `${box.width}px`;
  document.body.append(ghost);
  item.classList.add("lifted");
  document.documentElement.classList.add("dragging");
  drag = { item, ghost, from: item.closest(".cal-day"), gripX: x - box.left, gripY: y - box.top, over: null };
}

function follow({ clientX, clientY }) {
  drag.ghost.style.transform = `translate3d(${clientX - drag.gripX}px, ${clientY - drag.gripY}px, 0)`;
  const day = document.elementFromPoint(clientX, clientY)?.closest(".cal-day") ?? null;
  if (day === drag.over) return;
  drag.over?.classList.remove("over");
  day?.classList.add("over");
  drag.over = day;
}

function letGo(keep) {
  forget();
  if (!drag) return;
  const { item, ghost, from, over } = drag;
  drag = null;
  ghost.remove();
  item.classList.remove("lifted");
  over?.classList.remove("over");
  document.documentElement.classList.remove("dragging");
  swallowClick = true;
  setTimeout(() => { swallowClick = false; }); // the click that ends the drag comes before this
  if (keep && over && over !== from) moveTo(item, over, from);
}

// Shown at once and put back where the server refuses; the calendar that is fetched then has it in its place.
async function moveTo(item, day, from) {
  const next = item.nextElementSibling;
  day.append(item);
  if (!await act(item.dataset.move, { to: day.dataset.day })) from.insertBefore(item, next);
}

function go(from, distance) {
  const all = days();
  const day = all[all.indexOf(from) + distance];
  if (!day) return turn(distance < 0 ? "PageUp" : "PageDown");
  for (const each of all) each.tabIndex = each === day ? 0 : -1;
  day.focus();
  return true;
}

function turn(key) {
  document.querySelector(`.cal-bar [aria-keyshortcuts="${key}"]`).click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drag) return letGo(false);
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return undefined;
  const day = event.target.closest(".cal-day");
  if (onKey(event, day)) event.preventDefault();
  return undefined;
}, true);

function onKey(event, day) {
  const { key } = event;
  if (key === "PageUp" || key === "PageDown") return turn(key);
  if (!day) return false;
  if (STEPS[key]) return go(day, STEPS[key]);
  const item = event.target.closest(".cal-item");
  const wanted = key.toLowerCase();
  if (item && wanted === "m") return open(item.dataset.move);
  if (wanted === "n" || (key === "Enter" && event.target === day)) return open(`${table().dataset.new}?on=${day.dataset.day}`);
  return false;
}

function open(url) {
  openForm(url);
  return true;
}
