// The coverage map: arrow keys move between cells; the focused or hovered cell shows its counts in a tooltip.
"use strict";

const tip = document.getElementById("tip");

function cells() {
  return [...document.querySelectorAll(".heat tbody tr")].map((row) => [...row.querySelectorAll("[data-cell]")]);
}

function enter(cell) {
  for (const other of document.querySelectorAll("[data-cell]")) other.tabIndex = other === cell ? 0 : -1;
}

function start() {
  const rows = cells();
  const focused = document.activeElement;
  // Tab stops once in the map, at the newest day of the first location, not at every cell.
  if (rows.length && rows[0].length) enter(focused?.matches("[data-cell]") ? focused : rows[0][rows[0].length - 1]);
}

function show(cell) {
  const row = cell.closest("tr").querySelector("th").textContent.trim();
  tip.textContent = `${row}, ${cell.querySelector(".vh").textContent}`;
  tip.hidden = false;
  const box = cell.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 8 : box.bottom + 8}px`;
}

function hide() {
  tip.hidden = true;
}

const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  const cell = event.target.closest?.("[data-cell]");
  if (!cell || !(event.key in steps)) return;
  const rows = cells();
  const place = rows.findIndex((row) => row.includes(cell));
  const [down, right] = steps[event.key];
  const next = rows[place + down]?.[rows[place].indexOf(cell) + right];
  event.preventDefault();
  if (!next) return;
  enter(next);
  next.focus();
});
document.addEventListener("pointerover", (event) => {
  const cell = event.target.closest?.("td")?.querySelector("[data-cell]");
  if (cell) show(cell);
  else hide();
});
document.addEventListener("focusin", (event) => { if (event.target.matches("[data-cell]")) show(event.target); else hide(); });
addEventListener("scroll", hide, { capture: true, passive: true });
document.addEventListener("renewed", start);
start();
// Scroll to the newest days, which are on the right.
for (const box of document.querySelectorAll("#heat .scroll")) box.scrollLeft = box.scrollWidth;
