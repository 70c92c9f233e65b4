"use strict";
// What a run has to show is kept as text until it is looked at, so that a page of a thousand runs opens at once.
function showRun(details) {
  const kept = details.querySelector("script[type='text/html']");
  if (kept) kept.parentElement.innerHTML = kept.textContent;
  prepareParts(details);
}
function prepareRun(details) {
  details.addEventListener("toggle", () => { if (details.open) showRun(details); });
  if (details.open) showRun(details);
}

// A link to a run opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) { target.open = true; showRun(target); target.scrollIntoView(); }
}
window.addEventListener("hashchange", openTarget);

// Tables: a click or Enter on a heading sorts, the field above filters by every word in it.
const NUMBER = /^[-+]?\d*\.?\d+(e[-+]?\d+)?/i;
function key(cell) {
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = NUMBER.exec(text);
  return { empty: text === "", number: number ? Number(number[0]) : NaN, text };
}
function compare(a, b) {
  if (a.empty !== b.empty) return a.empty ? 1 : -1;
  if (!Number.isNaN(a.number) && !Number.isNaN(b.number)) return a.number - b.number;
  return a.text.localeCompare(b.text, undefined, { numeric: true });
}
function sortBy(table, column, down) {
  const headings = table.tHead.rows[0].cells;
  for (const heading of headings) heading.removeAttribute("aria-sort");
  headings[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: key(row.cells[column]) }));
  // Undefined figures stay at the end either way.
  rows.sort((a, b) => (down && !a.key.empty && !b.key.empty ? -1 : 1) * compare(a.key, b.key));
  table.tBodies[0].append(...rows.map((entry) => entry.row));
}
function filterRows(table, words) {
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}
function prepareTable(table) {
  table.removeAttribute("data-table");
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sortBy(table, column, heading.getAttribute("aria-sort") === "ascending"));
    heading.replaceChildren(button);
  });
  if (table.tBodies[0].rows.length < 8) return;
  const field = document.createElement("input");
  field.type = "search";
  field.className = "filter";
  field.placeholder = "filter rows";
  field.setAttribute("aria-label", "filter rows");
  field.addEventListener("input", () => filterRows(table, field.value.toLowerCase().split(/\s+/).filter(Boolean)));
  table.parentElement.before(field);
}

// Flicker: the prediction appears in the truth's place and goes again, so that the eye sees what differs.
const GAP = 8;
function flicker(figure) {
  const image = figure.querySelector("img");
  const shown = figure.querySelector("canvas");
  if (shown) return shown.remove();
  const tile = (image.naturalWidth - 3 * GAP) / 4;
  if (!(tile > 0)) return;
  const canvas = document.createElement("canvas");
  canvas.width = tile;
  canvas.height = image.naturalHeight;
  const scale = image.clientWidth / image.naturalWidth;
  canvas.style.cssText = `left:${(tile + GAP) * scale}px;width:${tile * scale}px;height:${image.clientHeight}px`;
  const from = 2 * (tile + GAP);
  canvas.getContext("2d").drawImage(image, from, 0, tile, canvas.height, 0, 0, tile, canvas.height);
  image.parentElement.append(canvas);
}
function preparePanel(figure) {
  figure.removeAttribute("data-panel");
  for (const part of figure.querySelectorAll("img, [data-flicker]")) {
    part.addEventListener("click", () => flicker(figure));
  }
}

// Everything within `root` that answers to the reader.
function prepareParts(root) {
  const isShown = (part) => !part.closest("details.run:not([open])");
  [...root.querySelectorAll("table[data-table]")].filter(isShown).forEach(prepareTable);
  [...root.querySelectorAll("figure[data-panel]")].filter(isShown).forEach(preparePanel);
}
function prepare(root) {
  root.querySelectorAll("details.run").forEach(prepareRun);
  prepareParts(root);
}
prepare(document);
openTarget();

// Theme: the system's until it is chosen here.
function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}
document.getElementById("theme").addEventListener("click", switchTheme);
document.addEventListener("keydown", (event) => {
  if (event.target.closest?.("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "t") switchTheme();
  if (event.key === "f") {
    const figures = [...document.querySelectorAll("details[open] .panel")];
    const seen = figures.filter((figure) => {
      const place = figure.getBoundingClientRect();
      return place.bottom > 0 && place.top < innerHeight;
    });
    seen.forEach(flicker);
  }
});
// Print: charts of the runs that are open, in the light theme.
window.addEventListener("beforeprint", () => document.querySelectorAll("details.run[open]").forEach(showRun));
