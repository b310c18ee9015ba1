// Small helpers: asking the engine, making elements, painting numbers.
export const session = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2).padEnd(12, "0");

export async function ask(path, body, raw = false) {
  const options = { headers: { "x-session": session } };
  if (body !== undefined) {
    options.method = "POST";
    options.body = raw ? body : JSON.stringify(body);
    options.headers["content-type"] = raw ? "application/octet-stream" : "application/json";
  }
  const response = await fetch(path, options);
  let answer = {};
  try { answer = await response.json(); } catch { /* a refusal is plain text */ }
  if (!response.ok) throw new Error(answer.error || `The lab answered ${response.status}.`);
  return answer;
}

export function say(text) { document.getElementById("said").textContent = text; }

// make("button.first", {type: "button"}, "Start")
export function make(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const number = (x, digits = 4) => (x === null || x === undefined ? "–" : Number(x).toPrecision(digits).replace("-", "−"));
export const percent = (x, digits = 1) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(digits)} %`);

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function rgb(hex) { return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)); }

export function paintGrey(canvas, pixels, width, height) {
  canvas.width = width; canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < pixels.length; i++) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = pixels[i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Blue for what is positive, red for what is negative, nothing for nothing.
export function paintSigned(canvas, values, width, height, most) {
  canvas.width = width; canvas.height = height;
  most = most || Math.max(1e-12, ...values.map(Math.abs));
  const plus = rgb(colour("--for")), minus = rgb(colour("--against"));
  const image = new ImageData(width, height);
  for (let i = 0; i < values.length; i++) {
    const tint = values[i] >= 0 ? plus : minus;
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = tint[k];
    image.data[4 * i + 3] = Math.round(255 * Math.min(1, Math.abs(values[i]) / most));
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

export function picture(pixels, side, caption, size = 64) {
  const canvas = paintGrey(make("canvas", { role: "img", "aria-label": caption || "a digit" }), pixels, side, side);
  canvas.style.width = `${size}px`;
  return make("figure", {}, canvas, ...(caption ? [make("figcaption", {}, caption)] : []));
}

export function bars(count) {
  const rows = Array.from({ length: count }, (_, k) => make("div", {}, make("span", {}, String(k)), make("i"), make("span.number", {}, "")));
  const element = make("div.bars", { role: "img", "aria-label": "probabilities" }, ...rows);
  element.show = (probabilities) => {
    const top = probabilities.indexOf(Math.max(...probabilities));
    rows.forEach((row, k) => {
      row.classList.toggle("top", k === top);
      row.children[1].style.width = `${100 * probabilities[k]}%`;
      row.children[2].textContent = percent(probabilities[k]);
    });
    element.setAttribute("aria-label", `most likely ${top}, ${percent(probabilities[top])}`);
  };
  return element;
}

// A curve; uPlot draws it.
export function plot(holder, names, colours, labels) {
  const text = colour("--soft"), grid = { stroke: colour("--line"), width: 1 };
  const chart = new uPlot({
    width: Math.max(240, holder.clientWidth - 4), height: 240, scales: { x: { time: false } }, cursor: { drag: { x: false } },
    axes: [{ stroke: text, grid, label: labels[0] }, { stroke: text, grid, label: labels[1] }],
    series: [{ label: labels[0] }, ...names.map((label, i) => ({ label, stroke: colour(colours[i]), width: 2, spanGaps: true }))],
  }, [[], ...names.map(() => [])], holder);
  return chart;
}
