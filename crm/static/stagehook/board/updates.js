// What others do: the live stream brings the cards, or hints at them, and they are fetched. Nothing changes under a card that
// is in the hand or being saved: hints wait until then, and what was fetched meanwhile is fetched again.
import { follow } from "../live/live.js";
import { board, columns, dropRepeatedCards, makeFirstCardsReachable, show, showBolts, showWhole, words } from "./columns.js";

const GATHER = 60; // ms in which hints are gathered into one fetch
const RETRY = 3000; // ms until a fetch that failed is tried again
const ECHO = 3000; // ms within which our own change comes back to us as a hint
const SPREAD = 2000; // ms over which boards spread that all have to look again at once

const touched = new Set(); // deal ids
const echoes = new Map(); // deal id -> until when its next hint is our own
const authors = new Map(); // deal id -> who has changed it, as its card will say
let ownUntil = 0;
let everything = false;
let held = 0;
let holds = 0;
let timer = 0;

export function hold() {
  clearTimeout(timer);
  held += 1;
  holds += 1;
}

export function release() {
  held -= 1;
  plan();
}

export function expectEcho(dealId) {
  ownUntil = Date.now() + ECHO;
  echoes.set(Number(dealId), ownUntil);
}

export function refresh(dealIds) {
  for (const dealId of dealIds) touched.add(dealId);
  plan();
}

function lookAgain(delay = GATHER) {
  everything = true;
  plan(delay);
}

function plan(delay = GATHER) {
  clearTimeout(timer);
  if (!held && (everything || touched.size)) timer = setTimeout(fetchNow, delay);
}

async function fetchNow() {
  const [whole, dealIds, holdsBefore] = [everything, [...touched], holds];
  everything = false;
  touched.clear();
  const answer = await (whole ? get(board.dataset.columnsUrl, loaded()) : get(board.dataset.touchedUrl, dealIds.map((id) => ["deal", id])));
  if (!answer || holds !== holdsBefore) {
    everything ||= whole;
    for (const dealId of dealIds) touched.add(dealId);
    plan(answer ? GATHER : RETRY);
    return;
  }
  const by = new Map(dealIds.map((dealId) => [Number(dealId), authors.get(Number(dealId))]));
  for (const dealId of by.keys()) authors.delete(dealId);
  if (whole) showWhole(answer, { by });
  else show(answer, { arriving: true, by });
  makeFirstCardsReachable();
}

const loaded = () => columns().map((column) => ["loaded", `${column.dataset.stageId}:${column.querySelectorAll(".card").length}`]);

async function get(url, pairs) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of pairs) query.append(name, value);
  const response = await fetch(`${url}?${query}`).catch(() => null);
  return response?.ok && !response.redirected ? response.json() : null;
}

// What the stream has drawn is shown as it is, unless it may be older than what we have just done ourselves.
function hear({ deals, by, answer }) {
  const news = deals.filter((dealId) => !isEcho(dealId));
  if (!deals.length) lookAgain(Math.random() * SPREAD);
  else if (answer && news.length === deals.length && !held && !touched.size && !everything && Date.now() > ownUntil) {
    for (const dealId of news) authors.delete(dealId); // of hints before this: the fetch they led to may still be under way
    show(answer, { arriving: true, by: new Map(news.map((dealId) => [dealId, by[dealId]])) });
    makeFirstCardsReachable();
  } else {
    for (const dealId of news) if (by[dealId]) authors.set(dealId, by[dealId]);
    refresh(news);
  }
}

// Counts and sums follow the cards. Those that may be older than what we have just done are fetched.
function hearNumbers(numbers) {
  if (held || touched.size || everything || Date.now() <= ownUntil) return;
  show(numbers);
}

function isEcho(dealId) {
  const until = echoes.get(dealId) ?? 0;
  echoes.delete(dealId);
  return until > Date.now();
}

function showState(state) {
  const live = document.querySelector("[data-live]");
  live.querySelector(".lamp").className = `lamp ${state === "live" ? "ok" : "warn"}`;
  live.querySelector("span").textContent = words(state === "live" ? "Live" : "Polling");
  if (state === "live") board.dispatchEvent(new Event("live"));
}

export function startFollowing() {
  board.addEventListener("htmx:afterSwap", dropRepeatedCards);
  const url = `${board.dataset.liveUrl}&cards=1${location.search.replace("?", "&")}`;
  const missed = (byItself) => lookAgain(byItself ? GATHER : Math.random() * SPREAD);
  follow({ url, since: board.dataset.renderedAt, touched: hear, numbers: hearNumbers, bolts: showBolts, missed, state: showState });
}
