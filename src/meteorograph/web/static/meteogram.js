// Shows the values of the meteogram at the pointer, or at a cursor that arrow keys move, and zooms by a drag: the address then
// names the chosen time, and the server draws it.
"use strict";

const dragged = { from: null };
let index = -1;
let isPointed = false;

function parts() {
  const box = document.getElementById("meteogram");
  const source = document.getElementById("values");
  return box && source ? { box, data: JSON.parse(source.textContent), text: document.getElementById("readout") } : null;
}

function picture(box) {
  return [...box.querySelectorAll("svg.meteogram")].find((svg) => svg.getBoundingClientRect().width > 0);
}

// The instant [s] below the pointer.
function instant(svg, data, clientX) {
  const frame = svg.getBoundingClientRect();
  const x = ((clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
  const { left, right } = svg.dataset;
  const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
  return data.start + share * (data.end - data.start);
}

function coordinate(svg, data, at) {
  const { left, right } = svg.dataset;
  return Number(left) + ((at - data.start) / (data.end - data.start)) * (right - left);
}

function number(value, places) {
  return decimals(value, places).replace("-", "−");
}

// The values of a point as texts, without those that are missing.
function texts(data, at) {
  const found = data.quantities.flatMap(({ name, title, unit, decimals, values }) => {
    if (values[at] === null) return [];
    const direction = name === "wind_speed" && data.directions[at] !== null ? ` ${data.points[Math.round(data.directions[at] / 45) % 8]}` : "";
    return [`${title} ${number(values[at], decimals)} ${unit}${direction}`.trim()];
  });
  const second = data.times[at];
  const bar = data.rain.bars.find(([start, end]) => start < second && second <= end);
  if (bar) {
    const length = (bar[1] - bar[0]) / 3600;
    const amount = `${number(bar[2], data.rain.decimals)} ${data.rain.unit}`;
    const part = bar[3] === undefined ? "" : `, ${say("{percent} % measured", { percent: Math.floor(bar[3] * 100) })}`;
    const [start, end] = [bar[0], bar[1]].map((edge) => clock(data, edge));
    const rain = length >= 23 ? say("rain in the day {amount}", { amount })
      : bar[1] > data.rain.until ? say("rain since {start} {amount}", { start, amount })
      : say("rain {start} to {end} {amount}", { start, end, amount });
    found.push(rain + part);
  }
  if (data.provider[at] !== null) found.push(data.providers[data.provider[at]]);
  return found.length ? found : [say("no data")];
}

function clock(data, second) {
  return new Date(second * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: data.zone });
}

function when(data, at) {
  const format = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: data.zone };
  return new Date(data.times[at] * 1000).toLocaleString(language === "en" ? "en-GB" : language, format);
}

// Shows a point; without a cursor the newest one, for a start.
function show(at) {
  const all = parts();
  if (!all || at < 0 || at >= all.data.times.length) return;
  index = at;
  const { box, data, text } = all;
  const [time, values] = [when(data, at), texts(data, at)];
  const strong = document.createElement("strong");
  strong.textContent = time;
  text.replaceChildren(strong, ...values.map((value) => Object.assign(document.createElement("span"), { textContent: value })));
  const svg = picture(box);
  const cursor = svg.querySelector(".m-cursor");
  cursor.setAttribute("transform", `translate(${coordinate(svg, data, data.times[at]).toFixed(1)} 0)`);
  cursor.style.visibility = isPointed ? "visible" : "hidden";
  box.setAttribute("aria-valuenow", at);
  box.setAttribute("aria-valuetext", `${time}: ${values.join(", ")}`);
}

function nearest(data, at) {
  let best = 0;
  data.times.forEach((time, number_) => { if (Math.abs(time - at) < Math.abs(data.times[best] - at)) best = number_; });
  return best;
}

// Goes to a period of at least an hour, in whole minutes.
function zoomTo(from, to) {
  const [start, end] = from < to ? [from, to] : [to, from];
  const minute = (second) => `${new Date(Math.round(second / 60) * 60000).toISOString().slice(0, 16)}Z`;
  const address = new URL(location.href);
  address.searchParams.delete("range");
  address.searchParams.set("start", minute(Math.min(start, end - 3600)));
  address.searchParams.set("end", minute(end));
  location.href = address.href;
}

// Makes the picture a slider over its points; again after the page has renewed it.
function prepare() {
  for (const link of document.querySelectorAll(".needs-script")) link.hidden = false;
  const all = parts();
  if (!all || !all.data.times.length) return;
  const { box, data, text } = all;
  const fields = { role: "slider", tabindex: "0", "aria-label": say("Time in the meteogram"), "aria-valuemin": 0, "aria-valuemax": data.times.length - 1 };
  for (const [name, value] of Object.entries(fields)) box.setAttribute(name, value);
  text.hidden = false;
  const last = data.times.length - 1;
  show(isPointed && index <= last ? index : last);
}

const keys = { ArrowLeft: -1, ArrowRight: 1, PageUp: 6, PageDown: -6, Home: -Infinity, End: Infinity };

document.addEventListener("keydown", (event) => {
  const all = parts();
  if (!all || event.target !== all.box) return;
  const { data } = all;
  if (event.key in keys) {
    event.preventDefault();
    isPointed = true;
    show(Math.min(data.times.length - 1, Math.max(0, index + keys[event.key])));
  } else if (event.key === "+" || event.key === "-") {
    const half = ((data.end - data.start) / 2) * (event.key === "+" ? 0.5 : 2);
    zoomTo(data.times[index] - half, data.times[index] + half);
  }
});
document.addEventListener("pointermove", (event) => {
  const all = parts();
  if (!all) return;
  if (!all.box.contains(event.target)) {
    if (isPointed && document.activeElement !== all.box) {
      isPointed = false;
      show(all.data.times.length - 1);
    }
    return;
  }
  isPointed = true;
  const at = instant(picture(all.box), all.data, event.clientX);
  show(nearest(all.data, at));
});
document.addEventListener("pointerdown", (event) => {
  const all = parts();
  if (!all || event.pointerType !== "mouse" || event.button || !all.box.contains(event.target)) return;
  event.preventDefault(); // no text is selected
  dragged.from = instant(picture(all.box), all.data, event.clientX);
});
document.addEventListener("pointerup", (event) => {
  const all = parts();
  const { from } = dragged;
  dragged.from = null;
  if (!all || from === null) return;
  const to = instant(picture(all.box), all.data, event.clientX);
  if (Math.abs(to - from) > (all.data.end - all.data.start) / 50) zoomTo(from, to);
});
document.addEventListener("renewed", prepare);
prepare();
