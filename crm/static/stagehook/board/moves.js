// Saving moves. The card is shown where it was dropped at once; the server's answer puts it right where it disagrees.
// One request at a time per card: moves made meanwhile are sent as one when the answer is in.
import { say, toast } from "../base/toast.js";
import { cardOf, columnOf, focusCard, isAt, putBack, show, spotOf, stageName, whereabouts, words } from "./columns.js";
import { expectEcho, hold, release } from "./updates.js";

const csrf = document.querySelector('meta[name="csrf-token"]').content;
const waiting = new Map(); // deal id -> {from, undoable}
const sending = new Set(); // deal ids

// Call after the card was put into its new place; `from` is its former spot.
export function saveMove(card, from, { undoable = true } = {}) {
  if (isAt(card, from)) return;
  const { dealId } = card.dataset;
  waiting.set(dealId, { from: waiting.get(dealId)?.from ?? from, undoable });
  card.classList.add("saving");
  countCards(from.column, columnOf(card));
  if (!sending.has(dealId)) sendAll(dealId);
}

export function moveToStage(card, stageId) {
  const column = document.querySelector(`.col[data-stage-id="${stageId}"]`);
  const from = spotOf(card);
  if (!column || column === from.column) return;
  column.querySelector(".cards").prepend(card);
  focusCard(card);
  say(words("Dropped", whereabouts(card)));
  saveMove(card, from);
}

async function sendAll(dealId) {
  hold();
  sending.add(dealId);
  while (waiting.has(dealId)) {
    const move = waiting.get(dealId);
    waiting.delete(dealId);
    await send(dealId, move);
  }
  sending.delete(dealId);
  release();
}

async function send(dealId, { from, undoable }) {
  const card = cardOf(dealId);
  const column = columnOf(card);
  const answer = await post(card).catch(() => null);
  if (!answer) {
    putBack(card, from);
    countCards(column, from.column);
    card.classList.remove("saving");
    toast(words("Failed"), { tone: "bad" });
  } else if (!answer.ok) {
    waiting.delete(dealId);
    if (answer.body.columns) show(answer.body);
    toast(answer.body.message ?? words("Failed"), { tone: "bad" });
  } else if (waiting.has(dealId)) {
    card.dataset.version = answer.body.cards[0]?.version ?? card.dataset.version;
  } else {
    show(answer.body);
    if (undoable) offerUndo(dealId, from, column);
  }
}

async function post(card) {
  expectEcho(card.dataset.dealId);
  const response = await fetch(`/deals/${card.dataset.dealId}/move/${location.search}`, {
    method: "POST",
    headers: { "X-CSRFToken": csrf },
    body: new URLSearchParams({
      stage: columnOf(card).dataset.stageId,
      version: card.dataset.version,
      before: card.nextElementSibling?.dataset.dealId ?? "",
      after: card.previousElementSibling?.dataset.dealId ?? "",
    }),
  });
  const body = await response.json().catch(() => ({}));
  return { ok: response.ok && !response.redirected, body }; // redirected: to the login
}

function offerUndo(dealId, from, column) {
  if (column === from.column) return;
  const hue = [...column.classList].find((name) => name.startsWith("hue-"));
  const undo = () => {
    const card = cardOf(dealId);
    if (!card) return;
    const here = spotOf(card);
    putBack(card, from);
    saveMove(card, here, { undoable: false });
  };
  toast(words("Moved", { stage: stageName(column) }), { hue, action: { label: words("Undo"), key: "z", run: undo } });
}

function countCards(from, to) {
  if (from === to) return;
  for (const [column, difference] of [[from, -1], [to, 1]]) {
    const count = column.querySelector("[data-count]");
    const shown = Number(count.textContent.replace(/\D/g, ""));
    count.textContent = (shown + difference).toLocaleString(document.documentElement.lang);
  }
}
