// What follows when the server has done what was asked of it for several deals at once, and how moves are taken back.
import { post } from "../base/request.js";
import { toast } from "../base/toast.js";
import { sentence } from "../base/words.js";
import { clear } from "./bar.js";

const bar = document.getElementById("bulk");
const dialog = document.getElementById("ask");

// `refresh` brings these deals on the page to what they are now.
export function enableDone(refresh) {
  document.addEventListener("board-done", ({ detail: { deals, message, undo, refused } }) => {
    if (!refused) dialog.close();
    clear();
    refresh(deals);
    const takeBack = { label: sentence(bar, "Undo"), key: "z", run: () => undoAll(deals, refresh) };
    toast(message, { action: undo ? takeBack : null });
  });
}

// Takes back the last move of each of the deals.
export async function undoAll(dealIds, refresh) {
  const answer = await post(bar.dataset.undoUrl, dealIds.map((dealId) => ["deal", dealId])).catch(() => null);
  if (!answer?.ok) toast(answer?.body.message || sentence(bar, "Failed"), { tone: "bad" });
  refresh(dealIds);
}
