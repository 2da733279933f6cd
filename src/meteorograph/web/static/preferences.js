// The choice of units, zone and language: a change is applied at once, and the browser's own zone can be chosen.
"use strict";

const form = document.querySelector(".preferences");
const zones = form.elements.zone;
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (own && zones && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(say("Browser: {zone}", { zone: own }), own));
form.querySelector("[data-script-submits]").hidden = true;
form.addEventListener("change", () => form.requestSubmit());
