// Calls of the API, as any script makes them, and what came of them.
"use strict";

async function call(method, path, type, body) {
  const headers = { "Content-Type": type };
  const token = document.getElementById("token")?.value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { method, headers, body });
  const told = await response.json();
  if (!response.ok) throw new Error(complaint(told));
  return told;
}

function complaint(problem) {
  const errors = problem.errors ?? [];
  const lines = errors.map((one) => (one.line ? `line ${one.line}: ${one.reason}` : one.field ? `${one.field}: ${one.allowed}` : ""));
  const head = lines.length && errors[0].field ? [] : [problem.detail ?? problem.title];
  const rest = lines.length > 8 ? [`and ${lines.length - 8} more`] : [];
  return [...head, ...lines.slice(0, 8), ...rest].join("\n");
}

function say(where, text, isBad) {
  where.textContent = text;
  where.classList.toggle("bad", isBad);
}

async function attempt(where, button, work) {
  button.disabled = true;
  say(where, "…", false);
  try {
    say(where, await work(), false);
    document.dispatchEvent(new Event("changed"));
  } catch (error) {
    say(where, error instanceof TypeError ? "The server does not answer." : error.message, true);
  } finally {
    button.disabled = false;
  }
}
