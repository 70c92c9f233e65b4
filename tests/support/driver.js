// Drives the report page as a reader would and leaves what it saw in the title, as JSON.
window.addEventListener("load", async () => {
  const seen = { errors: window.seenErrors };
  const table = document.querySelector("#runs table");
  const headings = [...table.tHead.rows[0].cells];
  const column = headings.findIndex((cell) => cell.textContent === "epochs");
  const values = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
  headings[column].querySelector("button").click();
  seen.ascending = values();
  headings[column].querySelector("button").click();
  seen.descending = values();
  seen.sorted = headings[column].getAttribute("aria-sort");
  const field = document.querySelector("#runs input.filter");
  field.value = "learning_rate=1e-4 split_seed=2";
  field.dispatchEvent(new Event("input"));
  seen.shown = [...table.tBodies[0].rows].filter((row) => !row.hidden).length;
  const run2 = document.getElementById("run-2");
  run2.open = true;
  const look = (words) => {
    field.value = words;
    field.dispatchEvent(new Event("input"));
    return [...table.tBodies[0].rows].filter((row) => !row.hidden).length;
  };
  // A number is no part of another: no seed is 24 and no epoch 4.
  seen.numbers = [look("1e-3 24"), look("seed=2"), look("nothing of that"), look("")];
  look("nothing of that");
  seen.none = [document.querySelector("#runs .none").textContent, run2.getBoundingClientRect().height];
  look("");
  run2.open = false;
  seen.folded = [...document.querySelectorAll("details.run")].filter((run) => run.getClientRects().length > 0).length;
  location.hash = "run-1";
  await new Promise((done) => setTimeout(done, 300));
  const run = document.getElementById("run-1");
  seen.open = run.open;
  seen.own = run.querySelectorAll("[data-findings] li").length;
  seen.names = [...document.querySelectorAll(".scroll")].filter((part) => !part.getAttribute("aria-label")).length;
  seen.curves = run.querySelectorAll("svg.chart path").length;
  const image = run.querySelector(".panel img");
  image.loading = "eager";
  await image.decode();
  const half = run.querySelector(".half.second").getBoundingClientRect();
  seen.rows = half.height > 0 ? 2 : 1;
  seen.cut = Math.max(...[...run.querySelectorAll(".half")].map((half) => half.getBoundingClientRect().right)) - innerWidth;
  run.querySelector("[data-flicker]").click();
  seen.flicker = run.querySelectorAll(".panel canvas").length;
  run.querySelector("[data-flicker]").click();
  seen.still = run.querySelectorAll(".panel canvas").length;
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const before = paper();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "t", bubbles: true }));
  seen.papers = [before, paper()];
  // Also what is not on the screen.
  for (const section of document.querySelectorAll("main > section")) section.style.contentVisibility = "visible";
  seen.width = [document.documentElement.scrollWidth, window.innerWidth];
  seen.hostile = [...document.querySelectorAll("summary")].some((s) => s.textContent.includes("<script>document.title"));
  seen.scripts = document.querySelectorAll("script:not([type])").length;
  seen.broken = [...document.querySelectorAll("svg use")].filter((use) => {
    return !document.getElementById(use.getAttribute("href").slice(1));
  }).length;
  seen.firstScreen = document.querySelector(".verdict").getBoundingClientRect().bottom + window.scrollY;
  document.title = JSON.stringify(seen);
});
