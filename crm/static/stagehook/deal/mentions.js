// Naming people in a text: behind an @ a list of those who may see the deal, chosen from by keyboard or by a press.
const ASKED = /(?:^|\s)@([^\n@]{0,40})$/u; // what stands before the caret

let area = null;
let asked = null; // the request under way

const list = () => document.getElementById(area.getAttribute("aria-controls"));
const options = () => [...list().querySelectorAll("[role=option]")];
const chosen = () => list().querySelector('[aria-selected="true"]');
const typed = () => area.value.slice(0, area.selectionStart).match(ASKED)?.[1];

async function offer() {
  const name = typed();
  asked?.abort();
  if (name === undefined) return close();
  asked = new AbortController();
  const query = new URLSearchParams({ q: name });
  const answer = await fetch(`${area.dataset.mentions}?${query}`, { signal: asked.signal }).catch(() => null);
  if (!answer?.ok || answer.redirected || typed() !== name) return;
  list().innerHTML = await answer.text();
  list().hidden = !options().length;
  choose(options()[0]);
}

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) area.setAttribute("aria-activedescendant", option.id);
  else area.removeAttribute("aria-activedescendant");
}

function write(option) {
  const end = area.selectionStart;
  const start = end - typed().length;
  area.setRangeText(`${option.dataset.mention} `, start, end, "end");
  close();
  area.focus();
}

function close() {
  list().hidden = true;
  list().replaceChildren();
  area.removeAttribute("aria-activedescendant");
}

function step(distance) {
  const all = options();
  choose(all[(all.indexOf(chosen()) + distance + all.length) % all.length]);
}

const KEYS = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Enter: () => write(chosen()),
  Tab: () => write(chosen()),
  Escape: close,
};

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-mentions]")) return;
  area = event.target;
  offer();
});
document.addEventListener("keydown", (event) => {
  if (event.target !== area || list().hidden || !KEYS[event.key]) return;
  KEYS[event.key]();
  event.preventDefault();
});
document.addEventListener("pointerdown", (event) => {
  const option = event.target.closest("[data-mention]");
  if (!option) return;
  event.preventDefault(); // the text keeps its focus and caret
  write(option);
});
document.addEventListener("focusout", (event) => {
  if (event.target === area) close();
});
