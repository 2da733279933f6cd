// Updates the parts of the page that have data-live, without a reload.
"use strict";

const period = Number(document.body.dataset.refresh) * 1000;
const offline = document.getElementById("offline");
let tag = null;
let last = new Date();
let busy = false;

function ago(then) {
  const seconds = Math.floor((Date.now() - then) / 1000);
  if (seconds < 0) return say("in the future");
  for (const [length, unit] of [[86400, sayIn("unit", "d")], [3600, sayIn("unit", "h")], [60, sayIn("unit", "min")]]) {
    if (seconds >= 2 * length) return say("{duration} ago", { duration: `${Math.floor(seconds / length)} ${unit}` });
  }
  return say("{duration} ago", { duration: `${seconds} s` });
}

function updateAges() {
  for (const time of document.querySelectorAll("time:not([data-keep])")) time.textContent = ago(Date.parse(time.dateTime));
}

function ids(doc) {
  return [...doc.querySelectorAll("[data-live]")].map((part) => part.id).join(" ");
}

const focusable = (part) => [...part.querySelectorAll("a, button, summary, [tabindex]")];

// A test that finds the focused element again among the new elements: by what it is, or by its place if nothing tells that.
function matcher(element, part) {
  const { id, href, dataset } = element, place = focusable(part).indexOf(element);
  if (id) return (other) => other.id === id;
  if (href) return (other) => other.href === href;
  if (dataset.name !== undefined) return (other) => other.dataset.name === dataset.name;
  return (other, at) => at === place && other.tagName === element.tagName;
}

function swap(part, fresh) {
  const active = document.activeElement;
  const isFocused = part.contains(active) ? matcher(active, part) : null;
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  part.className = fresh.className;
  if (fresh.dataset.level) part.dataset.level = fresh.dataset.level;
  part.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
  if (isFocused) focusable(part).find(isFocused)?.focus({ preventScroll: true });
}

async function renew() {
  if (busy) return;
  busy = true;
  const address = location.href;
  try {
    const response = await fetch(address, { headers: tag ? { Accept: "text/html", "If-None-Match": tag } : { Accept: "text/html" } });
    offline.hidden = true;
    last = new Date();
    if (response.status === 304) return;
    tag = response.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    if (ids(fresh) !== ids(document)) {
      location.reload();
      return;
    }
    for (const part of document.querySelectorAll("[data-live]")) swap(part, fresh.getElementById(part.id));
    document.dispatchEvent(new Event("renewed"));
  } catch {
    offline.querySelector("span").textContent = last.toLocaleTimeString(language === "en" ? undefined : language);
    offline.hidden = false;
  } finally {
    busy = false;
  }
  if (address !== location.href) renew(); // the list was filtered meanwhile
}

if (period) {
  setInterval(() => { if (!document.hidden) renew(); }, period);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
  document.addEventListener("changed", renew);
}
setInterval(updateAges, 1000);
