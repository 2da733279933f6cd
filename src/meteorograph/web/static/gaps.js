// Lets a gap be asked for again through /api/gaps/retry.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-retry]");
  if (!button) return;
  attempt(document.getElementById("retried"), button, async () => {
    const { slots, heals } = await call("POST", `/api/gaps/retry?${button.dataset.retry}`, "application/json", null);
    const what = `${slots} slot${slots === 1 ? "" : "s"}`;
    return heals ? `${what} will be asked for again, within a minute.` : `No provider of the settings has the past: ${what} stay missed.`;
  });
});
