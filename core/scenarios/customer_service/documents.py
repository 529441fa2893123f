"""Sections of a Markdown or HTML document: each heading with the plain text below it.

Only the words come through. Markup, scripts, styles and addresses do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from core.errors import InputError

LARGEST_DOCUMENT = 10_000_000
"""Bytes."""
LONGEST_PART = 1_500
"""Characters of one section; a longer one is cut at its paragraphs."""
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_UNSEEN = {"script", "style", "template", "noscript", "svg", "head", "nav", "iframe", "object", "math"}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_BLOCKS = {"p", "div", "li", "tr", "section", "article", "blockquote", "pre", "dt", "dd", "br", "ul", "ol", "table"}


@dataclass
class Section:
    """A heading and its text."""

    title: str
    paragraphs: list[str] = field(default_factory=list)

    def parts(self) -> list[str]:
        """Texts of at most about LONGEST_PART characters, cut between paragraphs."""
        parts: list[str] = []
        for paragraph in self.paragraphs:
            if parts and len(parts[-1]) + len(paragraph) < LONGEST_PART:
                parts[-1] += "\n" + paragraph
            else:
                parts.append(paragraph)
        return parts


def read_document(path: Path, shown: str) -> list[Section]:
    """Sections with text of a document that is known as ``shown`` (.md, .markdown, .html, .htm). Raises InputError."""
    if path.stat().st_size > LARGEST_DOCUMENT:
        raise InputError(
            f"'{shown}' is larger than {LARGEST_DOCUMENT // 1_000_000} MB.", "Split it into several documents."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{shown}' is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    found = html_sections(text, shown) if shown.lower().endswith((".html", ".htm")) else markdown_sections(text, shown)
    found = [section for section in found if section.paragraphs]
    if not found:
        raise InputError(f"'{shown}' has no text below a heading.", "Add headings, or import it as a table.")
    return found


def markdown_sections(text: str, title: str) -> list[Section]:
    """Sections of a Markdown text; what stands before the first heading goes under ``title``."""
    from markdown_it import MarkdownIt

    # Raw HTML is read as text by this preset and then by the HTML reader, which drops what is unseen.
    return html_sections(MarkdownIt("commonmark", {"html": True}).enable("table").render(text), title)


def html_sections(text: str, title: str) -> list[Section]:
    """Sections of an HTML text; what stands before the first heading goes under ``title``."""
    reader = _Reader(title)
    reader.feed(text)
    reader.close()
    reader.flush()
    return reader.sections


class _Reader(HTMLParser):
    def __init__(self, title: str) -> None:
        super().__init__(convert_charrefs=True)
        self.sections = [Section(title)]
        self._words: list[str] = []
        self._unseen: list[str] = []
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag in _HEADINGS:
            self.flush()
            self._in_heading = True
        elif tag in _BLOCKS:
            self.flush()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen and self._unseen.pop() != tag:
                pass
        elif tag in _HEADINGS or tag in _BLOCKS:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._words.append(data)

    def flush(self) -> None:
        """Put what was read where it belongs."""
        words = " ".join("".join(self._words).split())
        self._words.clear()
        if words and self._in_heading:
            self.sections.append(Section(words))
        elif words:
            self.sections[-1].paragraphs.append(words)
        self._in_heading = False
