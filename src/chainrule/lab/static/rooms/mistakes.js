// Test images that the network gets wrong, the surest first.
import { ask, make, paintGrey, percent } from "/static/tools.js";

export async function enter(main, query, shared) {
  const side = shared.model.shape[1];
  const found = await ask("/api/mistakes");
  const list = make("div.mistakes", { id: "mistakes" }, ...found.map((one) => make("button", {
    type: "button", "aria-label": `a ${one.label}, taken for a ${one.said}`,
    onclick: () => { shared.pixels = one.pixels; shared.label = one.label; location.hash = "look"; },
  }, paintGrey(make("canvas"), one.pixels, side, side), make("span", {}, `${one.label}, said ${one.said}`), make("span.soft", {}, percent(one.sure)))));
  main.append(make("h2", {}, "Mistakes"),
    make("p.lead", {}, found.length ? "The test images that it gets wrong, the surest first. Take one into the other rooms: choose it." : "There are no test images here, or none is wrong."), list);
}
