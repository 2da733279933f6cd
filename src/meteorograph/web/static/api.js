// Calls the API and shows the result or the error.
"use strict";

async function call(method, path, type, body) {
  const headers = { "Content-Type": type };
  const token = document.getElementById("token")?.value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(document.body.dataset.root + path, { method, headers, body });
  const result = await response.json();
  if (!response.ok) throw new Error(errorText(result));
  return result;
}

function errorText(problem) {
  const errors = problem.errors ?? [];
  const lines = errors.map((error) => (error.line ? `line ${error.line}: ${error.reason}` : error.field ? `${error.field}: ${error.allowed}` : ""));
  const head = lines.length && errors[0].field ? [] : [problem.detail ?? problem.title];
  const rest = lines.length > 8 ? [`and ${lines.length - 8} more`] : [];
  return [...head, ...lines.slice(0, 8), ...rest].join("\n");
}

function showResult(element, text, isBad) {
  element.textContent = text;
  element.classList.toggle("bad", isBad);
}

async function attempt(element, button, work) {
  button.disabled = true;
  showResult(element, "…", false);
  try {
    showResult(element, await work(), false);
    document.dispatchEvent(new Event("changed"));
  } catch (error) {
    showResult(element, error instanceof TypeError ? "The server does not answer." : error.message, true);
  } finally {
    button.disabled = false;
  }
}
