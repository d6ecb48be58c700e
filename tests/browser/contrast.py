"""The contrast of WCAG 2.1, computed in a page: 4.5 to 1 for text (AA)."""

FAINT = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const light = (c) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    if (!element) return [255, 255, 255];
    const own = rgb(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, paper(element.parentElement));
  };
  const unseen = (element) => element && (getComputedStyle(element).opacity === "0" || unseen(element.parentElement));
  const hidden = (element) =>
    !element.getClientRects().length || getComputedStyle(element).visibility === "hidden" || unseen(element);
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || hidden(element) || element.closest("script, title")) continue;
    if (element.closest("#figure-heatmap svg")) continue; // on colours of its own
    const style = getComputedStyle(element);
    const below = paper(element);
    const ink = over(rgb(element.closest("svg") ? style.fill : style.color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.add(`${text}: ${style.color} on ${below}`);
  }
  return [...found].slice(0, 20);
}"""
"""Finds the texts of a page that have less on what they stand on, the first twenty, each with its colours."""
