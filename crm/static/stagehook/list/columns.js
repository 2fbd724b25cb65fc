// The columns that were ticked become one word in the address.
export function enableColumns() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-columns]");
    if (!form) return;
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.delete("after");
    query.set("columns", [...form.querySelectorAll("input:checked")].map((box) => box.value).join(","));
    location.search = query;
  });
}
