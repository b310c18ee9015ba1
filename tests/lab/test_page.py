"""The page in a real browser: what it shows is what the library says, and nothing leaves this machine."""

import io
import re
import urllib.request

import numpy as np
import pytest
from PIL import Image

from chainrule.lab import answers

from .conftest import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
pytest.importorskip("pytest_playwright")


@pytest.fixture
def visit(page, address):
    """Open a room; at the end no error may have been logged, and no request have gone elsewhere."""
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: (
            troubles.append(request.url)
            if address not in request.url and not request.url.startswith(("data:", "blob:"))
            else None
        ),
    )

    def visit(room):
        page.goto(f"http://{address}/#{room}")
        page.wait_for_selector(f'main[data-ready=yes][data-room="{room.split("?")[0]}"]')
        return page

    yield visit
    assert troubles == []


def until(page, expression):
    """Wait for something to be true; the page's policy forbids Playwright's own way."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {expression}")


def draw(page, points):
    box = page.locator("canvas.paper").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


SEVEN = [(0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.52, 0.62), (0.45, 0.8)]


def test_draw_a_seven_and_it_says_seven(visit, lab):
    page = visit("draw")
    with page.expect_response(lambda r: "/api/draw" in r.url and r.ok):
        draw(page, SEVEN)
    until(page, "document.querySelector('#answer').textContent === '7'")
    until(page, "document.querySelectorAll('.wide figure').length >= 11")  # stages and neighbours
    drawn = "document.querySelector('canvas.paper').getContext('2d').getImageData(0, 0, 140, 140).data"
    inked = page.evaluate(f"Array.from({drawn}).filter((v, i) => i % 4 === 0 && v < 128).length")
    with urllib.request.urlopen(page.locator(".wide figure img").first.get_attribute("src")) as shown:
        stage = np.asarray(Image.open(io.BytesIO(shown.read())))
    assert (stage < 128).sum() == inked  # of the whole stroke, and not of what was there when it was first asked


def test_the_numbers_on_the_page_are_the_librarys(visit, lab):
    page = visit("mistakes")
    one = lab.mistakes[0]
    first = page.locator("#mistakes button").first
    assert first.inner_text().split() == [f"{one['label']},", "said", str(one["said"]), f"{100 * one['sure']:.1f}", "%"]
    first.click()
    page.wait_for_selector("main[data-room=look][data-ready=yes]")
    image = np.array(one["pixels"], np.uint8).reshape(1, 28, 28)
    shown = page.locator(".bars div span:last-child").all_inner_texts()
    assert shown == [f"{100 * p:.1f} %" for p in answers.look(lab, image, [])["probabilities"]]
    page.locator("#units button").nth(7).click()
    page.wait_for_selector("#z")
    z = float(page.locator("#z").inner_text().replace("−", "-"))
    assert z == pytest.approx(answers.unit(lab, image, [], 0, 7)["z"], rel=1e-5)


def test_a_changed_bias_moves_the_outputs(visit):
    page = visit("look")
    before = page.locator(".bars").first.inner_text()
    page.locator("section .row button").first.click()  # output 0
    page.wait_for_selector("#z")
    bias = page.locator("#detail input").first
    bias.fill("60")
    bias.dispatch_event("change")
    until(page, "document.querySelector('.bars .top span').textContent === '0'")
    assert page.locator(".bars").first.inner_text() != before


def test_train_pause_step_and_save(visit, tmp_path):
    page = visit("train?width=16&depth=1&epochs=30&batch=16")
    assert page.locator("select[name=width]").input_value() == "16"
    page.click("#one")
    until(page, "document.querySelector('[data-fact=step]')?.textContent === 'step 1'")
    page.click("#start")
    until(page, "Number(document.querySelector('[data-fact=step]').textContent.slice(5)) > 20")
    page.click("#pause")
    until(page, "['paused', 'finished'].includes(document.querySelector('main').dataset.state)")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "lab.safetensors"
    page.locator("select[name=activation]").select_option("tanh")
    assert "activation=tanh" in page.url
    page.reload()
    page.wait_for_selector("main[data-ready=yes]")
    assert page.locator("select[name=activation]").input_value() == "tanh"  # a link restores it


def test_step_through_a_pass_and_read_entries(visit):
    page = visit("step?at=11")
    until(page, "document.querySelector('#checked').textContent.includes('digits agree')")
    value = float(page.locator("#plugged").get_attribute("data-value"))
    difference = float(re.search(r"just now: (\S+);", page.locator("#checked").inner_text().replace("−", "-"))[1])
    assert difference == pytest.approx(value, rel=1e-6)
    page.click("#next")
    until(page, "document.querySelector('h3').textContent.startsWith('13 of 17: db1')")
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelector('h3').textContent.startsWith('12 of 17: dW1')")


def test_the_quiz_accepts_right_and_refuses_wrong(visit):
    page = visit("step?at=6")
    page.wait_for_selector("#plugged[data-value]")
    value = float(page.locator("#plugged").get_attribute("data-value"))
    page.check("#quiz")
    assert "?" in page.locator("#plugged").inner_text()
    page.fill("#guess", str(-value))
    page.click("#answer")
    until(page, "document.querySelector('#reply').textContent.includes('sign')")
    page.fill("#guess", str(value))
    page.click("#answer")
    until(page, "document.querySelector('#reply').textContent === 'Right.'")


def test_break_it_shows_two_accuracies_and_the_doctor(visit):
    page = visit("break?bug=all-zero%20weights")
    page.wait_for_selector("#result h3")
    page.wait_for_selector("#result del")
    text = page.locator("#result").inner_text()
    assert "The doctor says" in text
    assert "all hidden units stay alike" in text
    assert "np.zeros((784, 32))" in text


def test_a_link_restores_the_image_and_the_unit(visit, lab):
    page = visit("look?test=11&layer=0&unit=5")
    image = lab.data.test_images[11:12]
    z = float(page.locator("#z").inner_text().replace("−", "-"))
    assert z == pytest.approx(answers.unit(lab, image, [], 0, 5)["z"], rel=1e-5)
    page.locator("canvas.paper").focus()
    page.keyboard.press("ArrowUp")
    before = page.locator(".bars").inner_text()
    page.keyboard.press(" ")  # a pixel is turned over
    until(page, f"document.querySelector('.bars').innerText !== {before!r}")
    assert "test=11" not in page.url


def test_an_image_goes_from_the_mistakes_into_any_room(visit, lab):
    index = lab.mistakes[0]["index"]
    page = visit("mistakes")
    page.check("input[value=step]")
    page.locator("#mistakes button").first.click()
    page.wait_for_selector("main[data-room=step][data-ready=yes]")
    assert f"test={index}" in page.url
    page = visit("mistakes")
    page.check("input[value=draw]")
    with page.expect_response(lambda r: "/api/draw" in r.url and r.ok):
        page.locator("#mistakes button").first.click()
    until(page, "document.querySelector('#answer').textContent !== '?'")


def test_the_keyboard_alone_is_enough(visit):
    page = visit("draw")
    page.locator("canvas.paper").focus()
    page.keyboard.press(" ")
    for _ in range(11):
        page.keyboard.press("ArrowDown")
    until(page, "document.querySelector('#answer').textContent === '1'")
    page.locator("nav a").nth(5).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-room=mistakes][data-ready=yes]")


@pytest.mark.parametrize("room", ["draw", "look", "train", "step", "break", "mistakes"])
def test_a_phone_needs_no_sideways_scrolling(visit, room):
    page = visit("mistakes")
    page.set_viewport_size({"width": 390, "height": 844})
    visit(room)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_dark_is_dark(visit):
    page = visit("mistakes")
    page.emulate_media(color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", colour))) < 60


def test_a_dropped_photo_is_read(visit, lab, tmp_path):
    page = visit("draw")
    large = 255 - np.pad(lab.data.test_images[3].repeat(6, axis=0).repeat(6, axis=1), 30)
    Image.fromarray(large).save(tmp_path / "photo.png")
    page.set_input_files("input[type=file]", tmp_path / "photo.png")
    said = int(lab.model.predict(lab.data.test_images[3:4])[0])
    until(page, f"document.querySelector('#answer').textContent === '{said}'")
    until(page, "document.querySelectorAll('.wide figure').length >= 11")


def test_the_page_is_small(visit, page, address):
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())) if "/api/" not in response.url else None)
    visit("draw")
    assert sum(sizes) < 300_000
