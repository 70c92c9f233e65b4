"use strict";
// Charts of runs are kept as text until they are looked at, so that a page of a thousand runs opens at once.
function showCharts(details) {
  for (const place of details.querySelectorAll("[data-lazy]")) {
    place.innerHTML = place.nextElementSibling.textContent;
    place.removeAttribute("data-lazy");
  }
}
for (const details of document.querySelectorAll("details.run")) {
  details.addEventListener("toggle", () => { if (details.open) showCharts(details); });
  if (details.open) showCharts(details);
}
// A link to a run opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}
window.addEventListener("hashchange", openTarget);
openTarget();
