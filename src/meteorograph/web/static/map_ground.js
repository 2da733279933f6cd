// What lies under the places of the map: an outline of the world, or tiles of the user's own server.
"use strict";

const Ground = (() => {
  const escaped = (text) => Object.assign(document.createElement("span"), { textContent: text }).innerHTML;

  function unroll(steps, unit) {
    const ring = [];
    let [x, y] = [0, 0];
    for (let at = 0; at < steps.length; at += 2) {
      [x, y] = [x + steps[at], y + steps[at + 1]];
      ring.push([y / unit, x / unit]);
    }
    return ring;
  }

  return class Ground {
    #map; #addresses; #land = null; #rings = null; #renderer = null;

    constructor(map, addresses) {
      this.#map = map;
      this.#addresses = addresses;
    }

    // A colour of the style sheet.
    static colour(name) {
      return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    }

    draw() {
      if (this.#addresses.tiles) this.#tiles().addTo(this.#map);
      else this.#outline();
    }

    // In the colours of now.
    redraw() {
      if (this.#rings === null) return;
      this.#land.clearLayers();
      const style = { weight: 0.8, color: Ground.colour("map-coast"), fillColor: Ground.colour("map-land"), fillOpacity: 1, smoothFactor: 0.6 };
      for (const turn of [-360, 0, 360]) {
        const copy = this.#rings.map((polygon) => polygon.map((ring) => ring.map(([y, x]) => [y, x + turn])));
        L.polygon(copy, { ...style, renderer: this.#renderer, pane: "land", interactive: false }).addTo(this.#land);
      }
    }

    async #outline() {
      if (this.#land !== null) return;
      this.#land = L.layerGroup().addTo(this.#map);
      this.#map.createPane("land").style.zIndex = 150;
      this.#renderer = L.canvas({ pane: "land", padding: 0.5 });
      const world = await (await fetch(this.#addresses.world)).json();
      this.#rings = world.polygons.map((polygon) => polygon.map((steps) => unroll(steps, world.unit)));
      this.#map.attributionControl.addAttribution(say("Outline: Natural Earth"));
      this.redraw();
    }

    #tiles() {
      const { tiles, attribution } = this.#addresses, showOutline = () => this.#outline();
      // Images of our own making: the library removes those of its own by an address that the page's policy forbids.
      const Tiles = L.GridLayer.extend({
        createTile({ x, y, z }, done) {
          const image = document.createElement("img");
          Object.assign(image, { alt: "", referrerPolicy: "strict-origin-when-cross-origin" });
          image.onload = () => done(null, image);
          image.onerror = () => {
            showOutline();
            done(new Error("no tile"), image);
          };
          image.src = tiles.replace("{z}", z).replace("{x}", x).replace("{y}", y);
          return image;
        },
      });
      return new Tiles({ maxZoom: this.#map.getMaxZoom(), attribution: escaped(attribution) });
    }
  };
})();
