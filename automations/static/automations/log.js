// Counts what is selected, selects all, applies a filter as soon as it is chosen, and narrows to hours dragged over.
const rows = document.getElementById("log-rows");
const all = document.getElementById("select-all");
const filters = document.getElementById("log-filters");
const newer = document.getElementById("newer");
const live = document.getElementById("live");
const hours = document.querySelector(".hours");

function count() {
  const boxes = [...rows.querySelectorAll("[name=ids]")];
  const chosen = boxes.filter((box) => box.checked).length;
  document.getElementById("selected").textContent = chosen;
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
}

const picksASpan = () => filters.elements.period.value === "span";

filters.addEventListener("change", (event) => {
  const isHalfASpan = picksASpan() && !(filters.elements.start.value && filters.elements.end.value);
  if (event.target.type !== "search" && !isHalfASpan) filters.requestSubmit();
});
filters.addEventListener("submit", () => {
  for (const field of filters.elements) {
    const isUnseen = ["start", "end"].includes(field.name) && !picksASpan();
    field.disabled = field.name !== "" && (field.value === "" || isUnseen);
  }
});
addEventListener("pageshow", () => {
  for (const field of filters.elements) field.disabled = false;
});
rows?.addEventListener("change", count);
rows?.addEventListener("htmx:afterSettle", count);
all?.addEventListener("change", () => {
  for (const box of rows.querySelectorAll("[name=ids]")) box.checked = all.checked;
  count();
});

// ---- Live: a row that follows its state stays selected; a hidden or a paused page does not ask. ----

document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  const before = detail.target.querySelector("[name=ids]");
  const after = detail.fragment.querySelector("[name=ids]");
  if (before && after) after.toggleAttribute("checked", before.checked);
});
newer?.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden || live.ariaPressed === "false") event.preventDefault();
});
live?.addEventListener("click", () => {
  live.ariaPressed = String(live.ariaPressed === "false");
});

// ---- The bar of the last day: each of its columns leads to its hour; a drag leads to all it went over. ----

let dragged = null;

const slots = () => [...hours.querySelectorAll("[data-slot]")];

function mark(first, last) {
  slots().forEach((slot, place) => slot.classList.toggle("chosen", place >= first && place <= last));
}

function placeAt(event) {
  const slot = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-slot]");
  return slot ? slots().indexOf(slot) : -1;
}

function addressOf(first, last) {
  const [begin, end] = [first, last].map((place) => new URL(hours.querySelectorAll(".figures a")[place].href));
  begin.searchParams.set("end", end.searchParams.get("end"));
  return begin;
}

function markTheChosen() {
  const given = new URLSearchParams(location.search);
  const [start, end] = [given.get("start"), given.get("end")];
  if (given.get("period") !== "span" || !start) return;
  slots().forEach(({ classList, dataset }) => classList.toggle("chosen", dataset.slot >= start && (!end || dataset.slot < end)));
}

hours.addEventListener("htmx:afterSwap", () => {
  hours.removeAttribute("aria-busy");
  markTheChosen();
});
hours.addEventListener("pointerdown", (event) => {
  const place = placeAt(event);
  if (place >= 0 && event.button === 0) dragged = { from: place, to: place };
});
addEventListener("pointermove", (event) => {
  const place = dragged ? placeAt(event) : -1;
  if (place < 0) return;
  dragged.to = place;
  mark(Math.min(dragged.from, place), Math.max(dragged.from, place));
});
addEventListener("pointerup", () => {
  if (!dragged) return;
  const [first, last] = [dragged.from, dragged.to].sort((a, b) => a - b);
  dragged = null;
  location.assign(addressOf(first, last));
});
addEventListener("pointercancel", () => {
  dragged = null;
  markTheChosen();
});
