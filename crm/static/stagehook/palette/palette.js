// Search from anywhere: / or Ctrl K opens it, arrows choose, Enter opens. What was opened last is remembered in this
// browser by its number alone, and the server names it, so that nobody sees a title that is no longer theirs to see.
const palette = document.getElementById("palette");
const input = palette.querySelector("input");
const list = document.getElementById("palette-list");
const told = palette.querySelector("[data-told]");
const KINDS = { deals: "deal", contacts: "contact", companies: "company" };
const REMEMBERED = 12;
const PAUSE = 90; // ms without a key before we ask

let timer = 0;
let asked = null; // the request under way

const remembered = () => JSON.parse(localStorage.getItem(palette.dataset.recent) ?? "[]");
const options = () => [...list.querySelectorAll('[role="option"]')];
const chosen = () => list.querySelector('[aria-selected="true"]');

function rememberThisPage() {
  const [, kind, number] = location.pathname.match(/^\/(deals|contacts|companies)\/(\d+)\/$/) ?? [];
  if (!kind) return;
  const name = `${KINDS[kind]}:${number}`;
  const names = [name, ...remembered().filter((each) => each !== name)];
  localStorage.setItem(palette.dataset.recent, JSON.stringify(names.slice(0, REMEMBERED)));
}

function open() {
  if (palette.open) return;
  for (const other of document.querySelectorAll("dialog[open]")) other.close();
  palette.showModal();
  input.select();
  ask();
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const query = new URLSearchParams({ q: input.value.trim() });
  if (!input.value.trim()) for (const name of remembered()) query.append("recent", name);
  const answer = await fetch(`${palette.dataset.url}?${query}`, { signal: asked.signal }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  list.innerHTML = await answer.text();
  choose(options()[0]);
  told.textContent = list.querySelector(".palette-none")?.textContent ?? "";
}

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function step(distance) {
  const all = options();
  if (all.length) choose(all[(all.indexOf(chosen()) + distance + all.length) % all.length]);
}

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
});
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") step(1);
  else if (event.key === "ArrowUp") step(-1);
  else if (event.key === "Enter" && chosen()) {
    if (event.ctrlKey || event.metaKey) window.open(chosen().href, "_blank", "noopener");
    else location.href = chosen().href;
  } else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-search]")) open();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  const isSlash = event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isSlash && !(event.key === "k" && (event.ctrlKey || event.metaKey))) return;
  event.preventDefault();
  open();
});

rememberThisPage();
