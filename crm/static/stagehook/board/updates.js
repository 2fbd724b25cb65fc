// What others do: hints from the live stream become fetches of the cards they name. Nothing changes under a card in
// the hand: hints wait until it is put down.
import { follow } from "../live/live.js";
import { board, columns, makeFirstCardsReachable, show, showWhole, words } from "./columns.js";
import { isEcho, sending } from "./in_flight.js";

const GATHER = 60; // ms in which hints are gathered into one fetch

const touched = new Set();
let everything = false;
let held = 0;
let timer = 0;

export function hold() { held += 1; }

export function release() {
  held -= 1;
  plan();
}

export function refresh(dealIds) {
  for (const dealId of dealIds) touched.add(String(dealId));
  plan();
}

function plan() {
  clearTimeout(timer);
  if (!held && (everything || touched.size)) timer = setTimeout(fetchNow, GATHER);
}

async function fetchNow() {
  const whole = everything;
  const dealIds = [...touched].filter((dealId) => !sending.has(dealId));
  everything = false;
  touched.clear();
  if (!whole && !dealIds.length) return;
  const answer = await (whole ? get(board.dataset.columnsUrl, loaded()) : get(board.dataset.touchedUrl, dealIds.map((id) => ["deal", id])));
  if (held || !answer) {
    everything ||= whole;
    refresh(dealIds);
  } else {
    whole ? showWhole(answer) : show(answer, { arriving: true });
    makeFirstCardsReachable();
  }
}

const loaded = () => columns().map((column) => ["loaded", `${column.dataset.stageId}:${column.querySelectorAll(".card").length}`]);

async function get(url, pairs) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of pairs) query.append(name, value);
  const response = await fetch(`${url}?${query}`).catch(() => null);
  return response?.ok && !response.redirected ? response.json() : null;
}

function hear({ deals }) {
  if (!deals.length) return lookAgain();
  refresh(deals.filter((dealId) => !isEcho(String(dealId))));
}

function lookAgain() {
  everything = true;
  plan();
}

function showState(state) {
  const live = document.querySelector("[data-live]");
  live.querySelector(".lamp").className = `lamp ${state === "live" ? "ok" : "warn"}`;
  live.querySelector("span").textContent = words(state === "live" ? "Live" : "Polling");
}

export function startFollowing() {
  follow({ url: board.dataset.liveUrl, since: board.dataset.renderedAt, touched: hear, missed: lookAgain, state: showState });
}
