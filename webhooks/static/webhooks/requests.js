// A page that nobody looks at, or that is paused, does not ask for what is new and what has changed.
const live = document.getElementById("live");

document.getElementById("newer")?.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden || live.ariaPressed === "false") event.preventDefault();
});
live?.addEventListener("click", () => {
  live.ariaPressed = String(live.ariaPressed === "false");
});
