// Saving moves. The card is shown where it was dropped at once; the server's answer puts it right where it disagrees.
// One request at a time per card: moves made meanwhile are sent as one when the answer is in. A move that does not reach
// the server is kept and sent again when the connection is back.
import { post } from "../base/request.js";
import { say, toast } from "../base/toast.js";
import { ask } from "../bulk/ask.js";
import { undoAll } from "../bulk/done.js";
import { board, cardOf, columnOf, focusCard, isAt, putBack, show, spotOf, stageName, titleOf, whereabouts, words } from "./columns.js";
import { expectEcho, hold, refresh, release } from "./updates.js";

const RETRY = 4000; // ms until a kept move is sent again, unless the browser knows earlier that it is online
const UNDO_FOR = 10000; // ms

const waiting = new Map(); // deal id -> {from, undoes}
const sending = new Set(); // deal ids
const kept = new Set(); // deal ids whose move has not reached the server

// Call after the card was put into its new place; `from` is its former spot, `undoes` whether this takes a move back.
export function saveMove(card, from, { undoes = false } = {}) {
  if (isAt(card, from)) return;
  const { dealId } = card.dataset;
  const unsent = waiting.get(dealId);
  waiting.set(dealId, { from: unsent?.from ?? from, undoes: undoes && !unsent });
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
  if (!kept.delete(dealId)) hold();
  sending.add(dealId);
  while (waiting.has(dealId)) {
    const move = waiting.get(dealId);
    waiting.delete(dealId);
    if (!(await send(dealId, move))) {
      keep(dealId, move);
      return;
    }
  }
  sending.delete(dealId);
  release();
}

// Says whether the server has answered.
async function send(dealId, move) {
  const card = cardOf(dealId);
  const column = columnOf(card);
  const answer = await tell(card, move).catch(() => null);
  if (!answer) return false;
  if (move.kept) toast(words("Back"));
  if (answer.ok || arrivedBefore(move, answer, column)) {
    if (waiting.has(dealId)) card.dataset.version = answer.body.cards[0]?.version ?? card.dataset.version;
    else accept(dealId, move, answer, column);
  } else refuse(dealId, move, answer, column);
  return true;
}

// The connection may have been lost after the move had reached the server: then it is stale by itself.
const arrivedBefore = ({ kept: again }, { status, body }, column) =>
  again && status === 409 && String(body.cards?.[0]?.stage) === column.dataset.stageId;

function accept(dealId, { from, undoes }, { body }, column) {
  show(body);
  if (undoes) say(words("Undone", { title: titleOf(cardOf(dealId)), stage: stageName(column) }));
  else offerUndo(dealId, from, column);
}

function refuse(dealId, { from }, { status, body }, column) {
  const card = cardOf(dealId);
  waiting.delete(dealId);
  if (body.columns) show(body);
  else {
    putBack(card, from);
    countCards(column, from.column);
    card.classList.remove("saving");
  }
  if (status === 422 && body.missing?.length) ask("GET", `/deals/${dealId}/enter/${column.dataset.stageId}/`);
  else toast(body.message || words("Failed"), { tone: "bad" });
}

function keep(dealId, move) {
  sending.delete(dealId);
  if (!kept.size) toast(words("Offline"), { tone: "bad" });
  kept.add(dealId);
  waiting.set(dealId, { ...move, kept: true, ...(waiting.has(dealId) && { undoes: false }) });
  setTimeout(sendKept, RETRY);
}

function sendKept() {
  for (const dealId of kept) if (!sending.has(dealId)) sendAll(dealId);
}

export function enableSaving() {
  addEventListener("online", sendKept);
  board.addEventListener("live", sendKept);
  addEventListener("beforeunload", (event) => { if (kept.size) event.preventDefault(); });
}

function tell(card, { undoes }) {
  const { dealId, version } = card.dataset;
  expectEcho(dealId);
  return post(undoes ? board.dataset.undoUrl : `/deals/${dealId}/move/`, {
    ...(undoes ? { deal: dealId } : { stage: columnOf(card).dataset.stageId, version }),
    before: card.nextElementSibling?.dataset.dealId ?? "",
    after: card.previousElementSibling?.dataset.dealId ?? "",
  });
}

function offerUndo(dealId, from, column) {
  if (column === from.column) return;
  const hue = [...column.classList].find((name) => name.startsWith("hue-"));
  const undo = () => {
    const card = cardOf(dealId);
    if (!card) {
      undoAll([dealId], refresh);
      return;
    }
    const here = spotOf(card);
    putBack(card, from);
    focusCard(card);
    saveMove(card, here, { undoes: true });
  };
  const action = { label: words("Undo"), key: "z", run: undo };
  toast(words("Moved", { stage: stageName(column) }), { hue, action, shownFor: UNDO_FOR });
}

function countCards(from, to) {
  if (from === to) return;
  for (const [column, difference] of [[from, -1], [to, 1]]) {
    const count = column.querySelector("[data-count]");
    const shown = Number(count.textContent.replace(/\D/g, ""));
    count.textContent = (shown + difference).toLocaleString(document.documentElement.lang);
  }
}
