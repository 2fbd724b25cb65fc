// Deals that were chosen, and the bar with what can be done to all of them. Chosen are deals, not elements: what is drawn
// anew, or was never read, stays chosen.
import { say } from "../base/toast.js";
import { sentence } from "../base/words.js";
import { ask } from "./ask.js";

const bar = document.getElementById("bulk");
const chosen = new Set(); // deal ids, as text
let mark = () => {};

export const isChosen = (dealId) => chosen.has(dealId);
export const anyChosen = () => chosen.size > 0;

export function choose(dealIds, wanted = true) {
  for (const dealId of dealIds) wanted ? chosen.add(String(dealId)) : chosen.delete(String(dealId));
  show();
}

export function toggle(dealId, title) {
  const added = !chosen.has(dealId);
  choose([dealId], added);
  say(sentence(bar, added ? "Chosen" : "Unchosen", { title, count: chosen.size }));
}

// `url` answers {"deals": [ids]}.
export async function chooseAll(url) {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) return;
  choose((await response.json()).deals);
  say(sentence(bar, "Selected", { count: chosen.size }));
}

export function clear() {
  chosen.clear();
  show();
  return true;
}

export const act = (verb, ids = [...chosen]) => ask("POST", bar.dataset.url.replace("VERB", verb), { deal: ids });

function show() {
  bar.hidden = !chosen.size;
  document.documentElement.classList.toggle("choosing", chosen.size > 0);
  bar.querySelector("[data-chosen]").textContent = sentence(bar, "Selected", { count: chosen.size.toLocaleString(document.documentElement.lang) });
  mark();
}

// `marker` shows on the page which deals are chosen.
export function enableBar(marker) {
  mark = marker;
  bar.addEventListener("click", (event) => {
    const verb = event.target.closest("[data-bulk]")?.dataset.bulk;
    if (verb) act(verb);
    if (event.target.closest("[data-clear]")) clear();
  });
}
