// The choice of units, zone, language and colours: a change is applied at once, and the browser's own zone can be chosen.
"use strict";

const form = document.querySelector(".preferences");
const zones = form.elements.zone;
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const chosen = new Set([...form.elements].map(({ name, type }) => (type === "hidden" ? "" : name)));

if (own && zones && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(say("Browser: {zone}", { zone: own }), own));
form.querySelector("[data-script-submits]").hidden = true;
form.addEventListener("change", () => form.requestSubmit());

// What the address says now stays: a filter that has been typed, and where a map looks.
form.addEventListener("submit", () => {
  for (const field of form.querySelectorAll("[type=hidden]")) field.remove();
  for (const [name, value] of new URL(location.href).searchParams) {
    if (!chosen.has(name)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
});
