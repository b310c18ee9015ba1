// Test images that the network gets wrong, the surest first.
import { ask, make, paintGrey, percent } from "/static/tools.js";

export async function enter(main, query, shared) {
  const side = shared.model.shape[1];
  const rooms = [["look", "Look inside"], ["step", "Step"], ["draw", "Draw"]];
  let to = "look";
  const choice = make("div.row", { role: "radiogroup", "aria-label": "where to take an image" }, make("span.soft", {}, "Take it to"), ...rooms.map(([name, label]) => make("label.check", {}, make("input", { type: "radio", name: "to", value: name, checked: name === to, onchange: () => { to = name; } }), label)));
  const found = await ask("/api/mistakes");
  const list = make("div.mistakes", { id: "mistakes" }, ...found.map((one) => make("button", {
    type: "button", "aria-label": `a ${one.label}, taken for a ${one.said}`,
    onclick: () => { Object.assign(shared, { pixels: one.pixels, label: one.label, test: one.index }); location.hash = to === "draw" ? "draw" : `${to}?test=${one.index}`; },
  }, paintGrey(make("canvas"), one.pixels, side, side), make("span", {}, `${one.label}, said ${one.said}`), make("span.soft", {}, percent(one.sure)))));
  main.append(make("h2", {}, "Mistakes"),
    make("p.lead", {}, found.length ? "The test images that it gets wrong, the surest first. Choose one, and it goes with you." : "There are no test images here, or none is wrong."), choice, list);
}
