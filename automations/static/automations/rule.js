import { followFaults } from "./faults.js";

// Offers only the stages of the chosen pipeline. Without this every stage is offered, under its pipeline's name.
const form = document.getElementById("rule-form");
const { pipeline } = form.elements;

function narrow() {
  const name = pipeline.value && pipeline.selectedOptions[0].text;
  for (const select of [form.elements.stage, form.elements.from_stage]) {
    for (const group of select.querySelectorAll("optgroup")) group.hidden = group.disabled = Boolean(name) && group.label !== name;
    if (select.selectedOptions[0]?.parentElement.disabled) select.value = "";
  }
}

pipeline.addEventListener("change", narrow);
narrow();

// A new rule is named after what it waits for, until somebody gives it a name.
const { name } = form.elements;
let sentence = name.defaultValue;
document.getElementById("preview")?.addEventListener("htmx:afterSettle", (event) => {
  const said = event.currentTarget.querySelector("[data-sentence]").textContent;
  if (name.value === sentence && location.pathname.endsWith("/new/")) name.value = said;
  sentence = said;
});

// A condition goes, and the focus with it to what comes next.
form.addEventListener("click", (event) => {
  const condition = event.target.closest("[data-remove-condition]")?.closest(".condition");
  if (!condition) return;
  const next = condition.nextElementSibling ?? condition.previousElementSibling;
  condition.remove();
  (next?.querySelector("summary") ?? form.elements.match).focus();
  form.dispatchEvent(new Event("change"));
});

// The form came to know a new condition: the preview, too.
document.getElementById("conditions").addEventListener("htmx:load", () => form.dispatchEvent(new Event("change")));

// The picker of a condition's field: what is typed narrows its list, what is taken is told to the server.
form.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find]")) return;
  const text = event.target.value.trim().toLocaleLowerCase();
  for (const item of event.target.parentElement.querySelectorAll("li")) item.hidden = !item.textContent.toLocaleLowerCase().includes(text);
});
form.addEventListener("keydown", (event) => {
  if (!event.target.matches("[data-find]") || event.key !== "Enter") return;
  event.preventDefault();
  event.target.parentElement.querySelector("li:not([hidden]) button")?.click();
});
form.addEventListener("toggle", (event) => {
  if (event.target.matches(".field-picker[open]")) event.target.querySelector("[data-find]").focus();
}, true);
form.addEventListener("click", (event) => {
  const picker = event.target.closest("[data-take]")?.closest(".field-picker");
  if (!picker) return;
  picker.open = false;
  picker.querySelector("summary").focus(); // it has an id, by which the row that comes gets the focus again
  const chosen = picker.querySelector("[type=hidden]");
  chosen.value = event.target.closest("[data-take]").dataset.take;
  chosen.dispatchEvent(new Event("change", { bubbles: true }));
});

// A value of the document goes where the cursor is: with a name of its own inside an object, else as it is.
const { expression } = form.elements;
document.getElementById("document")?.addEventListener("click", (event) => {
  const { path, name } = event.target.closest("[data-path]")?.dataset ?? {};
  if (!path) return;
  const { value, selectionStart: from, selectionEnd: to } = expression;
  const [text, start, end] = insertion(value, from, to, path, name.replace(/\W+/g, "_").replace(/^(?=\d|$)/, "_"));
  expression.setRangeText(text, start, end, "end");
  expression.focus();
  expression.dispatchEvent(new Event("input", { bubbles: true }));
  expression.dispatchEvent(new Event("change", { bubbles: true }));
});

function insertion(value, from, to, path, name) {
  const entry = `${name}: ${path}`;
  const before = value.slice(0, from).trimEnd();
  if (!value.trim()) return [`{${entry}}`, 0, value.length];
  if (before.endsWith("{") || before.endsWith(",")) return [entry, from, to];
  if (!before.endsWith("}") || value.slice(to).trim()) return [path, from, to];
  const inside = before.slice(0, -1).trimEnd();
  return [`${/[{,]$/.test(inside) ? "" : ", "}${entry}}`, inside.length, value.length];
}

const preview = document.getElementById("preview");
if (preview) followFaults([expression, form.elements.condition_expression], preview);

// Another search offers other deals, the first of which is chosen.
document.getElementById("preview-deal")?.addEventListener("htmx:afterSwap", (event) => event.target.dispatchEvent(new Event("change", { bubbles: true })));
