// One image, forward and back and one update; every entry shows its formula, every gradient its finite difference.
import { ask, make, number, paintGrey, paintSigned, say } from "/static/tools.js";
import { math } from "/static/math.js";
import { imageOf } from "/static/images.js";

export async function enter(main, query, shared) {
  const side = shared.model.shape[1];
  await imageOf(query, shared);
  const label = Number.isInteger(shared.label) ? shared.label : 0, seed = Number(query.get("seed") ?? 0) || 0;
  const about = { pixels: shared.pixels, label, seed };
  const { steps } = await ask("/api/steps", about);
  let at = Math.min(steps.length - 1, Math.max(0, Number(query.get("at") ?? 0) || 0)), entry = [0, 0], quiz = false;

  const names = make("div.steps", { role: "group", "aria-label": "steps" }, ...steps.map((s, i) => make("button", { type: "button", onclick: () => go(i) }, s.name)));
  const title = make("h3"), formula = make("p.formula", { id: "formula" }), map = make("canvas", { role: "img" }), plugged = make("p.formula", { id: "plugged" }), checked = make("p.number", { id: "checked" });
  const row = make("input", { type: "number", min: 0, value: 0, id: "row" }), column = make("input", { type: "number", min: 0, value: 0, id: "column" });
  const reply = make("p", { id: "reply", role: "status" }), guess = make("input", { type: "number", step: "any", id: "guess", "aria-label": "your answer" });
  const quizBox = make("form.row", { hidden: true, onsubmit: async (event) => { event.preventDefault(); try { const found = await ask("/api/judge", { ...about, name: steps[at].name, row: entry[0], column: entry[1], answer: Number(guess.value) }); reply.textContent = found.hint; reply.className = found.right ? "good" : "against"; if (found.right) await reveal(); } catch (error) { say(error.message); } } }, make("label", {}, "What is it?", guess), make("button.first", { type: "submit", id: "answer" }, "Check"));

  function layout(s) { const [h, w] = s.shape; if (s.name === "x" && w === side * side) return [side, side]; if (s.name.endsWith("W1") && h === side * side) return [w * 28 > 300 ? side * 4 : side, null]; return [h, w]; }
  function go(i) { at = Math.min(steps.length - 1, Math.max(0, i)); entry = best(steps[at]); show(); history.replaceState(null, "", `#step?at=${at}&seed=${seed}${shared.test === null ? "" : `&test=${shared.test}`}`); }
  function best(s) { let k = 0; s.values.forEach((v, i) => { if (Math.abs(v) > Math.abs(s.values[k])) k = i; }); return [Math.floor(k / s.shape[1]), k % s.shape[1]]; }
  function show() {
    const s = steps[at], [h, w] = s.shape;
    [...names.children].forEach((b, i) => (i === at ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current")));
    title.textContent = `${at + 1} of ${steps.length}: ${s.name}, ${s.what}`;
    formula.replaceChildren(math(s.formula), make("span.soft", {}, `   shape ${h} × ${w}`));
    if (s.name === "x") paintGrey(map, s.values.map((v) => 255 * v), side, side);
    else if (h === side * side) { // W1 and dW1: each unit's weights as a picture, side by side
      const wide = Array(side * side * w).fill(0);
      for (let u = 0; u < w; u++) for (let p = 0; p < h; p++) wide[Math.floor(p / side) * side * w + u * side + (p % side)] = s.values[p * w + u];
      paintSigned(map, wide, side * w, side);
    } else paintSigned(map, s.values, w, h);
    map.style.width = s.name === "x" ? "196px" : "100%";
    map.style.maxHeight = "220px";
    map.setAttribute("aria-label", `${s.name} as a heat map`);
    row.max = h - 1; column.max = w - 1; row.value = entry[0]; column.value = entry[1];
    reply.textContent = ""; guess.value = "";
    quizBox.hidden = !quiz;
    if (quiz) { plugged.replaceChildren(math(`${s.name}[${entry}] = ?`)); checked.textContent = ""; } else reveal();
  }
  async function reveal() {
    try {
      const found = await ask("/api/entry", { ...about, name: steps[at].name, row: entry[0], column: entry[1] });
      plugged.replaceChildren(math(`${steps[at].name}[${entry}] = ${found.formula}`));
      plugged.dataset.value = found.value;
      checked.textContent = found.difference === undefined ? "" : `finite difference, just now: ${number(found.difference, 10)}; ${found.digits} digits agree`;
      say("");
    } catch (error) { say(error.message); }
  }
  for (const input of [row, column]) input.addEventListener("change", () => { entry = [Number(row.value), Number(column.value)]; show(); });
  map.addEventListener("click", (event) => {
    const s = steps[at], [h, w] = s.shape, box = map.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) * map.width / box.width), y = Math.floor((event.clientY - box.top) * map.height / box.height);
    if (s.name === "x") entry = [0, y * side + x]; else if (h === side * side) entry = [y * side + (x % side), Math.floor(x / side)]; else entry = [y, x];
    show();
  });
  const keys = (event) => { if (["INPUT", "SELECT"].includes(document.activeElement?.tagName)) return; if (event.key === "ArrowRight") go(at + 1); if (event.key === "ArrowLeft") go(at - 1); };
  addEventListener("keydown", keys);
  const image = paintGrey(make("canvas", { role: "img", "aria-label": `the image, a ${label}` }), shared.pixels, side, side);
  image.style.width = "84px";
  main.append(make("h2", {}, "Step through a pass"), make("p.lead", {}, "A small new network, 784-8-10, and this image: forward, back, one update. Choose any entry; its formula appears with the numbers in it."),
    make("div.row", {}, image, make("button", { type: "button", id: "back", onclick: () => go(at - 1) }, "← back"), make("button.first", { type: "button", id: "next", onclick: () => go(at + 1) }, "next →"), make("label.check", {}, make("input", { type: "checkbox", id: "quiz", onchange: (e) => { quiz = e.target.checked; show(); } }), "quiz: hide the number")), names,
    make("section.card", {}, title, formula, map, make("div.row", {}, make("label", {}, "row", row), make("label", {}, "column", column)), plugged, checked, quizBox, reply));
  go(at);
  return () => removeEventListener("keydown", keys);
}
