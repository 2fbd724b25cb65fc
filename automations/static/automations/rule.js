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
  (next?.querySelector("select") ?? form.elements.match).focus();
  form.dispatchEvent(new Event("change"));
});

// The form came to know a new condition: the preview, too.
document.getElementById("conditions").addEventListener("htmx:load", () => form.dispatchEvent(new Event("change")));
