// Adds, imports, pauses and resumes locations through /api/locations, as any script does.
"use strict";

const kinds = { csv: "text/csv", geojson: "application/geo+json", json: "application/geo+json" };

function number(text) {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/.test(text) ? Number(text) : text;
}

const add = document.getElementById("add");
add.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries([...new FormData(add)].filter(([, text]) => text.trim()));
  for (const name of ["latitude", "longitude"]) given[name] = number(given[name] ?? "");
  if (given.tags) given.tags = given.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  attempt(add.querySelector(".result"), add.querySelector("[type=submit]"), async () => {
    const { location, warnings } = await call("POST", "/api/locations", "application/json", JSON.stringify(given));
    add.reset();
    return [`${location.name} is added; its first values come with the next run.`, ...warnings].join("\n");
  });
});

const imported = document.getElementById("import");
imported.addEventListener("submit", (event) => {
  event.preventDefault();
  const file = imported.elements.file.files[0];
  const flags = ["skip_bad", "update"].filter((name) => imported.elements[name].checked).map((name) => `${name}=1`);
  const type = kinds[file.name.split(".").pop().toLowerCase()] ?? "text/csv";
  attempt(imported.querySelector(".result"), imported.querySelector("[type=submit]"), async () => {
    const told = await call("POST", `/api/locations/import?${flags.join("&")}`, type, file);
    const lines = [...told.errors.map((one) => `line ${one.line}: ${one.reason}`), ...told.warnings].slice(0, 8);
    return [`${told.added} added, ${told.updated} updated, ${told.unchanged} unchanged, ${told.bad} left out.`, ...lines].join("\n");
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
