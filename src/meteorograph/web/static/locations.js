// Finds, adds and imports locations through /api/places and /api/locations.
"use strict";

const mediaTypes = { csv: "text/csv", geojson: "application/geo+json", json: "application/geo+json" };
const find = document.getElementById("find");
const found = document.getElementById("places");
const add = document.getElementById("add");
const anyway = document.getElementById("anyway");
const imported = document.getElementById("import");
const confirmed = document.getElementById("confirm");

let searched = {}; // what the search has written into the form, by field

// A field that somebody has changed by hand stays, unless a place is chosen.
function write(field, value, { isChosen = false } = {}) {
  const input = add.elements[field];
  if (!isChosen && input.value && input.value !== searched[field]) return;
  searched[field] = value;
  input.value = value;
}

function fillIn(place) {
  for (const field of ["name", "latitude", "longitude", "elevation", "timezone"]) write(field, `${place[field] ?? ""}`, { isChosen: true });
  found.replaceChildren();
  showResult(document.getElementById("found"), "");
  anyway.hidden = true;
  add.querySelector("[type=submit]").focus();
}

find.addEventListener("submit", (event) => {
  event.preventDefault();
  found.replaceChildren();
  const name = find.elements.name.value.trim();
  write("name", name);
  for (const field of ["latitude", "longitude", "elevation", "timezone"]) write(field, "");
  attempt(document.getElementById("found"), find.querySelector("[type=submit]"), async () => {
    const { places } = await call("GET", `/api/places?name=${encodeURIComponent(name)}`);
    if (!places.length) throw new Error(say("No place has this name. Enter its coordinates below."));
    for (const place of places) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = [place.name, place.region, place.country].filter(Boolean).join(", ");
      button.addEventListener("click", () => fillIn(place));
      const details = document.createElement("small");
      details.textContent = `${decimals(place.latitude, 2)}°, ${decimals(place.longitude, 2)}°`;
      item.append(button, " ", details);
      found.append(item);
    }
    return say("Which one? Places by GeoNames, through Open-Meteo.");
  }, "");
});

function addLocation(button, near) {
  const fields = Object.fromEntries([...new FormData(add)].filter(([, text]) => text.trim()));
  for (const name of ["latitude", "longitude", "elevation"]) if (name in fields) fields[name] = decimal(fields[name], { isCoordinate: name !== "elevation" });
  if (fields.tags) fields.tags = splitTags(fields.tags);
  anyway.hidden = true;
  const result = add.querySelector(".result");
  attempt(result, button, async () => {
    try {
      const { location: added } = await call("POST", `/api/locations?near=${near}`, "application/json", JSON.stringify(fields));
      add.reset();
      searched = {};
      return [say("{name} was added. The next run collects its first values.", added), `${document.body.dataset.root}/location?name=${encodeURIComponent(added.name)}`];
    } catch (error) {
      anyway.hidden = !error.message.includes("near=accept");
      if (anyway.hidden) throw error;
      throw new Error(say("{message}. Is it another place?", { message: error.message.replace(/: near=accept.*/, "") }));
    }
  });
}

add.addEventListener("submit", (event) => {
  event.preventDefault();
  addLocation(event.submitter ?? add.querySelector("[type=submit]"), "refuse");
});
anyway.addEventListener("click", () => addLocation(anyway, "accept"));

function importFile(button, isDry) {
  const file = imported.elements.file.files[0];
  const flags = ["skip_bad", "update"].filter((name) => imported.elements[name].checked).map((name) => `${name}=1`);
  const type = mediaTypes[file.name.split(".").pop().toLowerCase()] ?? "text/csv";
  attempt(imported.querySelector(".result"), button, async () => {
    const result = await call("POST", `/api/locations/import?${[...flags, `dry_run=${Number(isDry)}`].join("&")}`, type, file);
    const isWrong = result.bad > 0 && !imported.elements.skip_bad.checked;
    confirmed.hidden = !isDry || isWrong || result.added + result.updated === 0;
    const changes = result.changes.map(({ name, change, fields }) => (change === "added" ? `+ ${name}` : `~ ${name}: ${fields.join(", ")}`));
    const notes = [...result.errors.map((error) => say("line {line}: {reason}", error)), ...result.warnings, ...(isDry ? changes : [])];
    const rest = notes.length > 12 ? [say("and {count} more", { count: notes.length - 12 })] : [];
    const head = isDry
      ? say("{added} to add, {updated} to update, {unchanged} unchanged, {bad} wrong.", result)
      : say("{added} added, {updated} updated, {unchanged} unchanged, {bad} skipped.", result);
    const text = [head, ...notes.slice(0, 12), ...rest].join("\n");
    if (isWrong) throw new Error(text);
    return text;
  }, isDry ? "" : "good");
}

imported.addEventListener("submit", (event) => {
  event.preventDefault();
  importFile(imported.querySelector("[type=submit]"), true);
});
imported.addEventListener("change", () => (confirmed.hidden = true));
confirmed.addEventListener("click", () => importFile(confirmed, false));
