"""Pictures of the lab's rooms for docs/lab.md: light, dark and on a phone, taken in Chromium.

    python scripts/draw_lab.py

Needs Chromium and the extra `lab`, and MNIST where `load_dataset` finds it.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import SHIPPED_MODEL, load_model
from chainrule.lab.answers import Lab
from chainrule.lab.serve import serving

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
DESK = {"viewport": {"width": 1180, "height": 800}}
MODES = {
    "light": DESK,
    "dark": {**DESK, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}
SEVEN = ((0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.52, 0.62), (0.45, 0.8))


def main() -> None:
    """Serve, visit every room, and take its picture."""
    lab = Lab(load_model(SHIPPED_MODEL), load_dataset("auto"), "the one that ships")
    with serving(lab) as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for mode, options in MODES.items():
            page = browser.new_context(**options).new_page()
            for room, act in ROOMS.items():
                page.goto(f"http://{place}/#{room}")
                page.wait_for_selector("main[data-ready=yes]")
                act(page)
                page.screenshot(path=PICTURES / f"lab-{room}-{mode}.png", full_page=mode != "phone")
        browser.close()


def draw_a_seven(page: Page) -> None:
    """With the mouse."""
    box = page.locator("canvas.paper").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.mouse.move(*places[0])
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(800)


def look_at_a_unit(page: Page) -> None:
    """The fourth hidden unit."""
    page.locator("#units button").nth(3).click()
    page.wait_for_timeout(600)


def train_a_while(page: Page) -> None:
    """Four seconds, then a pause."""
    page.click("#start")
    page.wait_for_timeout(4000)
    page.click("#pause")
    page.wait_for_timeout(600)


def step_to_the_end(page: Page) -> None:
    """Every formula of a pass, up to the update."""
    for _ in range(11):
        page.click("#next")
    page.wait_for_timeout(600)


def wait_for_the_twins(page: Page) -> None:
    """Until both are trained and the doctor has spoken."""
    page.wait_for_selector("#result h3", timeout=60000)


ROOMS = {
    "draw": draw_a_seven,
    "look": look_at_a_unit,
    "train": train_a_while,
    "step": step_to_the_end,
    "break": wait_for_the_twins,
    "mistakes": lambda page: page.wait_for_timeout(600),
}


if __name__ == "__main__":
    main()
