// Which image a room is about: the one in the address, or the one carried along, or else the surest mistake.
import { ask } from "/static/tools.js";

export async function imageOf(query, shared) {
  const asked = query.has("test") ? Number(query.get("test")) : null;
  if (asked === null && shared.pixels) return;
  const found = await ask("/api/image", { test: Number.isInteger(asked) ? asked : null });
  shared.pixels = found.pixels; shared.label = found.label; shared.test = found.test;
}
