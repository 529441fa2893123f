"""RSS and Atom as rows. The file is somebody else's: no entities, no document types, no markup in what comes out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_ENTRIES = 10_000
_TAG = re.compile(r"<[^<>]{0,2000}>")
_SPACE = re.compile(r"\s+")
_DATES = ("pubDate", "published", "updated", "date", "issued")


@dataclass(frozen=True)
class NewsFile:
    """Entries of a feed, in its order."""

    title: str
    rows: list[dict[str, str]] = field(default_factory=list)
    """Keys text, date, link and topic (its first category); empty where the feed says nothing."""


def is_xml(start: bytes) -> bool:
    """Whether a file begins like RSS or Atom."""
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return head.startswith((b"<?xml", b"<rss", b"<feed", b"<rdf", b"<!doctype", b"<!--")) or b"<\x00?" in start[:8]


def read_news(content: bytes) -> NewsFile:
    """Entries of an RSS 0.9-2.0 or Atom file. Raises InputError that names the line of broken XML."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise InputError(
            f"The feed is not valid XML: line {error.position[0]} is broken.", "Save it again, or import it as CSV."
        ) from error
    except DefusedXmlException as error:
        raise InputError(
            "The feed defines entities or a document type, which are not read.", "Leave them out."
        ) from error
    except (ValueError, LookupError, RecursionError) as error:
        raise InputError("The feed is in an encoding that cannot be read.", "Save it as UTF-8.") from error
    entries = list(_entries(root))
    if not entries:
        raise InputError("The file holds no RSS or Atom entries.", "Is this the address of the feed itself?")
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"The feed has more than {MOST_ENTRIES:,} entries.", "Import it in parts.")
    channel = next((part for part in root if _name(part) == "channel"), root)
    return NewsFile(_child(channel, "title"), [_row(entry) for entry in entries])


def plain_text(markup: str) -> str:
    """Text of an HTML fragment on one line: tags removed, entities resolved."""
    # Twice: Atom and many RSS feeds escape their markup once more.
    text = _TAG.sub(" ", html.unescape(_TAG.sub(" ", markup)))
    return _SPACE.sub(" ", html.unescape(text)).strip()


def _entries(root: Element) -> Iterator[Element]:
    """Every item (RSS) or entry (Atom) that is not inside another one."""
    waiting = [root]
    while waiting:
        part = waiting.pop(0)
        for child in part:
            if _name(child) in ("item", "entry"):
                yield child
            elif _name(child) == "channel":
                waiting.append(child)


def _row(entry: Element) -> dict[str, str]:
    link = _child(entry, "link")
    if not link:
        link = next(
            (p.get("href", "") for p in entry if _name(p) == "link" and p.get("rel", "alternate") == "alternate"), ""
        )
    return {
        "text": plain_text(_child(entry, "title") or _child(entry, "description") or _child(entry, "summary")),
        "date": next((value for name in _DATES if (value := _child(entry, name))), ""),
        "link": link.strip() if link.strip().startswith(("http://", "https://")) else "",
        "topic": plain_text(_child(entry, "category")),
    }


def _child(entry: Element, name: str) -> str:
    for part in entry:
        if _name(part) == name:
            return "".join(part.itertext()).strip() or part.get("term", "")
    return ""


def _name(part: Element) -> str:
    return str(part.tag).rpartition("}")[2]
