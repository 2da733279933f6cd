// Changes, pauses, collects and removes one location through /api/locations and /ingest.
"use strict";

const place = document.getElementById("edit");
const { name, latitude, longitude } = place.dataset;
const address = `/api/locations/${encodeURIComponent(name)}`;
const change = document.getElementById("change");
const remove = document.getElementById("remove");
const collection = place.querySelector("section > .result");

// Goes to another page; what comes after it never runs.
function show(path, query) {
  location.assign(`${document.body.dataset.root}${path}?${new URLSearchParams(query)}`);
  return new Promise(() => {});
}

change.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = Object.fromEntries([...new FormData(change)].map(([key, text]) => [key, text.trim() || null]));
  fields.elevation = fields.elevation === null ? null : decimal(fields.elevation);
  fields.tags = splitTags(fields.tags ?? "");
  attempt(change.querySelector(".result"), change.querySelector("[type=submit]"), async () => {
    const { location: changed } = await call("PATCH", address, "application/json", JSON.stringify(fields));
    if (changed.name !== name) await show("/locations/edit", { name: changed.name });
    return say("Saved.");
  });
});

place.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-state]");
  if (!button) return;
  attempt(collection, button, async () => {
    await call("PATCH", address, "application/json", JSON.stringify({ state: button.dataset.state }));
    await show("/locations/edit", { name });
  });
});

document.getElementById("collect").addEventListener("click", (event) => {
  attempt(collection, event.target, async () => {
    const body = JSON.stringify({ lat: Number(latitude), lon: Number(longitude) });
    const { data } = await call("POST", "/ingest", "application/json", body);
    const { provider, temperature } = data;
    if (temperature === null) return say("{provider} has answered.", { provider });
    return say("{provider} has answered: {temperature} °C.", { provider, temperature: decimals(temperature, 1) });
  });
});

remove.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(remove).get("data");
  if (data === "delete" && !confirm(say("Delete {name} and all its rows?", { name }))) return;
  attempt(remove.querySelector(".result"), remove.querySelector("[type=submit]"), async () => {
    await call("DELETE", `${address}?data=${data}`, "application/json");
    await show("/locations", {});
  });
});
