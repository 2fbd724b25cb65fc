// The lists of contacts and companies: N, the button, or #new in the address, opens the form for a new one.
import { ask, enableAsking } from "../bulk/ask.js";
import { enableColumns } from "../list/columns.js";

const button = document.querySelector("[data-new-party]");

button.addEventListener("click", () => ask("GET", button.dataset.newParty));

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if ((event.key !== "n" && event.key !== "N") || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  button.click();
});

enableAsking();
enableColumns();
if (location.hash === "#new") button.click();
