// Requests missed slots again through /api/gaps/retry.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-retry]");
  if (!button) return;
  attempt(document.getElementById("retried"), button, async () => {
    const { slots, heals } = await call("POST", `/api/gaps/retry?${button.dataset.retry}`, "application/json", null);
    if (heals) return sayN("{count} slot will be requested again within a minute.", "{count} slots will be requested again within a minute.", slots);
    return sayN("No configured provider has a history: {count} slot cannot be filled.", "No configured provider has a history: {count} slots cannot be filled.", slots);
  });
});
