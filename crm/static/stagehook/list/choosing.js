// Rows of the list that are chosen: one by one, a span of them with Shift, the page, or all that fit. What was done to them
// is shown by reading the list again.
import { enableAsking } from "../bulk/ask.js";
import { anyChosen, choose, chooseAll, clear, enableBar, isChosen } from "../bulk/bar.js";
import { enableDone } from "../bulk/done.js";
import { pressAction } from "../base/toast.js";

const list = document.getElementById("list");
const boxes = () => [...list.querySelectorAll("[data-choose]")];
let last = null; // the id of the row that was chosen, or let go, last

function mark() {
  const rows = boxes();
  for (const box of rows) box.checked = isChosen(box.value);
  const page = list.querySelector("[data-choose-page]");
  if (!page) return;
  page.checked = rows.every((box) => box.checked);
  page.indeterminate = !page.checked && rows.some((box) => box.checked);
}

function pick(box, withShift) {
  const rows = boxes();
  const from = withShift ? rows.findIndex((each) => each.value === last) : -1;
  const at = rows.indexOf(box);
  const span = from < 0 ? [box] : rows.slice(Math.min(from, at), Math.max(from, at) + 1);
  last = box.value;
  choose(span.map((each) => each.value), box.checked);
}

const refresh = () => window.htmx.ajax("GET", location.href, { source: list, target: list, select: "#list > *", swap: "innerHTML" });

export function enableChoosing() {
  enableBar(mark);
  enableAsking();
  enableDone(refresh);
  list.addEventListener("htmx:afterSwap", mark);
  list.addEventListener("click", (event) => {
    const { target } = event;
    if (target.matches("[data-choose]")) pick(target, event.shiftKey);
    if (target.matches("[data-choose-page]")) choose(boxes().map((box) => box.value), target.checked);
    const all = target.closest("[data-choose-all]");
    if (all) chooseAll(all.dataset.chooseAll);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [data-cell]")) return;
    if (event.key === "Escape" && anyChosen()) clear();
    if (event.key === "z" || event.key === "Z") pressAction("z");
  });
}
