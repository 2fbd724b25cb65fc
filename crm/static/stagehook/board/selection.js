// Cards that were chosen, and the bar with what can be done to all of them. Chosen are deals, not elements: a card that
// is drawn anew, or was never read, stays chosen.
import { say } from "../base/toast.js";
import { ask } from "./ask.js";
import { board, titleOf, words } from "./columns.js";

const bar = document.getElementById("bulk");
const chosen = new Set(); // deal ids, as text

export const anyChosen = () => chosen.size > 0;

export function toggle(card) {
  const { dealId } = card.dataset;
  const added = !chosen.delete(dealId);
  if (added) chosen.add(dealId);
  show();
  say(words(added ? "Chosen" : "Unchosen", { title: titleOf(card), count: chosen.size }));
  return true;
}

export function clear() {
  chosen.clear();
  show();
  return true;
}

export const act = (verb, ids = [...chosen]) => ask("POST", bar.dataset.url.replace("VERB", verb), { deal: ids });

async function chooseAll(url) {
  const response = await fetch(`${url}${location.search}`).catch(() => null);
  if (!response?.ok) return;
  for (const dealId of (await response.json()).deals) chosen.add(String(dealId));
  show();
  say(words("Selected", { count: chosen.size }));
}

function show() {
  bar.hidden = !chosen.size;
  document.documentElement.classList.toggle("choosing", chosen.size > 0);
  bar.querySelector("[data-chosen]").textContent = words("Selected", { count: chosen.size.toLocaleString(document.documentElement.lang) });
  mark();
}

function mark() {
  for (const card of board.querySelectorAll(".card")) card.classList.toggle("chosen", chosen.has(card.dataset.dealId));
}

export function enableSelection() {
  new MutationObserver(() => { if (chosen.size) mark(); }).observe(board, { childList: true, subtree: true });
  board.addEventListener("click", (event) => {
    const all = event.target.closest("[data-select-all]");
    if (all) {
      all.closest("details").open = false;
      chooseAll(all.dataset.selectAll);
    }
    const card = event.target.closest(".card");
    if (!card || event.target.closest(".card-menu, .bolt") || !(event.ctrlKey || event.metaKey || chosen.size)) return;
    event.preventDefault();
    toggle(card);
  });
  bar.addEventListener("click", (event) => {
    const verb = event.target.closest("[data-bulk]")?.dataset.bulk;
    if (verb) act(verb);
    if (event.target.closest("[data-clear]")) clear();
  });
}
