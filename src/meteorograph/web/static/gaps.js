// Requests missed slots again through /api/gaps/retry.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-retry]");
  if (!button) return;
  attempt(document.getElementById("retried"), button, async () => {
    const { slots, heals } = await call("POST", `/api/gaps/retry?${button.dataset.retry}`, "application/json", null);
    const count = `${slots} slot${slots === 1 ? "" : "s"}`;
    return heals ? `${count} will be requested again within a minute.` : `No configured provider has a history: ${count} cannot be filled.`;
  });
});
