// Cancels background tasks through /api/tasks.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cancel]");
  if (!button) return;
  const { cancel: task } = button.dataset;
  if (!confirm(say("Cancel task {task}? What it has stored stays.", { task }))) return;
  attempt(document.getElementById("cancelled"), button, async () => {
    await call("POST", `/api/tasks/${task}/cancel`);
    return say("Task {task} is cancelled.", { task });
  });
});
