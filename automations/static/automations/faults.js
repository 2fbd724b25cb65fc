// Where an expression cannot be read is marked in its text: behind the letters of its field, which cannot hold marks.
function layerOf(field) {
  const layer = document.createElement("div");
  layer.className = "marks mono";
  layer.ariaHidden = "true";
  field.before(layer);
  field.addEventListener("scroll", () => layer.scrollTop = field.scrollTop);
  field.addEventListener("input", () => clear(field, layer));
  return layer;
}

function clear(field, layer) {
  layer.replaceChildren();
  field.removeAttribute("aria-invalid");
}

// The server counts characters, a script counts what some of them take two of.
const indexOf = (text, offset) => [...text].slice(0, offset).join("").length;

function mark(field, layer, offset) {
  const text = field.value, at = indexOf(text, offset);
  const fault = document.createElement("mark");
  fault.textContent = text.slice(at).match(/^\w+|^\S/)?.[0] ?? "\u00a0";
  layer.replaceChildren(text.slice(0, at), fault, text.slice(at + fault.textContent.length), "\n");
  layer.scrollTop = field.scrollTop;
  field.ariaInvalid = "true";
}

// Marks in `fields` what `found`, a part of the page, names by data-fault and data-offset; a click on it leads there.
export function followFaults(fields, found) {
  const layers = new Map(fields.map((field) => [field.id, layerOf(field)]));
  found.addEventListener("htmx:afterSwap", () => {
    for (const field of fields) {
      const { offset } = found.querySelector(`[data-fault="${field.id}"]`)?.dataset ?? {};
      if (offset) mark(field, layers.get(field.id), Number(offset)); else clear(field, layers.get(field.id));
    }
  });
  found.addEventListener("click", (event) => {
    const { fault, offset } = event.target.closest("[data-fault]")?.dataset ?? {};
    if (!fault) return;
    const field = document.getElementById(fault), at = indexOf(field.value, Number(offset));
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    field.setSelectionRange(at, at);
  });
}
