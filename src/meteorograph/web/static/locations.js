// Adds, imports, pauses and resumes locations through /api/locations.
"use strict";

const mediaTypes = { csv: "text/csv", geojson: "application/geo+json", json: "application/geo+json" };

function number(text) {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/.test(text) ? Number(text) : text;
}

const add = document.getElementById("add");
add.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = Object.fromEntries([...new FormData(add)].filter(([, text]) => text.trim()));
  for (const name of ["latitude", "longitude"]) fields[name] = number(fields[name] ?? "");
  if (fields.tags) fields.tags = fields.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  attempt(add.querySelector(".result"), add.querySelector("[type=submit]"), async () => {
    const { location, warnings } = await call("POST", "/api/locations", "application/json", JSON.stringify(fields));
    add.reset();
    return [`${location.name} was added. The next run collects its first values.`, ...warnings].join("\n");
  });
});

const imported = document.getElementById("import");
imported.addEventListener("submit", (event) => {
  event.preventDefault();
  const file = imported.elements.file.files[0];
  const flags = ["skip_bad", "update"].filter((name) => imported.elements[name].checked).map((name) => `${name}=1`);
  const type = mediaTypes[file.name.split(".").pop().toLowerCase()] ?? "text/csv";
  attempt(imported.querySelector(".result"), imported.querySelector("[type=submit]"), async () => {
    const result = await call("POST", `/api/locations/import?${flags.join("&")}`, type, file);
    const lines = [...result.errors.map((error) => `line ${error.line}: ${error.reason}`), ...result.warnings].slice(0, 8);
    return [`${result.added} added, ${result.updated} updated, ${result.unchanged} unchanged, ${result.bad} skipped.`, ...lines].join("\n");
  });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-state]");
  if (!button) return;
  const { name, state } = button.dataset;
  attempt(document.getElementById("changed"), button, async () => {
    await call("PATCH", `/api/locations/${encodeURIComponent(name)}`, "application/json", JSON.stringify({ state }));
    return `${name} is ${state}.`;
  });
});
