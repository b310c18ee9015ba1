// The page's frame: rooms by address, one image carried from room to room. No number is computed here.
import { ask, say } from "/static/tools.js";

const rooms = ["draw", "look", "train", "step", "break", "mistakes"];
const main = document.getElementById("room");

// What rooms share: the model, and the image that one of them left for the next.
export const shared = { model: null, pixels: null, label: null, test: null };
let leave = () => {};

function address() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: rooms.includes(name) ? name : "draw", query: new URLSearchParams(query) };
}

async function open() {
  const { name, query } = address();
  leave();
  leave = () => {};
  say("");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren();
  main.dataset.room = name;
  delete main.dataset.ready;
  try {
    shared.model ??= await ask("/api/model");
    const room = await import(`/static/rooms/${name}.js`);
    leave = (await room.enter(main, query, shared)) || (() => {});
    main.dataset.ready = "yes";
  } catch (error) {
    say(error.message);
  }
  const m = shared.model;
  if (m) document.getElementById("model").textContent = `Model: ${m.name}, ${m.widths.join("-")}, ${m.parameters.toLocaleString("en")} numbers. Data: ${m.data}.`;
}

addEventListener("hashchange", () => { open(); main.focus({ preventScroll: true }); });
open();
