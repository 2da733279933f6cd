// Adds, silences and removes rules, and sends test messages, through /api/alerts.
"use strict";

const add = document.getElementById("add");
const kind = add.elements.kind;
const ruled = document.getElementById("ruled");
const json = "application/json";

// Shows the fields that a kind of rule has.
function fit() {
  const { unit, limit, place } = kind.selectedOptions[0].dataset;
  document.getElementById("limit").hidden = !unit;
  document.querySelector("#limit small").textContent = unit;
  add.elements.limit.placeholder = limit;
  add.elements.limit.required = Boolean(unit) && !limit;
  document.getElementById("hours").hidden = kind.value !== "rain";
  for (const id of ["where", "tag"]) document.getElementById(id).hidden = place !== "1";
}

kind.addEventListener("change", fit);
fit();

add.addEventListener("submit", (event) => {
  event.preventDefault();
  const shown = [...add.elements].filter((field) => field.name && field.value.trim() && !field.closest("label").hidden);
  const rule = Object.fromEntries(shown.map((field) => [field.name, field.value.trim()]));
  if (rule.limit) rule.limit = decimal(rule.limit);
  if (rule.hours) rule.hours = Number(rule.hours);
  if (rule.locations) rule.locations = rule.locations.split(";").map((name) => name.trim()).filter(Boolean);
  attempt(add.querySelector(".result"), add.querySelector("[type=submit]"), async () => {
    const { rule: added } = await call("POST", "/api/alerts", json, JSON.stringify(rule));
    add.reset();
    fit();
    return say("{name} was added. It is evaluated within a minute.", added);
  });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-test], button[data-rule]");
  if (!button) return;
  const { test: channel, rule, silence } = button.dataset;
  if (channel) {
    attempt(document.getElementById("tested"), button, async () => {
      const { accepted, error } = await call("POST", "/api/alerts/test", json, JSON.stringify({ channel }));
      if (!accepted) throw new Error(`${channel}: ${error}`);
      return say("{channel} has accepted the message.", { channel });
    });
  } else if (silence !== undefined) {
    attempt(ruled, button, async () => {
      await call("POST", `/api/alerts/silence/${encodeURIComponent(rule)}`, json, JSON.stringify({ until: silence || null }));
      return silence ? say("{rule} sends no messages for {silence}.", { rule, silence }) : say("{rule} sends messages again.", { rule });
    });
  } else if (confirm(say("Remove the rule {rule}? Its incidents stay in the history.", { rule }))) {
    attempt(ruled, button, async () => {
      await call("DELETE", `/api/alerts/${encodeURIComponent(rule)}`);
      return say("{rule} was removed.", { rule });
    });
  }
});
