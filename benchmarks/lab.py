"""How fast the lab answers: docs/lab.json, which docs/lab.md shows.

    python benchmarks/lab.py

From stroke to changed probabilities on loopback, alone and with thirty visitors drawing at once; live training
beside the same training without a page; the page's weight, and its time to be usable in Chromium where that is
installed.
"""

import http.client
import json
import multiprocessing
import re
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import SHIPPED_MODEL, load_model
from chainrule.lab.answers import Lab
from chainrule.lab.app import STATIC
from chainrule.lab.serve import serving
from chainrule.lab.trainings import LiveTraining, recipe_of
from chainrule.recipes import start

DOCS = Path(__file__).parent.parent / "docs"
VISITORS, STROKES = 30, 60
#: How long the page rests between two answers, as a multiple of what it waited, and at most, in ms: as it says itself.
RESTS = re.search(r"REST = (\d+), LONGEST_REST = (\d+);", (STATIC / "rooms" / "draw.js").read_text(encoding="utf-8"))
REST, LONGEST_REST = map(int, RESTS.groups())
START, END = "<!-- lab: written by benchmarks/lab.py -->", "<!-- end of lab -->"
CONFIG = {
    "width": 128, "depth": 1, "activation": "relu", "initialization": "he", "optimizer": "sgd", "rate": 0.1,
    "batch": 128, "epochs": 5, "momentum": True, "deform": False,
}  # fmt: skip


def main() -> None:
    """Measure, and write."""
    data = load_dataset("auto")
    lab = Lab(load_model(SHIPPED_MODEL), data, "shipped")
    drawing = 255 - np.pad(data.train_images[0].repeat(4, axis=0).repeat(4, axis=1), 14)
    with serving(lab) as place:
        strokes(place, drawing, 20, "warm-up")
        alone = strokes(place, drawing, 200, "alone")
        with multiprocessing.get_context("spawn").Pool(1) as elsewhere:  # a class has machines of its own
            crowd = elsewhere.apply(draw_at_once, (place, drawing))
        found = {
            "stroke_ms": percentiles(alone),
            "crowd_ms": percentiles(crowd),
            "visitors": VISITORS,
            **training(data),
            **page(place),
        }
    (DOCS / "lab.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    text = (DOCS / "lab.md").read_text(encoding="utf-8")
    before, rest = text.split(START)
    (DOCS / "lab.md").write_text(f"{before}{START}\n{table(found)}{END}{rest.split(END)[1]}", encoding="utf-8")


def table(found: dict) -> str:
    """The figures in words, beside what was asked."""
    stroke, crowd = (
        f"{found[k]['median']} ms, 95 of 100 below {found[k]['p95']} ms" for k in ("stroke_ms", "crowd_ms")
    )
    least, most, ready = min(found["ratios"]), max(found["ratios"]), found.get("interactive_ms", {})
    live = f"{found['training_with_page']:.2f} times as long (five pairs: {least:.2f} to {most:.2f})"
    lines = [
        "| on two cores | measured | goal |",
        "| --- | --- | --- |",
        f"| from a stroke to changed probabilities | {stroke} | 20 ms |",
        f"| the same, {found['visitors']} drawing at once without a pause | {crowd} | 100 ms |",
        f"| live training beside the same training without a page | {live} | 1.10 |",
    ]
    if ready:
        lines += [
            f"| the page without data | {found['page_bytes'] / 1000:.0f} KB | 300 KB |",
            f"| until it can be used, in Chromium | {ready['median'] / 1000:.2f} s | 1 s |",
        ]
    return "\n".join([*lines, "", "By `python benchmarks/lab.py`; [the figures](lab.json).", ""])


def draw_at_once(place: str, drawing: np.ndarray) -> list[float]:
    """Milliseconds of all answers while all visitors draw without a pause."""
    with ThreadPoolExecutor(VISITORS) as pool:
        of_all = pool.map(lambda i: strokes(place, drawing, STROKES, f"visitor {i:03d}"), range(VISITORS))
        return [one for visitor in of_all for one in visitor]


def strokes(place: str, drawing: np.ndarray, count: int, visitor: str) -> list[float]:
    """Milliseconds of so many answers while the pen is down, one after the other, resting as the page does."""
    connection = http.client.HTTPConnection(place)
    path, content = f"/api/draw?width={drawing.shape[1]}&brief=1", drawing.tobytes()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("POST", path, content, {"Host": place, "x-session": visitor})
        response = connection.getresponse()
        json.loads(response.read())
        assert response.status == 200, response.status
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(min(LONGEST_REST, REST * times[-1]) / 1000)
    connection.close()
    return times


def percentiles(times: list[float]) -> dict[str, float]:
    """Median, and what 95 of 100 stay below."""
    return {"median": round(statistics.median(times), 1), "p95": round(float(np.percentile(times, 95)), 1)}


def training(data: object) -> dict[str, object]:
    """Seconds of the same training with the page looking on and without, in alternation."""
    ratios = []
    for _ in range(5):
        bare = start(recipe_of(CONFIG), data, seed=0)
        began = time.perf_counter()
        for _ in bare:
            pass
        without = time.perf_counter() - began
        live = LiveTraining(data, CONFIG)
        began = time.perf_counter()
        live.go()
        for _ in live.events():
            if live.state == "finished":
                break
        ratios.append((time.perf_counter() - began) / without)
        live.end()
    return {"training_with_page": round(statistics.median(ratios), 3), "ratios": [round(r, 3) for r in ratios]}


def page(place: str) -> dict[str, object]:
    """Bytes of the page without data, and the time until a room is ready."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return {}
    from playwright.sync_api import sync_playwright

    sizes: list[int] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        times = []
        for attempt in range(6):
            tab = browser.new_context().new_page()
            if attempt == 0:
                tab.on("response", lambda r: sizes.append(len(r.body())) if "/api/" not in r.url else None)
            began = time.perf_counter()
            tab.goto(f"http://{place}/#draw")
            tab.wait_for_selector("main[data-ready=yes]")
            times.append(1000 * (time.perf_counter() - began))
            tab.close()
        browser.close()
    return {"page_bytes": sum(sizes), "interactive_ms": percentiles(times[1:])}


if __name__ == "__main__":
    main()
