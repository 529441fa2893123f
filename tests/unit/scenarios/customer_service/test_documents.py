"""Markdown and HTML become sections of plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError
from core.scenarios.customer_service.documents import (
    LONGEST_PART,
    html_sections,
    markdown_sections,
    read_document,
)


def test_headings_become_sections() -> None:
    found = markdown_sections(
        "Before.\n\n# Returns\nThirty **days**.\n\n- one\n- two\n\n## Fee?\nEUR 4.95 [here](x)\n", "T"
    )
    assert [(section.title, section.paragraphs) for section in found] == [
        ("T", ["Before."]),
        ("Returns", ["Thirty days.", "one", "two"]),
        ("Fee?", ["EUR 4.95 here"]),
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>alert(1)</script>",
        "<style>p{}</style>",
        "<template><p>x</p></template>",
        "<iframe src=x>alert</iframe>",
        "<svg><script>alert(1)</script></svg>",
        "<img src=x onerror=alert(1)>",
        "<!-- alert -->",
        "<script>alert(1)",
    ],
)
def test_only_words_that_people_see_come_through(hidden: str) -> None:
    for read, text in (
        (html_sections, f"<h1>A</h1><p>seen</p>{hidden}"),
        (markdown_sections, f"# A\n\nseen\n\n{hidden}"),
    ):
        (_, section) = read(text, "T")
        assert section.paragraphs == ["seen"]


def test_long_sections_are_cut_between_paragraphs() -> None:
    words = "word " * 100
    (_, section) = html_sections(f"<h2>Long</h2>{''.join(f'<p>{words}</p>' for _ in range(10))}", "T")
    assert len(section.parts()) > 2
    assert all(len(part) <= LONGEST_PART for part in section.parts())


@pytest.mark.parametrize(("content", "message"), [(b"\xff\xfe\xfa", "not UTF-8"), (b"# Only a heading", "no text")])
def test_unusable_documents_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.md").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_document(tmp_path / "x.md", "x.md")
