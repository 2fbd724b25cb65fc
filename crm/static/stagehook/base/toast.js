// Short messages: spoken to screen readers, shown as toasts, with an action ("Undo") where one is given.
const box = document.getElementById("toasts");
const announcer = document.getElementById("announcer");
const SHOWN_FOR = 8000;

export function say(text) {
  announcer.textContent = "";
  requestAnimationFrame(() => { announcer.textContent = text; });
}

// `tone` is "bad" or empty; `hue` a class such as "hue-3"; `action` {label, key, run}; `shownFor` ms.
export function toast(text, { tone = "", hue = "", action = null, shownFor = SHOWN_FOR } = {}) {
  const element = document.createElement("div");
  element.className = `toast ${tone}`;
  element.setAttribute("role", tone === "bad" ? "alert" : "status");
  if (hue) element.append(Object.assign(document.createElement("i"), { className: `dot ${hue}` }));
  element.append(text);
  if (action) element.append(actionButton(action, element));
  box.replaceChildren(element);
  let timer = setTimeout(() => element.remove(), shownFor);
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("pointerleave", () => { timer = setTimeout(() => element.remove(), shownFor); });
}

function actionButton({ label, key, run }, element) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(label);
  if (key) {
    button.append(Object.assign(document.createElement("kbd"), { textContent: key.toUpperCase() }));
    button.setAttribute("aria-keyshortcuts", key);
  }
  button.addEventListener("click", () => { element.remove(); run(); });
  return button;
}

// The key of a toast's action works wherever the focus is, save where text is typed.
export function pressAction(key) {
  const button = box.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
  button?.click();
  return Boolean(button);
}
