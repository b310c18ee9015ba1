// Every unit, its exact sum, and what happens downstream when a pixel, a weight or a bias moves.
import { ask, bars, make, number, paintGrey, paintSigned, say } from "/static/tools.js";
import { math } from "/static/math.js";
import { imageOf } from "/static/images.js";

export async function enter(main, query, shared) {
  const { model } = shared, side = model.shape[1];
  await imageOf(query, shared);
  const pixels = shared.pixels.slice();
  let edits = [], layer = 0, unit = null, state = null;
  const weights = (await ask("/api/weights")).units;

  const image = make("canvas.paper", { role: "application", tabindex: 0, "aria-label": "the image: click a pixel to change it, or move with the arrows and press space" });
  const chart = bars(model.classes.length), units = make("div.units", { id: "units" }), outputs = make("div.row"), detail = make("section.card.wide", { id: "detail" }, make("p.soft", {}, "Choose a unit: its sum appears here."));
  const buttons = weights.map((w, k) => {
    const canvas = paintGrey(make("canvas"), w, side, side);
    return make("button", { type: "button", "aria-pressed": "false", "aria-label": `hidden unit ${k}`, onclick: () => choose(0, k) }, canvas);
  });
  if (model.widths.length > 2) units.append(...buttons);
  const last = model.widths.length - 2;
  outputs.append(...model.classes.map((name, k) => make("button", { type: "button", onclick: () => choose(last, k), "aria-label": `output ${name}` }, name)));
  const between = make("div.row");
  for (let l = 1; l < last; l++) between.append(make("label", {}, `layer ${l + 1}, unit`, make("input", { type: "number", min: 0, max: model.widths[l + 1] - 1, value: 0, onchange: (e) => choose(l, Number(e.target.value)) })));

  async function refresh() {
    try {
      state = await ask("/api/look", { pixels, edits });
      chart.show(state.probabilities);
      paintGrey(image, pixels, side, side);
      if (last > 0) {
        const top = Math.max(1e-9, ...state.layers[0].a.map(Math.abs));
        buttons.forEach((button, k) => { button.style.opacity = 0.25 + 0.75 * Math.abs(state.layers[0].a[k]) / top; button.title = `unit ${k}: ${number(state.layers[0].a[k])}`; });
      }
      if (unit !== null) await show();
      say("");
    } catch (error) { say(error.message); }
  }

  async function choose(l, k) {
    layer = l; unit = k;
    address();
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(l === 0 && last > 0 && i === k)));
    await show();
  }

  async function show() {
    const found = await ask("/api/unit", { pixels, edits, layer, unit });
    const name = (i) => (layer === 0 ? `x${i}` : `a${i}`);
    const change = (input, label, value) => make("label.weight", {}, label, make("input", { type: "number", step: "any", value: Number(value.toPrecision(5)), onchange: (e) => { edits = edits.filter((d) => !(d.layer === layer && d.unit === unit && d.input === input)); edits.push({ layer, input, unit, value: Number(e.target.value) }); refresh(); } }));
    const weightOf = (t) => { const box = change(t.input, "", t.w); box.firstElementChild.setAttribute("aria-label", `weight of ${name(t.input)}`); return box; };
    const rows = found.terms.map((t) => make("tr", {}, make("td", {}, name(t.input)), make("td", {}, number(t.x)), make("td", {}, weightOf(t)), make(`td.${t.product >= 0 ? "for" : "against"}`, {}, number(t.product))));
    const sum = found.terms.slice(0, 4).map((t) => `${number(t.x, 3)}·(${number(t.w, 3)})`).join(" + ");
    const picture = layer === 0 ? [paintSigned(make("canvas", { role: "img", "aria-label": "its weights" }), found.weights, side, side)] : [];
    picture.forEach((c) => { c.style.width = "140px"; });
    detail.replaceChildren(
      make("h3", {}, layer === last ? `Output ${model.classes[unit]}: which units voted how` : `Layer ${layer + 1}, unit ${unit}`),
      make("p.formula", {}, math(`z = ${sum} + … + (${number(found.bias, 3)}) =`), make("b", { id: "z" }, number(found.z, 6))),
      make("div.row", {}, ...picture,
        make("table", {}, make("tr", {}, ...["input", "value", "weight", "product"].map((h) => make("th", {}, h))), ...rows, make("tr", {}, make("td", {}, `${found.others} others`), make("td"), make("td"), make("td", {}, number(found.rest)))),
        make("div", {}, change(-1, "bias", found.bias), make("button", { type: "button", onclick: () => { edits = []; refresh(); } }, "Undo changes"))));
  }

  function address() { history.replaceState(null, "", `#look?${new URLSearchParams({ ...(shared.test === null ? {} : { test: shared.test }), ...(unit === null ? {} : { layer, unit }) })}`); }
  function flip(x, y) {
    if (x < 0 || y < 0 || x >= side || y >= side) return;
    pixels[y * side + x] = pixels[y * side + x] > 127 ? 0 : 255;
    shared.pixels = pixels.slice(); shared.test = null;
    address();
    refresh();
  }
  image.addEventListener("click", (event) => {
    const box = image.getBoundingClientRect();
    flip(Math.floor((event.clientX - box.left) * side / box.width), Math.floor((event.clientY - box.top) * side / box.height));
  });
  const place = make("p.soft", { "aria-live": "polite" });
  let at = [side >> 1, side >> 1];
  image.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") flip(...at);
    else if (moves[event.key]) at = at.map((v, i) => Math.min(side - 1, Math.max(0, v + moves[event.key][i])));
    else return;
    place.textContent = `row ${at[1]}, column ${at[0]}: ${pixels[at[1] * side + at[0]]}`;
    event.preventDefault();
  });
  main.append(make("h2", {}, "Look inside"),
    make("p.lead", {}, "The image, every hidden unit as the picture of its weights (bright where it likes ink) as strong as it fires, and the outputs. Choose one; change a pixel, a weight or a bias, and everything downstream moves."),
    make("div.grid", {}, make("section.card", {}, make("h3", {}, "The image (click a pixel)"), image, place), make("section.card", {}, make("h3", {}, "Outputs"), chart, outputs, between), make("section.card.wide", {}, make("h3", {}, `${model.widths[1]} units of the first layer`), last > 0 ? units : "This model has none."), detail));
  await refresh();
  const asked = ["layer", "unit"].map((name) => (query.has(name) ? Number(query.get(name)) : NaN));
  if (asked.every(Number.isInteger) && asked[0] >= 0 && asked[0] <= last && asked[1] >= 0 && asked[1] < model.widths[asked[0] + 1]) await choose(...asked);
}
