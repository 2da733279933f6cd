// Calls the API and shows the result or the error.
"use strict";

// A number as it is written in the language of the page, with a point in the place of a comma. Pages write a typographic minus.
function plain(text) {
  const ascii = text.replace("\u2212", "-");
  return language === "en" ? ascii : ascii.replace(",", ".");
}

// Where a comma separates decimals, 1.013 may mean a thousand: such a text is left as it is, and refused. Coordinates have no thousands.
function decimal(text, { isCoordinate = false } = {}) {
  if (language !== "en" && !isCoordinate && /^\s*[^\d]?\d{1,3}\.\d{3}\s*$/.test(text)) return text;
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/.test(plain(text)) ? Number(plain(text)) : text;
}

function splitTags(text) {
  return text.split(text.includes(";") ? ";" : ",").map((tag) => tag.trim()).filter(Boolean);
}

async function call(method, path, type, body) {
  const headers = type ? { "Content-Type": type } : {};
  const response = await fetch(document.body.dataset.root + path, { method, headers, body });
  const result = await response.json();
  if (response.status === 401) throw new Error(say("This needs a token: sign in first."));
  if (response.status === 403) throw new Error(say("Your token does not allow this."));
  if (!response.ok) throw new Error(errorText(result));
  return result;
}

function errorText(problem) {
  const errors = problem.errors ?? [];
  const lines = errors.map((error) => (error.line ? say("line {line}: {reason}", error) : error.field ? `${error.field}: ${error.allowed}` : ""));
  const head = lines.length && errors[0].field ? [] : [problem.detail ?? problem.title];
  const rest = lines.length > 8 ? [say("and {count} more", { count: lines.length - 8 })] : [];
  return [...head, ...lines.slice(0, 8), ...rest].join("\n");
}

// A result is a text, or a text and the address of what it speaks of. Its tone is "good", "bad" or empty.
function showResult(element, result, tone = "") {
  const [text, address] = Array.isArray(result) ? result : [result];
  element.textContent = text;
  if (address) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = say("Show it");
    element.append(" ", link);
  }
  for (const one of ["good", "bad"]) element.classList.toggle(one, one === tone);
}

// Shows what came of some work; the tone is that of its success.
async function attempt(element, button, work, tone = "good") {
  button.disabled = true;
  showResult(element, "…");
  try {
    showResult(element, await work(), tone);
    document.dispatchEvent(new Event("changed"));
  } catch (error) {
    showResult(element, error instanceof TypeError ? say("The server does not answer.") : error.message, "bad");
  } finally {
    button.disabled = false;
  }
}
