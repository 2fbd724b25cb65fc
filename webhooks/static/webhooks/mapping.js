// A row goes, and the focus with it to what comes next.
const form = document.getElementById("mapping-form");
const rows = document.getElementById("mapping-rows");
let aimed = null; // the row somebody was in last
let waiting = null; // what was clicked of the sample and is in no row yet

form.addEventListener("click", (event) => {
  const row = event.target.closest("[data-remove-row]")?.closest(".mapping-row");
  if (!row) return;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  (next?.querySelector("select") ?? form.querySelector(".add-row")).focus();
  form.dispatchEvent(new Event("change"));
});

// A line of a row goes: one of the values, or a word and ours for it.
form.addEventListener("click", (event) => {
  const line = event.target.closest("[data-drop]")?.closest(".said");
  if (!line) return;
  const more = line.parentElement.querySelector(".more-said");
  line.remove();
  more.focus();
  more.dispatchEvent(new Event("input", { bubbles: true }));
});

// What is written by hand is none of the ways on offer.
rows.addEventListener("input", ({ target }) => {
  const row = target.closest(".mapping-row");
  if (!target.name.endsWith("-expression")) return;
  for (const way of row?.querySelectorAll('[name$="-pick"], [name$="-read"]') ?? []) way.value = "";
});

// A row that is changed while it is asked about keeps the change: its answer is of yesterday, and it asks again.
rows.addEventListener("input", ({ target }) => {
  target.closest(".mapping-row")?.setAttribute("data-changed", "");
});
rows.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (!target.matches(".row-result")) target.closest(".mapping-row")?.removeAttribute("data-changed");
});
rows.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.target.matches(".mapping-row[data-changed]")) return;
  event.detail.shouldSwap = false;
  event.detail.requestConfig.elt.dispatchEvent(new Event("picked"));
});

// The form came to know other rows or what was picked: the preview, too. Whoever picked goes on in the same row.
rows.addEventListener("htmx:load", (event) => {
  const { focus } = event.detail.elt.dataset ?? {};
  if (focus) document.getElementById(focus).focus();
  aimed = focus?.endsWith("-field") ? event.detail.elt : null; // once it is filled, a click goes to the next empty row
  if (waiting && event.detail.elt.matches?.(".mapping-row")) fill(event.detail.elt);
  form.dispatchEvent(new Event("change"));
});

// ---- A click on a value of the sample fills the row somebody was in last, else the next empty one, else a new one. ----

rows.addEventListener("focusin", (event) => {
  aimed = event.target.closest(".mapping-row");
});

form.addEventListener("click", (event) => {
  const value = event.target.closest("[data-pick]");
  if (!value) return;
  waiting = value.dataset.pick;
  const isEmpty = (row) => row.querySelector('input:not([type="hidden"])[name$="-expression"]')?.value.trim() === "";
  const row = aimed?.isConnected ? aimed : [...rows.querySelectorAll(".mapping-row")].find(isEmpty);
  if (row) fill(row);
  else form.querySelector(".add-row").click();
});

function fill(row) {
  const picks = row.querySelector('[name$="-pick"]');
  if (![...picks.options].some((option) => option.value === waiting)) picks.add(new Option(waiting, waiting));
  picks.value = waiting;
  waiting = null;
  picks.dispatchEvent(new Event("picked")); // at once, in place of what the row is asking for
}

// A page that nobody looks at does not ask whether something came.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.id === "mapping-waiting") event.preventDefault();
});
