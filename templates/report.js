"use strict";
document.documentElement.classList.add("scripted");

// What a run has to show is kept as text until it is looked at, so that a page of a thousand runs opens at once.
function showRun(details) {
  const kept = details.querySelector("script[type='text/html']");
  if (kept) kept.parentElement.innerHTML = kept.textContent;
  prepareParts(details);
  listFindings(details);
}
function prepareRun(details) {
  details.addEventListener("toggle", () => {
    if (details.open) return showRun(details);
    // It is no longer on the page: back to where it was opened from.
    if (details.contains(document.activeElement)) document.querySelector(`#row-${numberOf(details)} a`)?.focus();
  });
  if (details.open) showRun(details);
}
function numberOf(details) {
  return details.id.slice("run-".length);
}

// The findings that name a run, as they are said above, among its details.
function listFindings(details) {
  const list = details.querySelector("[data-findings]");
  if (!list) return;
  const items = [...document.querySelectorAll(`#findings a[href="#${details.id}"]`)].map((link) => {
    const finding = link.closest("details.finding");
    const item = document.createElement("li");
    item.className = finding.classList.contains("fail") ? "fail" : finding.classList.contains("warn") ? "warn" : "info";
    const severity = finding.querySelector(".severity").cloneNode(true);
    const title = document.createElement("strong");
    const of = finding.querySelector("summary .of");
    title.textContent = finding.querySelector("summary strong").textContent + (of ? `: ${of.textContent}` : "");
    const seen = link.parentElement.querySelector(".sight")?.title ?? finding.querySelector("summary .evidence").textContent;
    item.append(severity, " ", title, ": ", seen);
    return item;
  });
  list.replaceChildren(...items);
  list.hidden = items.length === 0;
}

// A link to a run opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.hidden = false;
  target.open = true;
  showRun(target);
  target.scrollIntoView();
  target.querySelector("summary").focus({ preventScroll: true });
}
window.addEventListener("hashchange", openTarget);
// Also the same link again, once the run was closed.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#run-']");
  if (link && link.getAttribute("href") === location.hash) openTarget();
});

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
// A number is looked for where a figure begins, so that 12 does not find 0.12; other words are looked for anywhere.
function matcher(word) {
  if (Number.isNaN(Number(word))) return (text) => text.includes(word);
  return (text) => text.includes(` ${word}`) || text.includes(`=${word}`);
}
function filterRows(table, words, none) {
  const matchers = words.map(matcher);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const parts = [...row.cells].map((cell) => `${cell.textContent} ${cell.querySelector("a")?.title ?? ""}`);
    const text = ` ${parts.join(" ")}`.toLowerCase();
    row.hidden = !matchers.every((matches) => matches(text));
    shown += row.hidden ? 0 : 1;
    const run = row.id.startsWith("row-") && document.getElementById(`run-${row.id.slice("row-".length)}`);
    if (run) run.hidden = row.hidden;
  }
  none.textContent = shown === 0 ? "no row" : "";
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
  const none = document.createElement("p");
  none.className = "none";
  none.setAttribute("role", "status");
  const words = () => field.value.toLowerCase().split(/\s+/).filter(Boolean);
  field.addEventListener("input", () => filterRows(table, words(), none));
  table.parentElement.before(field, none);
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
