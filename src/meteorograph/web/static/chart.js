// Draws the figure that the page carries, in the colours of the day or of the night.
"use strict";

const box = document.getElementById("chart");
const zoom = document.getElementById("zoom");
const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset" };
const touch = matchMedia("(pointer: coarse)");
const dark = matchMedia("(prefers-color-scheme: dark)");
let drawn = "";

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Names of the style sheet's variables become their values.
function themed(value) {
  if (typeof value === "string") return value.startsWith("--") ? color(value) : value;
  if (Array.isArray(value)) return value.length && typeof value[0] !== "object" ? value : value.map(themed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, themed(one)]));
}

function layout(given) {
  const ink = color("--ink");
  const soft = color("--soft");
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: soft };
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), fixedrange: true, nticks: 4, tickfont: font };
  const made = {
    ...given,
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
    // On a touch screen a finger scrolls the page; the buttons zoom.
    dragmode: touch.matches ? false : "zoom",
    xaxis: { ...given.xaxis, gridcolor: color("--line"), tickfont: font, fixedrange: touch.matches, hoverformat: "%a %d %b %Y, %H:%M UTC", nticks: innerWidth < 600 ? 5 : 12 },
    annotations: given.annotations.map((one) => ({
      ...one, x: 0, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { ...font, color: ink, weight: 600 },
    })),
  };
  for (const name of Object.keys(given)) if (name.startsWith("yaxis")) made[name] = { ...axis, ...given[name] };
  return made;
}

async function draw(again) {
  const text = document.getElementById("figure")?.textContent ?? "{}";
  if (text === drawn && !again) return;
  drawn = text;
  const figure = JSON.parse(text);
  if (!figure.data) return;
  try {
    box.querySelector(".loading")?.remove();
    await Plotly.react(box, themed(figure.data), layout(themed(figure.layout)), config);
    box.dataset.drawn = "yes";
    zoom.hidden = false;
  } catch (error) {
    box.textContent = "The charts could not be drawn; the numbers are in the table below.";
    console.error(error);
  }
}

zoom.addEventListener("click", (event) => {
  const factor = event.target.dataset.zoom;
  if (factor === undefined) return;
  const whole = JSON.parse(drawn).layout.xaxis.range;
  const [start, end] = box.layout.xaxis.range.map((at) => +new Date(/Z|[+-]\d\d:\d\d$/.test(at) ? at : `${at.replace(" ", "T")}Z`));
  const middle = (start + end) / 2;
  const half = ((end - start) / 2) * Number(factor);
  const [first, last] = whole.map((at) => +new Date(at));
  const range = half ? [Math.max(first, middle - half), Math.min(last, middle + half)] : [first, last];
  Plotly.relayout(box, { "xaxis.range": range.map((at) => new Date(at).toISOString()) });
});

if (globalThis.Plotly) {
  draw(false);
  document.addEventListener("renewed", () => draw(false));
  dark.addEventListener("change", () => draw(true));
} else {
  box.textContent = "The charts could not be loaded; the numbers are in the table below.";
}
