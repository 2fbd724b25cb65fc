// Narrows the systems on offer while somebody types, whatever accents they use.
const gallery = document.querySelector("[data-gallery]");
const search = gallery.querySelector("[data-gallery-search]");

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();

function narrow() {
  const words = plain(search.value).split(/\s+/);
  let found = 0;
  for (const shelf of gallery.querySelectorAll("[data-shelf]")) {
    const tiles = [...shelf.querySelectorAll("[data-tile]")];
    for (const tile of tiles) tile.hidden = !words.every((word) => plain(tile.dataset.tile).includes(word));
    const left = tiles.filter((tile) => !tile.hidden).length;
    shelf.hidden = left === 0;
    found += left;
  }
  gallery.querySelector("[data-gallery-none]").hidden = found > 0;
}

search.addEventListener("input", narrow);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  gallery.querySelector("[data-tile]:not([hidden]) a")?.click();
});
narrow();
