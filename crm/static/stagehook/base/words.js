// A sentence of the page's language, which stands as `data-word-NAME` on an element, with its {blanks} filled in.
export const sentence = (element, name, blanks = {}) =>
  element.dataset[`word${name}`].replace(/\{(\w+)\}/g, (_, blank) => blanks[blank]);
