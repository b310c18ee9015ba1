// Draw a digit; the engine reads it while you draw.
import { ask, bars, make, paintGrey, paintSigned, picture, say } from "/static/tools.js";

const SIDE = 140, REST = 5, LONGEST_REST = 500;

export function enter(main, query, shared) {
  const side = shared.model.shape[1];
  const paper = make("canvas.paper", { width: SIDE, height: SIDE, tabindex: 0, role: "application",
    "aria-label": "Paper: draw a digit with finger, pen or mouse. With the keyboard: arrows move the pen, space draws, c clears." });
  const pen = paper.getContext("2d", { willReadFrequently: true });
  const answer = make("div.big", { id: "answer", "aria-live": "polite" }, "?");
  const chart = bars(shared.model.classes.length);
  const stages = make("div.pictures"), nearest = make("div.pictures"), votes = make("canvas", { role: "img", "aria-label": "which pixels speak for the answer, and which against" });
  votes.style.width = "168px";
  const carry = make("div.row");
  const file = make("input", { type: "file", accept: "image/*", "aria-label": "a photo of a digit" });
  let busy = false, again = false, down = null, wake = () => {};

  function wipe() {
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, SIDE, SIDE);
    pen.strokeStyle = "#111"; pen.lineWidth = 11; pen.lineCap = pen.lineJoin = "round";
    answer.textContent = "?"; chart.show(shared.model.classes.map(() => 0));
    for (const part of [stages, nearest, carry]) part.replaceChildren();
    votes.width = 0; shared.pixels = null; shared.test = null;
  }

  async function read() {
    if (busy) { again = true; return; }
    busy = true;
    const rgba = pen.getImageData(0, 0, SIDE, SIDE).data, grey = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
    if (grey.some((value) => value < 128)) {
      const asked = performance.now();
      try { show(await ask(`/api/draw?width=${SIDE}${down ? "&brief=1" : ""}`, grey, true)); say(""); } catch (error) { say(error.message); }
      // A class that draws at once shares one machine: whoever waits long, asks seldom.
      // Whoever lifts the pen is answered at once.
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, Math.min(LONGEST_REST, REST * (performance.now() - asked))); });
    }
    busy = false;
    if (again) { again = false; read(); }
  }

  function show(found) {
    if (found.nothing) { answer.textContent = "?"; stages.replaceChildren(make("p.soft", {}, found.nothing)); return; }
    answer.textContent = shared.model.classes[found.said];
    chart.show(found.probabilities);
    shared.pixels = found.pixels; shared.label = found.said; shared.test = null;
    paintSigned(votes, found.votes, side, side);
    const names = { grey: "your drawing", ground: "the paper", ink: "the ink", strokes: "the strokes" };
    if (!found.stages) return; // the pen is down: the rest comes when it is lifted
    stages.replaceChildren(...found.stages.map((s) => make("figure", {}, make("img", { src: s.png, alt: names[s.name], width: 84 }), make("figcaption", {}, names[s.name]))), picture(found.pixels, side, `${side} × ${side}`, 84));
    nearest.replaceChildren(...found.nearest.map((n) => picture(n.pixels, side, `a ${n.label}`, 56)));
    carry.replaceChildren(make("a", { href: "#look" }, "Look inside with it"), make("a", { href: "#step" }, "Step through it"));
  }

  const at = (event) => { const box = paper.getBoundingClientRect(); return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height]; };
  paper.addEventListener("pointerdown", (event) => { paper.setPointerCapture(event.pointerId); down = at(event); pen.beginPath(); pen.moveTo(...down); pen.lineTo(down[0] + .1, down[1]); pen.stroke(); event.preventDefault(); });
  paper.addEventListener("pointermove", (event) => { if (!down) return; for (const e of event.getCoalescedEvents?.() ?? [event]) { const to = at(e); pen.beginPath(); pen.moveTo(...down); pen.lineTo(...to); pen.stroke(); down = to; } read(); });
  for (const name of ["pointerup", "pointercancel"]) paper.addEventListener(name, () => { if (down) { down = null; read(); wake(); } });
  let key = [SIDE / 2, SIDE / 4], drawing = false;
  paper.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6] };
    if (event.key === " ") { drawing = !drawing; event.preventDefault(); }
    if (event.key === "c") wipe();
    if (moves[event.key]) {
      const to = key.map((v, i) => Math.min(SIDE - 12, Math.max(12, v + moves[event.key][i])));
      if (drawing) { pen.beginPath(); pen.moveTo(...key); pen.lineTo(...to); pen.stroke(); read(); }
      key = to; event.preventDefault();
    }
  });
  async function photo(blob) { try { wipe(); show(await ask("/api/photo", blob, true)); say(""); } catch (error) { say(error.message); } }
  file.addEventListener("change", () => file.files[0] && photo(file.files[0]));
  paper.addEventListener("dragover", (event) => event.preventDefault());
  paper.addEventListener("drop", (event) => { event.preventDefault(); const dropped = event.dataTransfer.files[0]; if (dropped) photo(dropped); });

  main.append(
    make("h2", {}, "Draw a digit"),
    make("p.lead", {}, "The network answers while you draw. Every number comes from the engine, and every stage on the way is shown."),
    make("div.grid", {},
      make("section.card", {}, paper, make("div.row", { style: null }, make("button", { type: "button", id: "clear", onclick: wipe }, "Clear"), make("label", {}, "or a photo", file))),
      make("section.card", {}, make("h3", {}, "It says"), answer, chart, carry),
      make("section.card", {}, make("h3", {}, "Pixels that speak for it, and against it"), votes, make("p.soft", {}, "Blue raises its score, red lowers it: slope times pixel.")),
      make("section.card.wide", {}, make("h3", {}, "From your drawing to the network"), stages),
      make("section.card.wide", {}, make("h3", {}, "The nearest of 10,000 training images"), nearest)),
  );
  const carried = shared.pixels;
  wipe();
  if (carried) { // an image from another room, enlarged, as ink on paper
    const scale = Math.floor((SIDE - 28) / side), small = make("canvas");
    paintGrey(small, carried.map((v) => 255 - v), side, side);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, (SIDE - scale * side) / 2, (SIDE - scale * side) / 2, scale * side, scale * side);
    read();
  }
}
