// The board as it stands in the page: columns, the cards in them, and how a card gets its place.
import { sentence } from "../base/words.js";

export const board = document.getElementById("board");
export const columns = () => [...board.querySelectorAll(".col")];
export const unfoldedColumns = () => columns().filter((column) => !column.classList.contains("folded"));
export const columnOf = (card) => card.closest(".col");
export const stageName = (column) => column.querySelector("h2").textContent;
export const cardsOf = (column) => [...column.querySelectorAll(".cards > .card:not(.lifted)")];
export const cardOf = (dealId) => document.getElementById(`deal-${dealId}`);
export const titleOf = (card) => card.querySelector(".card-title").textContent;

export const words = (name, blanks) => sentence(board, name, blanks);

export const whereabouts = (card) => {
  const cards = cardsOf(columnOf(card));
  return { title: titleOf(card), stage: stageName(columnOf(card)), position: cards.indexOf(card) + 1, count: cards.length };
};

// A spot remembers where a card was, well enough to put it back after its neighbours have moved.
export const spotOf = (card) => ({ column: columnOf(card), next: card.nextElementSibling, previous: card.previousElementSibling });

export function putBack(element, { column, next, previous }) {
  const list = column.querySelector(".cards");
  if (next?.parentNode === list) list.insertBefore(element, next);
  else if (previous?.parentNode === list) previous.after(element);
  else list.prepend(element);
}

export const isAt = (card, spot) => columnOf(card) === spot.column && card.nextElementSibling === spot.next;

// Shows what the server answered: cards by their rank, what is gone, and the numbers of the columns.
// `by` names, by deal, who has changed it, where that was somebody else.
export function show({ cards = [], gone = [], columns: numbers = [], summary = {} }, { arriving = false, by = new Map() } = {}) {
  for (const dealId of gone) cardOf(dealId)?.remove();
  for (const card of cards) place(card, arriving, by.get(card.id));
  for (const column of numbers) showNumbers(column);
  for (const [name, text] of Object.entries(summary)) board.parentNode.querySelector(`[data-summary="${name}"]`).textContent = text;
}

function place({ id, stage, rank, version, html }, arriving, by) {
  const old = cardOf(id);
  if (old && Number(old.dataset.version) > version) return; // news that were overtaken
  const list = board.querySelector(`[data-stage-id="${stage}"] .cards`);
  const fresh = parse(html);
  const below = list && [...list.querySelectorAll(":scope > .card")].find((card) => card !== old && card.dataset.rank > rank);
  const unread = list?.querySelector(":scope > .more") ?? null;
  if (!list || (!below && unread && rank > unread.dataset.after)) {
    old?.remove(); // its place is further down than this board has read, or on another board
    return;
  }
  const next = below ?? unread;
  if (old?.parentNode === list && old.nextElementSibling === next && plain(old) === plain(fresh)) {
    if (by) arrive(old, by); // it came by another way, without the name
    return;
  }
  const moved = old && columnOf(old) !== columnOf(list);
  const focused = old?.contains(document.activeElement);
  old?.remove();
  list.insertBefore(fresh, next);
  if (arriving && (moved || !old || by)) arrive(fresh, by);
  if (focused) focusCard(fresh);
}

function arrive(card, by) {
  card.classList.add("arrived");
  if (by) card.dataset.by = by;
  card.addEventListener("animationend", () => {
    card.classList.remove("arrived");
    delete card.dataset.by;
  }, { once: true });
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

function showNumbers({ stage, count, sums, weighted, stale, over, share }) {
  const column = board.querySelector(`[data-stage-id="${stage}"]`);
  const rotten = column.querySelector("[data-stale]");
  column.classList.toggle("over-limit", over);
  column.querySelector("[data-count]").textContent = count;
  column.querySelector("[data-sums]").textContent = sums;
  column.querySelector("[data-weighted]").textContent = weighted;
  column.querySelector("[data-share]").setAttribute("width", share);
  rotten.hidden = !stale;
  rotten.querySelector("span").textContent = stale;
}

// The bolts of the columns that have one.
export function showBolts({ columns: bolts }) {
  for (const { stage, tone, text } of bolts) {
    const bolt = board.querySelector(`[data-stage-id="${stage}"] .rules`);
    if (bolt) Object.assign(bolt, { className: `rules ${tone}`, title: text });
  }
}

// Brings all columns to what the server says they are. Cards that say the same stay the elements they were.
export function showWhole({ cards, ...numbers }, { by = new Map() } = {}) {
  const focused = document.activeElement.closest?.(".card")?.id;
  for (const [stage, html] of Object.entries(cards)) fill(board.querySelector(`[data-stage-id="${stage}"] .cards`), html);
  show(numbers);
  for (const [dealId, name] of by) if (name && cardOf(dealId)) arrive(cardOf(dealId), name);
  if (focused && !document.activeElement.closest(".card")) focusCard(document.getElementById(focused));
}

function fill(list, html) {
  const fresh = [...parse(`<ol>${html}</ol>`).children].map((item) => {
    const old = item.matches(".more") ? list.querySelector(":scope > .more") : document.getElementById(item.id);
    return old && plain(old) === plain(item) ? old : item;
  });
  if (fresh.length === list.children.length && fresh.every((item, at) => item === list.children[at])) return;
  const { scrollTop } = list;
  list.replaceChildren(...fresh);
  list.scrollTop = scrollTop;
  window.htmx.process(list);
}

// A card may have moved up while the cards below were being read: then it came twice.
export function dropRepeatedCards() {
  for (const card of board.querySelectorAll(".card")) {
    if (cardOf(card.dataset.dealId) !== card) card.remove();
  }
}

// What a card says, whether Tab reaches it or not.
const plain = (item) => item.outerHTML.replaceAll('tabindex="0"', 'tabindex="-1"').replace(/^<li class="card[^"]*"/, '<li class="card"').replace(/^([^>]*) data-by="[^"]*"/, "$1");

// One card of a column can be reached with Tab; the arrow keys lead to the others.
export function makeReachable(card) {
  for (const other of columnOf(card).querySelectorAll('.card [tabindex="0"]')) other.tabIndex = -1;
  for (const part of card.querySelectorAll(".card-title, .card-menu, .bolt")) part.tabIndex = 0;
}

export function focusCard(card) {
  if (!card) return;
  makeReachable(card);
  card.querySelector(".card-title").focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest", inline: "nearest" });
}

export function makeFirstCardsReachable() {
  for (const column of columns()) {
    if (!column.querySelector('.card [tabindex="0"]')) cardsOf(column).slice(0, 1).forEach(makeReachable);
  }
}
