// The choice of units and zone: a change is applied at once, and the browser's own zone can be chosen.
"use strict";

const form = document.querySelector(".preferences");
const zones = form.elements.zone;
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (own && ![...zones.options].some((option) => option.value === own)) zones.add(new Option(`Browser: ${own}`, own));
form.querySelector("[data-script-submits]").hidden = true;
form.addEventListener("change", () => form.requestSubmit());
