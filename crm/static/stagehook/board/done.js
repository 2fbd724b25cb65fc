// What follows when the server has done what was asked of it for several deals at once.
import { toast } from "../base/toast.js";
import { words } from "./columns.js";
import { undoAll } from "./moves.js";
import { clear } from "./selection.js";
import { refresh } from "./updates.js";

const dialog = document.getElementById("ask");

export function enableDone() {
  document.addEventListener("board-done", ({ detail: { deals, message, undo, refused } }) => {
    if (!refused) dialog.close();
    clear();
    refresh(deals);
    toast(message, { action: undo ? { label: words("Undo"), key: "z", run: () => undoAll(deals) } : null });
  });
}
