"use strict";
// Search: the cards that hold every word; a family without any is gone, from the list of families too.
const tools = document.querySelector(".tools");
const search = tools.querySelector("input");
tools.hidden = false;
const cards = [...document.querySelectorAll("article")];
const show = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of cards) {
    const text = card.textContent.toLowerCase();
    card.classList.toggle("unmatched", !words.every((word) => text.includes(word)));
  }
  for (const family of document.querySelectorAll("main section")) {
    const none = !family.querySelector("article:not(.unmatched)");
    family.classList.toggle("unmatched", none);
    document.querySelector(`nav a[href="#${family.id}"]`)?.classList.toggle("unmatched", none);
  }
  const left = cards.filter((card) => !card.classList.contains("unmatched")).length;
  tools.querySelector(".count").textContent = words.length ? `${left} of ${cards.length}` : "";
};
search.addEventListener("input", show);
for (const button of document.querySelectorAll(".command button")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  });
}
