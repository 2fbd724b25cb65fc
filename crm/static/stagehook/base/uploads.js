// A file that is larger than its field says (`data-most`, bytes) is not sent at all.
import { toast } from "./toast.js";
import { sentence } from "./words.js";

document.addEventListener("change", ({ target }) => {
  const most = Number(target.dataset.most);
  const tooLarge = most && [...target.files].find((file) => file.size > most);
  if (!tooLarge) return;
  target.value = "";
  toast(sentence(target, "Large", { name: tooLarge.name }), { tone: "bad" });
});
