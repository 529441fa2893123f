"""Sentences that can be translated: a template in English and the values that go into it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from core.records import Record

Translate = Callable[[str], str]
"""Looks a template up in the reader's language; the identity gives English."""


def identity(text: str) -> str:
    """The translation into English."""
    return text


class Message(Record):
    """One sentence. The template is the key of the translation catalogue; values are put in after translation."""

    key: str = Field(description="Template in English with {named} places.")
    values: dict[str, str] = Field(default_factory=dict, description="Formatted values by place.")

    def text(self, translate: Translate = identity) -> str:
        """The whole sentence in the language that ``translate`` looks up."""
        return translate(self.key).format(**self.values)

    def __str__(self) -> str:
        return self.text()


def percent(share: float) -> str:
    """A share between 0 and 1 as people read it: ``0.934`` is ``93.4 %``."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, without its sign: ``-0.041`` is ``4.1``."""
    return f"{100 * abs(difference):.1f}"
