// Lists put in order by hand: the handle is dragged, or moved with the arrow keys. Each change is saved at once.
import { say } from "../base/toast.js";

const csrf = document.querySelector('meta[name="csrf-token"]').content;

async function save(list) {
  const body = new URLSearchParams([...list.children].map((item) => ["id", item.dataset.id]));
  const answer = await fetch(list.dataset.order, { method: "POST", body, headers: { "X-CSRFToken": csrf } }).catch(() => null);
  if (!answer?.ok) location.reload(); // the server's order is the true one
}

function place(item) {
  say(`${[...item.parentElement.children].indexOf(item) + 1} / ${item.parentElement.children.length}`);
}

function step(item, key) {
  if (key === "ArrowUp") item.previousElementSibling?.before(item);
  else item.nextElementSibling?.after(item);
}

for (const list of document.querySelectorAll("[data-order]")) {
  list.addEventListener("keydown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const item = grip.closest("li");
    step(item, event.key);
    grip.focus();
    place(item);
    save(list);
  });

  // The same from a menu of the item.
  list.addEventListener("click", (event) => {
    const verb = event.target.closest("[data-step]");
    if (!verb) return;
    const item = verb.closest("li");
    step(item, verb.dataset.step);
    verb.closest("details").open = false;
    item.querySelector("summary").focus();
    place(item);
    save(list);
  });

  list.addEventListener("pointerdown", (event) => {
    const item = event.target.closest("[data-grip]")?.closest("li");
    if (!item || event.button !== 0) return;
    event.preventDefault();
    const before = [...list.children];
    item.classList.add("lifted");
    list.setPointerCapture(event.pointerId);
    const follow = ({ clientY }) => {
      const over = [...list.children].find((other) => other !== item && clientY >= other.getBoundingClientRect().top && clientY <= other.getBoundingClientRect().bottom);
      if (!over) return;
      const isBelow = item.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (isBelow) over.after(item); else over.before(item);
    };
    const drop = () => {
      list.removeEventListener("pointermove", follow);
      item.classList.remove("lifted");
      if (before.some((former, index) => former !== list.children[index])) save(list);
    };
    list.addEventListener("pointermove", follow);
    list.addEventListener("lostpointercapture", drop, { once: true });
  });
}
