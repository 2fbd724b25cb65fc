// The deal page: moving it by its stages, and keeping up with what others do while a field is being edited.
import { post } from "../base/request.js";
import { toast } from "../base/toast.js";
import { ask, enableAsking } from "../bulk/ask.js";
import { follow } from "../live/live.js";

const deal = document.getElementById("deal");
const dialog = document.getElementById("ask");
const REGIONS = ["deal-heading", "deal-verbs", "deal-stages", "deal-people", "deal-plans", "deal-files", "deal-planned", "deal-products", "deal-calls", "deal-story"];

let turns = 0;

async function moveTo(stage) {
  const version = deal.querySelector(".steps").dataset.version;
  const answer = await post(`/deals/${deal.dataset.dealId}/move/`, { stage, version }).catch(() => null);
  if (answer?.body.missing?.length) ask("GET", `/deals/${deal.dataset.dealId}/enter/${stage}/`);
  else if (!answer?.ok) toast(answer?.body.message ?? deal.dataset.wordFailed, { tone: "bad" });
  await refresh();
}

// Fetches the page again and takes over what is not being edited. The last of several fetches counts.
async function refresh() {
  const [address, turn] = [location.href, (turns += 1)];
  const response = await fetch(address).catch(() => null);
  if (response?.status === 404) toast(deal.dataset.wordGone, { tone: "bad" });
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (turn !== turns) return;
  if (address !== location.href) return void refresh(); // another part of the history was chosen meanwhile
  for (const id of REGIONS) renew(document.getElementById(id), fresh.getElementById(id));
  for (const field of deal.querySelectorAll("[data-field]")) {
    if (!isBeingEdited(field)) renew(field, fresh.getElementById(field.id));
  }
}

function renew(old, fresh) {
  if (!old || !fresh || old.isEqualNode(fresh) || isPlaying(old) || isAwaited(old)) return;
  old.replaceWith(fresh);
  window.htmx.process(fresh);
}

const isPlaying = (region) => [...region.querySelectorAll("audio")].some((sound) => !sound.paused);
const isAwaited = (region) => region.matches(":has(.htmx-request)");
const isBeingEdited = (field) => field.matches(":focus-within, .htmx-request, .saved, :has(.callout, .error)");

document.addEventListener("click", (event) => {
  const step = event.target.closest(".steps [data-to-stage]");
  if (step) moveTo(step.dataset.toStage);
  const fold = event.target.closest("[data-unfold]");
  fold?.setAttribute("aria-expanded", fold.getAttribute("aria-expanded") === "false");
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-stage-select]")) moveTo(event.target.value);
});
document.addEventListener("deal-changed", refresh);
document.addEventListener("board-done", ({ detail: { message, refused } }) => {
  if (refused) return; // the dialog says why
  dialog.close();
  toast(message);
  refresh();
});
enableAsking();
deal.addEventListener("animationend", (event) => event.target.closest(".saved")?.classList.remove("saved")); // the tick has faded

follow({
  url: deal.dataset.liveUrl,
  since: deal.dataset.renderedAt,
  touched: ({ deals }) => { if (!deals.length || deals.includes(Number(deal.dataset.dealId))) refresh(); },
  missed: refresh,
});
