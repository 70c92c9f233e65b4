
// The live page: each event names elements and what they hold now.
const held = new Map();

// What the reader has opened, typed and scrolled to within `root`, to be had again once its content is replaced.
function keep(root) {
  const name = (details) => details.id || details.querySelector("summary strong, summary")?.textContent;
  const open = new Set([...root.querySelectorAll("details[open]")].map(name));
  const scrolled = [...root.querySelectorAll(".scroll")].map((place) => place.scrollLeft);
  const typed = [...root.querySelectorAll("input.filter")].map((field) => field.value);
  const sorted = [...root.querySelectorAll("table.data")].map(sorting);
  return () => {
    for (const details of root.querySelectorAll("details")) if (open.has(name(details))) details.open = true;
    root.querySelectorAll(".scroll").forEach((place, index) => { place.scrollLeft = scrolled[index] ?? 0; });
    root.querySelectorAll("table.data").forEach((table, index) => sorted[index]?.(table));
    root.querySelectorAll("input.filter").forEach((field, index) => {
      field.value = typed[index] ?? "";
      field.dispatchEvent(new Event("input"));
    });
  };
}

// How a table is sorted, as a function that sorts it again.
function sorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
  const down = column >= 0 && headings[column].getAttribute("aria-sort") === "descending";
  return column < 0 ? () => {} : (again) => sortBy(again, column, down);
}

function fill(id, html) {
  const element = document.getElementById(id);
  if (!element || held.get(id) === html) return;
  if (id === "runs") for (const known of held.keys()) if (/^(row|summary|details)-/.test(known)) held.delete(known);
  held.set(id, html);
  const restore = keep(element);
  element.innerHTML = html;
  prepare(element);
  restore();
  if (id === "runs") openTarget();
  if (id === "findings") document.querySelectorAll("details.run[open]").forEach(listFindings);
}

function take(parts) {
  const changed = new Set();
  for (const [id, html] of parts) {
    fill(id, html);
    if (id.startsWith("row-")) changed.add(id.slice("row-".length));
  }
  if (changed.size === 0) return;
  const table = document.querySelector("#runs table");
  sorting(table)(table);
  changed.forEach(show);
}

// A run's curves and images are fetched when it is opened, and again when it has changed; one request at a time. The
// element is looked up anew each time, as the table that it is in may have been replaced meanwhile.
const asked = new Map();
async function show(number) {
  const waiting = asked.has(number);
  asked.set(number, true);
  if (waiting) return;
  const details = () => document.getElementById(`run-${number}`);
  while (asked.get(number) && details()?.open) {
    asked.set(number, false);
    const name = document.querySelector(`#row-${number} a`).title;
    const answer = await fetch(`run/${encodeURIComponent(name)}`).catch(() => null);
    if (!answer?.ok) break;
    fill(`details-${number}`, await answer.text());
    if (details()) showRun(details());
  }
  asked.delete(number);
}
document.addEventListener("toggle", (event) => {
  if (event.target.matches("details.run") && event.target.open) show(event.target.id.slice("run-".length));
}, true);

function connect() {
  const link = document.getElementById("link");
  const events = new EventSource("events");
  events.addEventListener("open", () => { link.textContent = "live"; link.className = ""; });
  events.addEventListener("message", (event) => take(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    link.textContent = "connection lost, trying again …";
    link.className = "lost";
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
}
connect();
