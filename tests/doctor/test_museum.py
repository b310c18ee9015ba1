"""The page says what was measured, and a sample of the corpus is judged again."""

import json
from pathlib import Path

from museum import SAMPLE, exhibits, figures, judge_corpus, page

DOCS = Path(__file__).parents[2] / "docs"
MUSEUM = json.loads((DOCS / "museum.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_figures():
    assert (DOCS / "museum.md").read_text(encoding="utf-8") == page(MUSEUM["rooms"], MUSEUM["corpus"])
    assert MUSEUM["figures"] == figures(MUSEUM["corpus"])


def test_the_figures_are_what_was_asked_for():
    counts = MUSEUM["figures"]
    assert counts["correct"] >= 40
    assert counts["broken"] >= 500
    assert counts["false_alarms"] == 0
    assert counts["found"] >= 0.99 * counts["broken"]
    assert counts["named"] >= 0.85 * counts["broken"]


def test_there_are_at_least_fifteen_exhibits_with_a_place_where_each_was_found():
    assert len(exhibits()) >= 15
    assert all(exhibit.found for exhibit in exhibits())
    assert [room["title"] for room in MUSEUM["rooms"]] == [exhibit.title for exhibit in exhibits()]


def test_a_sample_of_the_corpus_comes_out_as_on_the_page():
    for one in judge_corpus(SAMPLE):
        assert one == MUSEUM["corpus"][one["number"]]
