// Activities wherever they stand: ticked in place with an undo, put off, and edited in a dialog that N opens empty.
// Every change is told to the page, which fetches what it shows of activities anew.
import { pressAction, toast } from "../base/toast.js";
import { offerAbout } from "./about.js";

const dialog = document.getElementById("activity-dialog");
const csrf = document.querySelector('meta[name="csrf-token"]').content;
const UNDO_FOR = 10000; // ms
let ticked = -1; // the place of the row that was ticked, whose neighbour takes the focus where the row goes

export async function openForm(url) {
  await window.htmx.ajax("GET", url, { target: dialog, swap: "innerHTML" });
  if (dialog.firstElementChild && !dialog.open) dialog.showModal();
}

// Posts `values` and returns whether they were taken; says what happened, or why it did not.
export async function act(url, values = {}) {
  const options = { method: "POST", headers: { "X-CSRFToken": csrf }, body: new URLSearchParams(values) };
  const response = await fetch(url, options).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok || !answer) {
    const why = answer?.message ?? (response?.status === 404 ? dialog.dataset.wordGone : dialog.dataset.wordFailed);
    toast(why, { tone: "bad" });
    return false;
  }
  const { text, undo } = answer;
  const action = undo && { label: dialog.dataset.wordUndo, key: "z", run: () => act(undo.url, undo.values) };
  toast(text, { action, shownFor: UNDO_FOR });
  tellPage();
  return true;
}

function tellPage() {
  document.body.dispatchEvent(new CustomEvent("activities-changed", { bubbles: true }));
  document.body.dispatchEvent(new CustomEvent("deal-changed", { bubbles: true }));
}

async function press(button) {
  const row = button.closest(".act");
  if (button.matches(".act-tick")) ticked = rows().indexOf(row);
  button.setAttribute("aria-busy", "true");
  const taken = await act(button.dataset.act, button.dataset.to === undefined ? {} : { to: button.dataset.to });
  button.removeAttribute("aria-busy");
  if (taken) closeAround(button);
}

const rows = () => [...document.querySelectorAll(".act")];

function closeAround(element) {
  element.closest("dialog")?.close();
  const menu = element.closest("details.menu");
  if (menu) menu.open = false;
}

document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-activity-form]");
  if (form) {
    closeAround(form);
    openForm(form.dataset.activityForm);
  }
  const button = event.target.closest("button[data-act]");
  if (button) press(button);
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-act]");
  if (!form) return;
  event.preventDefault();
  if (await act(form.dataset.act, new FormData(form))) form.closest("dialog").close();
});

document.addEventListener("activity-saved", (event) => {
  dialog.close();
  toast(event.detail.text);
  tellPage();
});

dialog.addEventListener("close", () => dialog.replaceChildren());
dialog.addEventListener("htmx:afterSettle", () => dialog.querySelector("[role='alert'][tabindex], [aria-invalid]")?.focus());

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "activities" || ticked < 0) return;
  const near = rows()[Math.min(ticked, rows().length - 1)];
  if (document.activeElement === document.body) near?.querySelector(".act-tick").focus();
  ticked = -1;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const opener = document.querySelector("[data-activity-form][aria-keyshortcuts]");
  if (event.key.toLowerCase() === "z" && pressAction("z")) event.preventDefault();
  if (event.key.toLowerCase() !== "n" || !opener || event.defaultPrevented) return;
  event.preventDefault();
  openForm(opener.dataset.activityForm);
});

offerAbout(dialog);
