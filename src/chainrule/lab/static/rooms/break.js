// A mistake of the museum beside its healthy twin.
import { ask, make, percent, plot, say } from "/static/tools.js";

const BUGS = ["missing axis", "factor of 2", "wrong mask", "no mask", "transposed input", "unstable softmax", "all-zero weights", "rate too large"];

export function enter(main, query) {
  const bug = make("select", { id: "bug" }, ...BUGS.map((b) => make("option", { selected: b === query.get("bug") }, b)));
  const seed = make("input", { type: "number", min: 0, value: Number(query.get("seed")) || 0, id: "seed" });
  const holder = make("div"), result = make("div", { id: "result", "aria-live": "polite" });
  const run = make("button.first", { type: "button", id: "run", onclick: start }, "Run both");
  async function start() {
    run.disabled = true; say("");
    history.replaceState(null, "", `#break?bug=${encodeURIComponent(bug.value)}&seed=${seed.value}`);
    try {
      const found = await ask("/api/twins", { bug: bug.value, seed: Number(seed.value) });
      holder.replaceChildren();
      const chart = plot(holder, ["healthy", "sick"], ["--for", "--against"], ["step", "loss"]);
      chart.setData([found.healthy.losses.map((_, i) => found.every * i), found.healthy.losses, found.sick.losses]);
      const lost = found.sick.losses.at(-1) === null ? ", and its loss is no number any more" : "";
      result.replaceChildren(make("p", {}, `Right of ${found.healthy.unseen.toLocaleString("en")} images that neither learned from: `, make("span.for", {}, `healthy ${percent(found.healthy.accuracy)}`), ", ", make("span.against", {}, `sick ${percent(found.sick.accuracy)}`), `${lost}. Sick: ${found.bug}.`),
        ...found.lines.map((l) => make("p.formula.diff", {}, make("del", {}, l.before), make("br"), make("ins", {}, l.after))),
        make("h3", {}, "The doctor says, of this program"), ...found.doctor.map((line) => make("p.said", {}, line)));
    } catch (error) { say(error.message); }
    run.disabled = false;
  }
  main.append(make("h2", {}, "Break it"), make("p.lead", {}, "Switch in a mistake that was published somewhere. Its healthy twin starts with the same weights and sees the same images. Most sick ones learn all the same; that is the trouble."),
    make("div.row", {}, make("label", {}, "mistake", bug), make("label", {}, "seed", seed), run), make("section.card", {}, holder, result));
  start();
}
