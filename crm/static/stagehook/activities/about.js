// The input that offers deals and contacts: arrows choose, Enter or a click takes. What is typed and not taken from the
// list names nothing, which the server says beside the field.
const PAUSE = 120; // ms without a key before we ask

let timer = 0;
let asked = null; // the request under way

export function offerAbout(root) {
  root.addEventListener("input", (event) => {
    if (!event.target.matches("[data-about]")) return;
    named(event.target).value = "";
    ask(event.target, PAUSE);
  });
  root.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-about]") && !event.target.value) ask(event.target, 0);
  });
  root.addEventListener("focusout", (event) => {
    if (event.target.matches("[data-about]")) close(event.target);
  });
  root.addEventListener("keydown", onKey);
  root.addEventListener("pointerdown", (event) => {
    const option = event.target.closest(".about-list [data-value]");
    if (event.target.closest(".about-list")) event.preventDefault(); // the input keeps the focus
    if (option) take(option.closest(".about").querySelector("[data-about]"), option);
  });
}

const named = (input) => input.parentElement.querySelector('[type="hidden"]');
const list = (input) => document.getElementById(input.getAttribute("aria-controls"));
const options = (input) => [...list(input).querySelectorAll("[data-value]")];
const chosen = (input) => list(input).querySelector('[aria-selected="true"]');

function ask(input, pause) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams({ q: input.value.trim() });
    const answer = await fetch(`${input.dataset.about}?${query}`, { signal: asked.signal }).catch(() => null);
    if (!answer?.ok || answer.redirected || document.activeElement !== input) return;
    list(input).innerHTML = await answer.text();
    list(input).hidden = !list(input).firstElementChild;
    input.setAttribute("aria-expanded", !list(input).hidden);
    choose(input, options(input)[0]);
  }, pause);
}

function choose(input, option) {
  chosen(input)?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function take(input, option) {
  input.value = option.dataset.text;
  named(input).value = option.dataset.value;
  close(input);
}

function close(input) {
  clearTimeout(timer);
  list(input).hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function onKey(event) {
  const input = event.target;
  if (!input.matches("[data-about]") || list(input).hidden) return;
  if (event.key === "ArrowDown") step(input, 1);
  else if (event.key === "ArrowUp") step(input, -1);
  else if (event.key === "Enter" && chosen(input)) take(input, chosen(input));
  else if (event.key === "Escape") close(input);
  else return;
  event.preventDefault();
}

function step(input, distance) {
  const all = options(input);
  if (all.length) choose(input, all[(all.indexOf(chosen(input)) + distance + all.length) % all.length]);
}
