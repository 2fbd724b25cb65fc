// A row goes, and the focus with it to what comes next.
const form = document.getElementById("mapping-form");
const rows = document.getElementById("mapping-rows");

form.addEventListener("click", (event) => {
  const row = event.target.closest("[data-remove-row]")?.closest(".mapping-row");
  if (!row) return;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  (next?.querySelector("select") ?? form.querySelector(".add-row")).focus();
  form.dispatchEvent(new Event("change"));
});

// The form came to know other rows or what was picked: the preview, too. Whoever picked goes on in the same row.
rows.addEventListener("htmx:load", (event) => {
  const { focus } = event.detail.elt.dataset ?? {};
  if (focus) document.getElementById(focus).focus();
  form.dispatchEvent(new Event("change"));
});
