// What every page does: theme, menus, dialogs, copying, toasts from the server, and the CSRF token for htmx.
import { say, toast } from "./toast.js";

const csrf = document.querySelector('meta[name="csrf-token"]').content;
document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = csrf; });
document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, { tone: event.detail.tone }));

function showServerMessages() {
  for (const message of document.querySelectorAll("[data-toast]")) {
    toast(message.dataset.toast, { tone: message.dataset.tone === "error" ? "bad" : "" });
    message.remove();
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", button.dataset.setTheme === theme);
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.querySelector("use").setAttribute("href", "#i-check");
  say(button.dataset.done);
  setTimeout(() => button.querySelector("use").setAttribute("href", "#i-copy"), 1500);
}

function closeMenusExcept(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenusExcept(event.target);
  const button = event.target.closest("button");
  if (button?.dataset.setTheme) setTheme(button.dataset.setTheme);
  if (button?.dataset.copy !== undefined) copy(button);
  if (button?.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
  if (button?.dataset.close !== undefined || event.target.matches("dialog")) event.target.closest("dialog").close();
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement.closest("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

setTheme(document.documentElement.dataset.theme);
showServerMessages();
