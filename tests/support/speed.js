// How long the report page took to open and takes to answer, in milliseconds.
(async () => {
  const seen = { open: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd };
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  seen.painted = performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const took = (what, act) => {
    const start = performance.now();
    act();
    // The layout that the reader waits for.
    document.body.getBoundingClientRect();
    seen[what] = performance.now() - start;
  };
  const table = document.querySelector("#runs table");
  took("sort", () => table.tHead.rows[0].cells[table.tHead.rows[0].cells.length - 1].querySelector("button").click());
  const field = document.querySelector("#runs input.filter");
  took("filter", () => { field.value = "split_seed=3"; field.dispatchEvent(new Event("input")); });
  seen.shown = [...table.tBodies[0].rows].filter((row) => !row.hidden).length;
  const run = document.getElementById("run-500");
  took("run", () => { run.open = true; showRun(run); });
  await run.querySelector("img.curves").decode();
  seen.curves = run.querySelector("img.curves").naturalWidth;
  took("theme", () => switchTheme());
  return seen;
})()
