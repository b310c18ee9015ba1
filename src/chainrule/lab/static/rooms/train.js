// A live training. Its settings live in the address, so that they can be shared.
import { ask, make, number, paintGrey, percent, plot, say, session } from "/static/tools.js";

const FIELDS = [
  ["data", "data", ["lab", "digits"]],
  ["width", "units a layer", [16, 32, 64, 128, 256]], ["depth", "hidden layers", [0, 1, 2, 3]], ["activation", "activation", ["relu", "leaky_relu", "tanh", "sigmoid"]],
  ["initialization", "start", ["he", "xavier", "uniform"]], ["optimizer", "optimizer", ["sgd", "adam"]], ["rate", "learning rate", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]],
  ["batch", "batch", [16, 32, 64, 128, 512]], ["epochs", "epochs", [1, 3, 10, 30]],
];
const USUAL = { data: "lab", width: 64, depth: 1, activation: "relu", initialization: "he", optimizer: "sgd", rate: 0.1, batch: 128, epochs: 10, momentum: true, deform: false };

export function enter(main, query, shared) {
  const config = { ...USUAL };
  for (const [name, , choices] of FIELDS) if (query.has(name)) { const found = choices.find((c) => String(c) === query.get(name)); if (found !== undefined) config[name] = found; }
  for (const name of ["momentum", "deform"]) if (query.has(name)) config[name] = query.get(name) === "true";
  let begun = false, source = null, losses = [[], []], scores = [[], [], []];

  const controls = make("div.controls", {}, ...FIELDS.map(([name, label, choices]) => make("label", {}, label, make("select", { name, onchange: (e) => { config[name] = choices[e.target.selectedIndex]; changed(); } }, ...choices.map((c) => make("option", { selected: c === config[name] }, c === "lab" ? shared.model.data : String(c)))))),
    ...[["momentum", "momentum 0.9"], ["deform", "deformed digits"]].map(([name, label]) => make("label.check", {}, make("input", { type: "checkbox", name, checked: config[name], onchange: (e) => { config[name] = e.target.checked; changed(); } }), label)));
  const button = (id, text, act, first) => make(first ? "button.first" : "button", { type: "button", id, onclick: () => act().catch((error) => say(error.message)) }, text);
  const facts = make("div.row.number", { id: "facts", "aria-live": "off" }), command = make("p.formula.soft", { id: "command" });
  const lossPlot = make("div"), scorePlot = make("div"), weights = make("div.pictures"), confusion = make("table.confusion"), histograms = make("div.pictures");
  const save = make("a", { id: "save", href: `/api/train/save?session=${session}`, download: "lab.safetensors" }, "Save the model");

  function changed() { const q = new URLSearchParams(config); history.replaceState(null, "", `#train?${q}`); begun = false; }
  async function begin() {
    source?.close();
    losses = [[], []]; scores = [[], [], []];
    await ask("/api/train/begin", config);
    begun = true;
    source = new EventSource(`/api/train/events?session=${session}`);
    source.onmessage = (event) => show(JSON.parse(event.data));
  }
  const go = (steps) => async () => { if (!begun) await begin(); await ask("/api/train/go", { steps }); };
  const pause = async () => { if (begun) await ask("/api/train/pause", {}); };

  const lossChart = { chart: null }, scoreChart = { chart: null };
  function show(s) {
    if (s.error) say(s.error);
    main.dataset.state = s.state;
    command.textContent = s.command;
    if (s.loss !== undefined) { losses[0].push(s.step); losses[1].push(s.loss); lossChart.chart.setData(losses); }
    if (s.validation !== null && s.validation !== undefined) { scores[0].push(s.epoch); scores[1].push(100 * s.train); scores[2].push(100 * s.validation); scoreChart.chart.setData(scores); }
    facts.replaceChildren(...[["step", s.step], ["epoch", number(s.epoch, 3)], ["loss", number(s.loss, 4)], ["validation", percent(scores[2].at(-1) === undefined ? null : scores[2].at(-1) / 100, 2)], ["images a second", s.images_per_second ? Math.round(s.images_per_second).toLocaleString("en") : "–"], ["", s.state]].map(([k, v]) => make("span", { "data-fact": k || "state" }, make("span.soft", {}, `${k} `), String(v))));
    weights.replaceChildren(...s.weights.map((w) => { const c = paintGrey(make("canvas"), w, s.side, w.length / s.side); c.style.width = "52px"; return c; }));
    if (s.confusion) showConfusion(s.confusion);
    histograms.replaceChildren(...Object.entries(s.histograms).flatMap(([what, list]) => list.map((h, i) => drawHistogram(h, `${what}, layer ${i + 1}`))));
  }
  function showConfusion(counts) {
    const most = Math.max(1, ...counts.flatMap((row, i) => row.filter((_, j) => i !== j)));
    const cell = (n, i, j) => { const made = make(i === j ? "td.hit" : "td", {}, n ? String(n) : ""); if (i !== j && n) made.style.setProperty("--share", `${Math.round(20 + 60 * n / most)}%`); return made; };
    confusion.replaceChildren(make("tr", {}, make("th"), ...counts.map((_, k) => make("th", { scope: "col" }, String(k)))), ...counts.map((row, i) => make("tr", {}, make("th", { scope: "row" }, String(i)), ...row.map((n, j) => cell(n, i, j)))));
  }
  function drawHistogram(h, caption) {
    const c = make("canvas", { width: 120, height: 50, role: "img", "aria-label": caption }), pen = c.getContext("2d"), most = Math.max(1, ...h.counts);
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    h.counts.forEach((n, i) => pen.fillRect(i * 5, 50 - 48 * n / most, 4, 48 * n / most));
    return make("figure", {}, c, make("figcaption", {}, `${caption}: ${number(h.from, 2)} to ${number(h.to, 2)}`));
  }

  main.append(make("h2", {}, "Train"), make("p.lead", {}, "A new network, on this machine, as it learns. The settings are in the address: copy it, and somebody else sees the same."),
    controls, make("div.row", {}, button("start", "Start", go("all"), true), button("pause", "Pause", pause), button("one", "One step", go("one")), button("epoch", "One epoch", go("epoch")), button("reset", "Reset", begin), save), facts, command,
    make("div.grid", {}, make("section.card", {}, make("h3", {}, "Loss"), lossPlot), make("section.card", {}, make("h3", {}, "Accuracy, %"), scorePlot), make("section.card", {}, make("h3", {}, "Who is taken for whom: the label left, the answer on top; images held out"), confusion), make("section.card.wide", {}, make("h3", {}, "Weights of the first units"), weights), make("section.card.wide", {}, make("h3", {}, "Weights, activations and gradients, by layer"), histograms)));
  lossChart.chart = plot(lossPlot, ["loss"], ["--accent"], ["step", ""]);
  scoreChart.chart = plot(scorePlot, ["training", "validation"], ["--soft", "--accent"], ["epoch", ""]);
  return () => { source?.close(); if (begun) ask("/api/train/pause", {}).catch(() => {}); };
}
