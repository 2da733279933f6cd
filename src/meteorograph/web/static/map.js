// The map of the overview: places as dots on an outline of the world, or on tiles of the user's own server.
"use strict";

{
  const box = document.getElementById("map");
  const words = document.getElementById("map-text");
  const list = document.getElementById("map-list");
  const credits = document.getElementById("map-credits");
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const states = { fresh: say("up to date"), stale: sayIn("place", "stale"), new: say("no values yet"), paused: sayIn("place", "paused"), unscheduled: sayIn("place", "unscheduled") };
  const mostPills = 150;
  const mostListed = 30;
  let shown = null; // the last answer, what it was asked for, and the part of the map that it has
  let reading = null;
  let isPlaced = false;

  // The outline is drawn at half zooms too, so that the earth fits into a phone; tiles would be blurred.
  const snap = box.dataset.tiles ? 1 : 0.5;
  // The earth is shown twice at most.
  const leastZoom = () => Math.max(0, Math.ceil(Math.log2(box.clientWidth / 512) / snap) * snap);
  const map = L.map(box, {
    preferCanvas: true, worldCopyJump: true, maxBounds: [[-85.06, -720], [85.06, 720]], maxBoundsViscosity: 1, scrollWheelZoom: false,
    minZoom: leastZoom(), maxZoom: Number(box.dataset.maxZoom), zoomSnap: snap, zoomAnimation: !isStill, fadeAnimation: !isStill, inertia: !isStill,
  });
  map.attributionControl.setPrefix(false);
  const dots = L.layerGroup().addTo(map);
  const ground = new Ground(map, box.dataset);
  const { colour } = Ground;
  const number = (value) => value.toLocaleString(language);
  const plural = (count) => sayN("{number} place", "{number} places", count, { number: number(count) });

  // What is read

  const wrap = (longitude) => ((longitude + 540) % 360 + 360) % 360 - 180;

  // The part of the earth that is in view, and so much more on each side.
  function part(margin) {
    const bounds = map.getBounds().pad(margin);
    const isWhole = bounds.getEast() - bounds.getWest() > 359.99;
    return {
      west: isWhole ? -180 : wrap(bounds.getWest()), east: isWhole ? 180 : wrap(bounds.getEast()),
      south: bounds.getSouth() < -84 ? -90 : bounds.getSouth(), north: bounds.getNorth() > 84 ? 90 : bounds.getNorth(),
      left: bounds.getWest(), right: bounds.getEast(), isWhole,
    };
  }

  const edges = ({ west, south, east, north }) => [west, south, east, north].map((edge) => edge.toFixed(4)).join(",");

  function query(area, zoom) {
    const address = new URL(location.href).searchParams, asked = new URLSearchParams();
    for (const name of ["quantity", "q", "show", "units"]) if (address.get(name)) asked.set(name, address.get(name));
    const question = asked.toString();
    if (area) {
      asked.set("bbox", edges(area));
      asked.set("count_bbox", edges(part(0)));
    }
    asked.set("zoom", zoom);
    if (language !== "en") asked.set("lang", language);
    return [question, asked];
  }

  const has = (outer, inner) => outer.isWhole || (inner.left >= outer.left && inner.right <= outer.right && inner.south >= outer.south && inner.north <= outer.north);

  async function load({ isForced = false, isFirst = false } = {}) {
    const area = part(0.15), zoom = map.getZoom(), [question, asked] = query(isFirst ? null : area, zoom);
    const isKnown = shown && shown.question === question && !shown.answer.cells.length && has(shown.area, area);
    if (isKnown && !isForced) {
      draw();
      return;
    }
    reading?.abort();
    reading = new AbortController();
    try {
      const response = await fetch(`${box.dataset.places}?${asked}`, { signal: reading.signal, headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(response.statusText);
      shown = { question, area: isFirst ? { isWhole: true } : area, answer: await response.json() };
      if (isFirst) fit();
      draw();
      box.dataset.loaded = question;
    } catch (error) {
      if (error.name !== "AbortError") words.textContent = say("The places cannot be read now. This page keeps trying.");
    }
  }

  // Where the map looks

  function fit() {
    const { places, cells } = shown.answer;
    const points = cells.length ? cells.flatMap(({ bounds: [w, s, e, n] }) => [[s, w], [n, e]]) : places.map((one) => [one.latitude, one.longitude]);
    if (!points.length) {
      map.setView([20, 0], map.getMinZoom(), { animate: false });
      return;
    }
    // The widest gap between two longitudes stays outside, so that places on both sides of the antimeridian lie beside each other.
    const sorted = [...new Set(points.map(([, x]) => x))].sort((a, b) => a - b);
    const gaps = sorted.map((x, at) => (sorted[at + 1] ?? sorted[0] + 360) - x);
    const widest = gaps.indexOf(Math.max(...gaps));
    const west = sorted[(widest + 1) % sorted.length], east = west + 360 - gaps[widest];
    const latitudes = points.map(([y]) => Math.max(-85, Math.min(85, y)));
    map.fitBounds([[Math.min(...latitudes), west], [Math.max(...latitudes), east]], { maxZoom: 6, padding: [30, 30], animate: false });
  }

  function keepAddress() {
    const { lat, lng } = map.getCenter(), address = new URL(location.href);
    if (Math.abs(lng) > 180) {
      map.setView([lat, wrap(lng)], map.getZoom(), { animate: false });
      return;
    }
    address.searchParams.set("centre", `${lat.toFixed(3)},${lng.toFixed(3)}`);
    address.searchParams.set("zoom", map.getZoom());
    history.replaceState(null, "", address);
    keepLinks();
  }

  // The links to the list and the map are written by the server, which does not know yet where the map looks.
  function keepLinks() {
    for (const anchor of document.querySelectorAll("#views a")) {
      const address = new URL(location.href);
      if (new URL(anchor.href).searchParams.get("view") !== "map") address.searchParams.delete("view");
      anchor.href = address;
    }
  }

  // What is drawn

  // A place is drawn wherever the map shows it: right across the antimeridian, and twice if the map shows the earth twice.
  function* copies(longitude) {
    const bounds = map.getBounds().pad(0.1);
    const first = longitude + 360 * Math.ceil((bounds.getWest() - longitude) / 360);
    for (let x = first; x <= bounds.getEast(); x += 360) yield x;
  }

  const isHollow = (name) => shown.answer.quantity !== "freshness" && ["stale", "new", "paused", "unscheduled", "suspect", "none"].includes(name);

  // White or black letters, whichever is read better on a colour.
  function isDark(name) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour(`m-${name}`).slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04 ? c / 12.9 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.18;
  }

  function draw() {
    dots.clearLayers();
    const { places, cells } = shown.answer;
    for (const cell of cells) for (const x of copies(cell.longitude)) drawCell(cell, x);
    const taken = [], seen = new Set(), bounds = map.getBounds();
    const radius = places.length > 500 ? 4 : 6;
    for (const place of places) {
      for (const x of copies(place.longitude)) {
        // The map ends before the poles: what is beyond lies at its edge.
        if (bounds.contains([Math.max(-84, Math.min(84, place.latitude)), x])) seen.add(place);
        const at = [place.latitude, x];
        const layer = (place.value && !isHollow(place.colour) && pill(place, at, taken)) || dot(place, at, radius);
        layer.on("click", () => openPopup(place, at)).addTo(dots);
      }
    }
    describe([...seen]);
    box.dataset.drawn = cells.length || places.length;
  }

  function pill(place, at, taken) {
    if (taken.length >= mostPills) return null;
    const { x, y } = map.latLngToContainerPoint(at), width = 14 + 7 * place.value.length;
    if (taken.some((other) => Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - y) < 21)) return null;
    taken.push({ x, y, width });
    const icon = L.divIcon({ className: `pill m-${place.colour}${isDark(place.colour) ? " light" : ""}`, html: span(place.value), iconSize: [width, 20] });
    return L.marker(at, { icon, keyboard: false });
  }

  function dot(place, at, radius) {
    const own = colour(`m-${place.colour}`);
    if (isHollow(place.colour)) return L.circleMarker(at, { radius, weight: 2.5, color: own, fillColor: colour("map-sea"), fillOpacity: 0.6 });
    const isLate = place.colour === "stale";
    return L.circleMarker(at, { radius: isLate ? radius + 2 : radius, weight: 1, color: colour("map-ring"), opacity: 0.6, fillColor: own, fillOpacity: 1 });
  }

  function drawCell(cell, x) {
    const size = 22 + 8 * Math.min(3, Math.log10(cell.count)) + (cell.count > 99 ? 8 : 0);
    const late = cell.stale ? `, ${sayN("{number} stale", "{number} stale", cell.stale, { number: number(cell.stale) })}` : "";
    const icon = L.divIcon({ className: `cell m-${cell.colour}${isDark(cell.colour) ? " light" : ""}${late ? " late" : ""}`, html: span(number(cell.count)), iconSize: [size, size] });
    const [west, south, east, north] = cell.bounds, turn = x - cell.longitude;
    L.marker([cell.latitude, x], { icon, keyboard: false, title: `${plural(cell.count)}${late}` })
      .on("click", () => map.fitBounds([[south, west + turn], [north, east + turn]], { animate: !isStill }))
      .addTo(dots);
  }

  function span(text) {
    const element = document.createElement("span");
    element.textContent = text;
    return element;
  }

  function link(place) {
    const anchor = document.createElement("a");
    anchor.href = `${box.dataset.place}?${new URLSearchParams({ name: place.name })}`;
    anchor.textContent = place.name;
    return anchor;
  }

  function sentence(place) {
    const { title, unit, quantity } = shown.answer;
    if (quantity === "freshness") return states[place.state];
    if (place.state === "new") return states.new;
    const state = place.state === "fresh" ? "" : `, ${states[place.state]}`;
    if (place.value === undefined) return `${say("no values yet")}${state}`;
    if (place.value === null) return `${say("no {quantity}", { quantity: title.toLowerCase() })}${state}`;
    return `${place.value} ${unit}${place.is_suspect ? `, ${say("suspect")}` : ""}${state}`;
  }

  function openPopup(place, at) {
    const content = document.createElement("div");
    const line = document.createElement("p");
    line.textContent = `${shown.answer.title}: ${sentence(place)}`;
    content.append(link(place), line);
    if (place.observed_at) {
      const time = document.createElement("time");
      time.dateTime = place.observed_at;
      time.textContent = ago(Date.parse(place.observed_at));
      const age = document.createElement("p");
      age.append(`${say("observed")} `, time);
      content.append(age);
    }
    L.popup({ maxWidth: 240, autoPanPadding: [12, 12] }).setLatLng(at).setContent(content).openOn(map);
  }

  // What is said

  function describe(seen) {
    const { count, cells, has_values: hasValues, seen_at: seenAt, quantity } = shown.answer;
    const all = document.createElement("a"), address = new URL(location.href);
    address.searchParams.delete("view");
    all.href = address;
    all.textContent = say("Show the list");
    if (cells.length && count) {
      words.textContent = `${say("{places} here, counted by area: zoom in to see each.", { places: plural(count) })} `;
    } else if (!seen.length) {
      words.textContent = `${say("No place here.")} `;
    } else {
      const counts = Object.keys(states).map((state) => [seen.filter((place) => place.state === state).length, states[state]]);
      const texts = counts.filter(([many]) => many).map(([many, text]) => `${number(many)} ${text}`);
      words.textContent = say("{places} here: {states}.", { places: plural(seen.length), states: texts.join(", ") });
      words.append(" ");
    }
    if (seenAt) words.append(`${say("As of {age}.", { age: ago(Date.parse(seenAt)) })} `);
    if (!hasValues && quantity !== "freshness") words.append(`${say("They are too many to be coloured by value: zoom in.")} `);
    words.append(all);
    list.replaceChildren(...(seen.length <= mostListed ? seen : []).map((place) => {
      const item = document.createElement("li"), value = span(` ${sentence(place)}`);
      if (isHollow(place.colour)) value.className = "why-none";
      item.append(link(place), value);
      return item;
    }));
    credits.textContent = shown.answer.credits.join(" ");
  }

  // A button that shows all places

  const All = L.Control.extend({
    options: { position: "topleft" },
    onAdd() {
      const bar = L.DomUtil.create("div", "leaflet-bar leaflet-control"), button = L.DomUtil.create("a", "", bar);
      Object.assign(button, { href: "#", title: say("Show all places"), textContent: "⤢" });
      button.setAttribute("role", "button");
      button.setAttribute("aria-label", say("Show all places"));
      L.DomEvent.disableClickPropagation(button);
      L.DomEvent.on(button, "click", (event) => {
        L.DomEvent.stop(event);
        load({ isForced: true, isFirst: true });
      });
      return bar;
    },
  });

  function start() {
    const address = new URL(location.href).searchParams;
    const centre = address.get("centre")?.split(",").map(Number);
    map.setView(centre ?? [20, 0], Number(address.get("zoom") ?? map.getMinZoom()), { animate: false });
    ground.draw();
    map.addControl(new All());
    map.on("moveend", () => {
      if (isPlaced) keepAddress();
      if (shown) load();
    });
    map.on("resize", () => map.setMinZoom(leastZoom()));
    // The wheel scrolls the page until somebody has gone into the map.
    map.on("focus", () => map.scrollWheelZoom.enable()).on("blur", () => map.scrollWheelZoom.disable());
    load({ isFirst: !centre }).then(() => { isPlaced = true; });
    document.addEventListener("changed", () => load({ isForced: true }));
    document.addEventListener("renewed", keepLinks); // the map may have moved while the server wrote them
    const period = Number(document.body.dataset.refresh) * 1000;
    if (period) setInterval(() => { if (!document.hidden) load({ isForced: true }); }, period);
    matchMedia(document.querySelector("#dark").media).addEventListener("change", () => {
      ground.redraw();
      if (shown) draw();
    });
  }

  start();
}
