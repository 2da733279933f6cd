// The choice of units, zone, language and colours: a change is applied at once, and the browser's own zone can be chosen.
"use strict";

const form = document.querySelector(".preferences");
const zones = form.elements.zone;
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const chosen = new Set([...form.elements].map(({ name, type }) => (type === "hidden" ? "" : name)));

if (own && zones && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(say("Browser: {zone}", { zone: own }), own));
form.querySelector("[data-script-submits]").hidden = true;

// The page is loaded anew by each step of a key within a list: the list keeps the focus.
form.addEventListener("change", ({ target }) => {
  try { sessionStorage.setItem("chosen", target.id); } catch { /* a browser may forbid it */ }
  form.requestSubmit();
});
try {
  document.getElementById(sessionStorage.getItem("chosen"))?.focus();
  sessionStorage.removeItem("chosen");
} catch { /* as above */ }

// What the address says now stays: a filter that has been typed, and where a map looks.
form.addEventListener("submit", () => {
  for (const field of form.querySelectorAll("[type=hidden]")) field.remove();
  for (const [name, value] of new URL(location.href).searchParams) {
    if (!chosen.has(name)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
});
