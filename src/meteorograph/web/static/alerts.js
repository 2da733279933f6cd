// Sends a test message to a channel through /api/alerts/test.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-test]");
  if (!button) return;
  const channel = button.dataset.test;
  attempt(document.getElementById("tested"), button, async () => {
    const { accepted, error } = await call("POST", "/api/alerts/test", "application/json", JSON.stringify({ channel }));
    if (!accepted) throw new Error(`${channel}: ${error}`);
    return `${channel} has accepted the message.`;
  });
});
