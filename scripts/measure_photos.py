"""How often photos are read rightly, by the network that comes with the package: docs/photos.md.

    python scripts/measure_photos.py            all of it, about two minutes
    python scripts/measure_photos.py --count 80 fewer photos, printed and not written

The digits are those of MNIST's test set, which neither the network nor the search for digits was made with: both were
chosen on photos of training images.
"""

import argparse
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_photos import STYLES, Photo, blank_pages, photos, rows_of_digits
from numpy.typing import NDArray
from PIL import Image

from chainrule import plots
from chainrule.data.datasets import load_dataset
from chainrule.data.photo import find_digits, read_page
from chainrule.errors import DataFileError
from chainrule.files.model_file import SHIPPED_MODEL, load_model
from chainrule.model import Model
from chainrule.nn.metrics import wilson_interval

DOCS = Path(__file__).parent.parent / "docs"
SEED = 1
PAGE = """# Photos of digits

`chainrule predict photo.jpg` reads a photo, a drawing or a scan: any size, dark on light or light on dark, in a shadow,
on ruled paper, with a thin or a thick pen. It needs no model of yours: one of {size:.2f} MB comes with the package.

```sh
chainrule predict photo.jpg                       # one digit, and how sure the network is
chainrule predict photo.jpg --explain stages.png  # every stage on the way, drawn
chainrule predict number.jpg --many               # all digits of the picture, row by row, left to right
```

![Every stage from a photo to the answer](pictures/photo.png)

- **Ground**: how bright the page is under the ink. Pits of brightness are filled as rain would fill them, so that
  shadows and gradients are ground, and strokes are not.
- **Ink**: how much darker than the ground a pixel is, relative to it. A stroke in a shadow is then as dark as one in
  the light. Dark on light and light on dark are told apart here.
- **Strokes**: where there is ink enough, without ruled lines, specks, and what the picture's edge cuts off.
- **Digits**: each is made as wide of stroke as MNIST's are, fitted into 20 × 20 pixels with its proportions kept, and
  placed so that its centre of mass lies in the middle of 28 × 28.

Where nothing is written it says so, and why. The code: [ink.py](../src/chainrule/data/ink.py),
[ruling.py](../src/chainrule/data/ruling.py), [components.py](../src/chainrule/data/components.py),
[photo.py](../src/chainrule/data/photo.py).

## How often it is right

{count} photographed-looking pages, written by a script with the digits of MNIST's test set:
[make_photos.py](../scripts/make_photos.py) draws each again with a pen, on a paper, and photographs it from an angle,
in uneven light, out of focus, with noise, as JPEG. They are drawn and not photographed; your own may be harder.

| pen and paper | right | of |
| --- | --- | --- |
{styles}
| **all, one digit each** | **{right}** | {count} |

**{accuracy:.1f} %** (95 % interval {low:.1f} to {high:.1f}); must reach 95. No digit was found on {missed} of them.

| | right | of |
| --- | --- | --- |
| pages with two to six digits in a row, `--many`, every digit right | {rows_right} | {rows} |
| the digits on them, where as many were found as written | {row_digits_right} | {row_digits} |
| empty pages, refused | {refused} | {blank} |

Again: `python scripts/measure_photos.py`, and `python scripts/make_photos.py FOLDER` to look at them.

## The network

784-256-128-10, trained on deformed digits by the recipe `pocket`; its test error stands in
[results.md](results.md#pocket). It is seed 0, which was not chosen among others. Again:

```sh
chainrule train --recipe pocket --seed 0 --model pocket.safetensors
```
"""


@dataclass
class Score:
    """What came out of some photos of one digit each."""

    right: Counter[str]
    shown: Counter[str]
    missed: int

    @property
    def accuracy(self) -> float:
        """The part that was read rightly; a digit that was not found is a mistake."""
        return self.right.total() / self.shown.total()


def read(photo: Photo, model: Model, *, many: bool = False) -> tuple[int, ...]:
    """The digits that the model reads in a photo; none where it finds none."""
    grey = np.asarray(Image.open(io.BytesIO(photo.content)).convert("L"))
    try:
        page = find_digits(grey, many=many)
    except DataFileError:
        return ()
    return tuple(model.probabilities(page.digits).argmax(axis=1).tolist())


def score(pages: list[Photo], model: Model) -> Score:
    """Read photos of one digit each."""
    answers = [read(photo, model) for photo in pages]
    right = [answer == photo.labels for answer, photo in zip(answers, pages, strict=True)]
    return Score(
        Counter(photo.style for photo, is_right in zip(pages, right, strict=True) if is_right),
        Counter(photo.style for photo in pages),
        sum(not answer for answer in answers),
    )


def measure(images: NDArray[np.uint8], labels: NDArray[np.integer], model: Model, count: int) -> dict[str, object]:
    """Everything that the page says."""
    singles = score(photos(images, labels, count, SEED), model)
    rows = rows_of_digits(images, labels, count // 4, SEED)
    answers = [read(photo, model, many=True) for photo in rows]
    pairs = [(a, p.labels) for a, p in zip(answers, rows, strict=True) if len(a) == len(p.labels)]
    blank = blank_pages(count // 4, SEED)
    low, high = wilson_interval(singles.right.total(), count)
    return {
        "count": count,
        "styles": "\n".join(f"| {s.name} | {singles.right[s.name]} | {singles.shown[s.name]} |" for s in STYLES),
        "right": singles.right.total(),
        "accuracy": 100 * singles.accuracy,
        "low": 100 * low,
        "high": 100 * high,
        "missed": singles.missed,
        "rows": len(rows),
        "rows_right": sum(a == p.labels for a, p in zip(answers, rows, strict=True)),
        "row_digits": sum(len(written) for _, written in pairs),
        "row_digits_right": sum(a == b for pair in pairs for a, b in zip(*pair, strict=True)),
        "blank": len(blank),
        "refused": sum(not read(photo, model) for photo in blank),
        "size": SHIPPED_MODEL.stat().st_size / 1e6,
    }


def draw_stages(images: NDArray[np.uint8], labels: NDArray[np.integer], model: Model) -> None:
    """One photo, half in a shadow, and what becomes of it."""
    photo = next(p for p in photos(images, labels, 80, SEED) if p.style == "pen in a shadow" and p.labels == (5,))
    path = DOCS / "pictures" / "photo.jpg"
    path.write_bytes(photo.content)
    page = read_page(path)
    path.unlink()
    plots.save(plots.explanation(page, model.probabilities(page.digits), model.class_names), path.with_suffix(".png"))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, help="photos of one digit; by default 400, and the page is written")
    count = parser.parse_args().count
    model, data = load_model(SHIPPED_MODEL), load_dataset("mnist")
    text = PAGE.format(**measure(data.test_images, data.test_labels, model, count or 400))
    print(text[text.index("| pen and paper") : text.index("Again:")])
    if count is None:
        draw_stages(data.test_images, data.test_labels, model)
        (DOCS / "photos.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
