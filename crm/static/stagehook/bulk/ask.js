// The dialog that the server fills: what a verb needs to know, what a stage asks for, and what was refused.
const dialog = document.getElementById("ask");

// `values` are sent along with a POST: {deal: [ids]}.
export function ask(method, url, values = {}) {
  dialog.replaceChildren();
  window.htmx.ajax(method, `${url}${location.search}`, { source: dialog, target: dialog, swap: "innerHTML", values });
  return true;
}

export function enableAsking() {
  dialog.addEventListener("htmx:afterSettle", () => {
    if (!dialog.open && dialog.querySelector(".bulk-form")) dialog.showModal();
    const wrong = dialog.querySelector("[aria-invalid]");
    const first = dialog.querySelector("input:not([type=hidden]), select, textarea, [autofocus]");
    if (!dialog.contains(document.activeElement) || wrong || document.activeElement === dialog) (wrong ?? first)?.focus();
  });
}
