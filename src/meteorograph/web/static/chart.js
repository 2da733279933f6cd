// Draws the figure in the page with Plotly, in the colours of the light or dark theme.
"use strict";

const box = document.getElementById("chart");
const zoom = document.getElementById("zoom");
const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset", ...locale() };
const touch = matchMedia("(pointer: coarse)");
const dark = matchMedia(document.querySelector("#dark").media);
let drawn = "";

// Names of days and months, and the separators of numbers, as Plotly wants them; English is its own language.
function locale() {
  if (language === "en") return {};
  const names = (count, options, at) => Array.from({ length: count }, (_, index) => new Intl.DateTimeFormat(language, { ...options, timeZone: "UTC" }).format(at(index)));
  const day = (index) => Date.UTC(2023, 0, 1 + index); // a Sunday
  const month = (index) => Date.UTC(2023, index, 1);
  const parts = new Intl.NumberFormat(language).formatToParts(1234567.5);
  const sign = (type) => parts.find((part) => part.type === type)?.value ?? "";
  const format = {
    days: names(7, { weekday: "long" }, day), shortDays: names(7, { weekday: "short" }, day),
    months: names(12, { month: "long" }, month), shortMonths: names(12, { month: "short" }, month),
    date: "%d.%m.%Y", decimal: sign("decimal"), thousands: sign("group"),
  };
  return { locale: language, locales: { [language]: { dictionary: {}, format } } };
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Replaces names of CSS variables by their values.
function themed(value) {
  if (typeof value === "string") return value.startsWith("--") ? color(value) : value;
  if (Array.isArray(value)) return value.length && typeof value[0] !== "object" ? value : value.map(themed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item)]));
}

function layout(figureLayout) {
  const ink = color("--ink");
  const soft = color("--soft");
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: soft };
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), fixedrange: true, nticks: 4, tickfont: font };
  const result = {
    ...figureLayout,
    height: Math.min(860, Math.max(640, innerHeight - 80)),
    margin: { l: 44, r: 8, t: 8, b: 30 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font,
    showlegend: false,
    bargap: 0.15,
    hovermode: "x unified",
    hoversubplots: "axis",
    hoverlabel: { bgcolor: color("--sheet"), bordercolor: color("--line"), font: { ...font, color: ink } },
    // A finger scrolls the page, so touch screens zoom with the buttons.
    dragmode: touch.matches ? false : "zoom",
    xaxis: { ...figureLayout.xaxis, gridcolor: color("--line"), tickfont: font, fixedrange: touch.matches, hoverformat: language === "en" ? "%a %d %b %Y, %H:%M UTC" : "%a %-d %b %Y, %H:%M UTC", nticks: innerWidth < 600 ? 5 : 12 },
    annotations: figureLayout.annotations.map((annotation) => ({
      ...annotation, x: 0, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { ...font, color: ink, weight: 600 },
    })),
  };
  for (const name of Object.keys(figureLayout)) if (name.startsWith("yaxis")) result[name] = { ...axis, ...figureLayout[name] };
  return result;
}

// Adds the times and notes that all traces share.
function complete(trace, figure) {
  return { x: figure.times, ...trace, customdata: trace.customdata?.map((number) => figure.notes[number]) };
}

async function draw(isForced) {
  const text = document.getElementById("figure")?.textContent ?? "{}";
  if (text === drawn && !isForced) return;
  drawn = text;
  const figure = JSON.parse(text);
  if (!figure.data) return;
  try {
    box.querySelector(".loading")?.remove();
    await Plotly.react(box, themed(figure.data.map((trace) => complete(trace, figure))), layout(themed(figure.layout)), config);
    box.dataset.drawn = "yes";
    zoom.hidden = false;
  } catch (error) {
    box.textContent = say("Drawing the charts failed; the table below has the numbers.");
    console.error(error);
  }
}

// Milliseconds of a time that Plotly writes in UTC without a zone.
function milliseconds(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}

zoom.addEventListener("click", (event) => {
  const factor = event.target.dataset.zoom;
  if (factor === undefined) return;
  const wholeRange = JSON.parse(drawn).layout.xaxis.range;
  const [start, end] = box.layout.xaxis.range.map(milliseconds);
  const middle = (start + end) / 2;
  const half = ((end - start) / 2) * Number(factor);
  const [first, last] = wholeRange.map(milliseconds);
  const range = half ? [Math.max(first, middle - half), Math.min(last, middle + half)] : [first, last];
  Plotly.relayout(box, { "xaxis.range": range.map((at) => new Date(at).toISOString().slice(0, -1)) });
});

if (globalThis.Plotly) {
  draw(false);
  document.addEventListener("renewed", () => draw(false));
  dark.addEventListener("change", () => draw(true));
} else {
  box.textContent = say("Loading the charts failed; the table below has the numbers.");
}
