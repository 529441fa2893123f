"""Reports are complete, load nothing, and show hostile text literally."""

import re

import pytest

from core.evaluation.report import to_html, to_markdown

HOSTILE = ["<script>alert(1)</script>", "| a | ![x](http://evil/x.png) *b*", "ok\n# heading"]


@pytest.fixture(scope="module")
def hostile(scored):
    gold = [HOSTILE[i % 3] for i in range(30)]
    predicted = [HOSTILE[(i + (i % 5 == 0)) % 3] for i in range(30)]
    found = scored(gold, predicted, labels=HOSTILE)
    mistakes = [m.model_copy(update={"text": HOSTILE[0] + HOSTILE[1]}) for m in found.mistakes]
    return found.model_copy(update={"mistakes": mistakes, "name": HOSTILE[0]})


def test_html_has_no_foreign_markup_and_loads_nothing(hostile):
    page = to_html(hostile)
    assert "<script" not in page and "<img" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page)
    assert "&lt;script&gt;" in page and "default-src 'none'" in page


def test_markdown_shows_text_literally(hostile):
    page = to_markdown(hostile)
    assert "<script" not in page.replace("\\<", "") and "![" not in page.replace("\\!", "").replace("\\[", "")
    assert not re.search(r"^# heading", page, re.MULTILINE)
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1  # no row was split by a label's own bar


def test_baseline_and_before_stand_beside(scored, random_case):
    gold, own = random_case(200, right=0.9)
    other = scored(gold, random_case(200, right=0.3)[1])
    page = to_html(scored(gold, own).beside(baseline=other, before=other))
    assert page.count("Before fine-tuning") == 1 and "Better than the baseline by" in page
    assert "Before fine" not in to_html(scored(gold, own))


def test_everything_is_translated(scored, random_case):
    page = to_markdown(scored(*random_case(30)), lambda key: f"«{re.sub('[^{}a-z_]', '', key)}»")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    assert headings and all(heading.startswith("«") for heading in headings)
