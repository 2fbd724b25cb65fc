// A page that nobody looks at does not ask for what is new.
document.getElementById("newer")?.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});
