"""User text is shown as it is: nothing in it is syntax."""

import pytest
from markdown_it import MarkdownIt

from studio.text import JOINER, escape, guidelines, line, told_apart

HOSTILE = [
    "**bold** _it_ ~~gone~~ `code`",
    "<script>alert(1)</script> <b>x</b> &amp; &#60;",
    "[link](http://evil) ![image](http://evil/x.png) <http://evil>",
    "# heading",
    "1. one",
    "- item",
    "> quote",
    "$x^2$ and $$y$$",
    ":red[danger] :blue-background[x] :material/home: :smile: :streamlit:",
    "a | b",
    "back\\slash \\",
    "http://evil.example www.evil.example me@evil.example",
    "a -> b <- c -- d >= e",
    "=HYPERLINK(1)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_exactly_the_text(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(escape(text))
    inline = [token for token in tokens if token.type == "inline"]
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in inline[0].children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in inline[0].children or []).replace(JOINER, "") == text


@pytest.mark.parametrize("text", [":smile:", " -> ", "https://x", "www.x", "a@b", ":material/home:", "a >= b"])
def test_what_streamlit_replaces_after_parsing_is_kept_apart(text: str) -> None:
    assert JOINER in escape(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\n\tand  more ", "two lines and more"),
        ("nul\x00 bell\x07", "nul bell"),
        ("over\u202eride", "override"),
        ("\u200b\ufeff", "(invisible)"),
        ("\u3164", "(invisible)"),
        ("", "(invisible)"),
        ("退款", "退款"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        (7, "7"),
    ],
)
def test_line(text: object, shown: str) -> None:
    assert line(text) == shown


def test_right_to_left_names_do_not_turn_their_surroundings() -> None:
    assert line("استرداد") == "\u2068استرداد\u2069"


def test_limit_counts_the_ellipsis() -> None:
    assert line("abcdefghij", 5) == "abcd…"
    assert line("abcde", 5) == "abcde"


def test_guidelines_stay_markdown_but_load_nothing() -> None:
    html = MarkdownIt().render(guidelines("# Rules\n\n**bold** ![x](http://evil/x.png)"))
    assert "<strong>bold</strong>" in html
    assert "<img" not in html
    assert "<h4>" in html


def test_options_that_read_the_same_are_numbered() -> None:
    titles = {1: "A long title, first volume", 2: "A long title, second volume", 3: "Other", 4: "A long title (2)"}
    words = told_apart(titles, lambda key: titles[key][:12] if key < 3 else titles[key])
    assert [words(key) for key in titles] == ["A long title", "A long title (2)", "Other", "A long title (2) (2)"]
    assert words(2) == "A long title (2)", "asked again it is the same"
