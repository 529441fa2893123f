"""SQuAD files (Rajpurkar et al. 2016, 2018): articles hold paragraphs, paragraphs hold questions. A row a question."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from core.data.encoding import open_text
from core.data.json_rows import DECODER, JsonTable, Numbered
from core.errors import InputError

_DATA = re.compile(r'"data"\s*:\s*\[')
_PARAGRAPHS = re.compile(r'"paragraphs"\s*:\s*\[')


def looks_like_squad(start: str) -> bool:
    """True for the first characters of a file in the nested form of SQuAD."""
    return start.lstrip().startswith("{") and bool(_DATA.search(start)) and bool(_PARAGRAPHS.search(start))


class SquadTable(JsonTable):
    """One opened file; columns id, title, context, question, answers, is_impossible. Rows are numbered by question."""

    def _elements(self) -> Iterator[Numbered]:
        """The questions of all paragraphs. Raises InputError for a file that cannot be read as a whole."""
        with open_text(self.path, self.encoding) as file:
            text = file.read()
        try:
            articles = DECODER.decode(text)["data"]
        except json.JSONDecodeError as error:
            raise InputError(
                f"The file is not valid JSON (line {error.lineno}: {error.msg}).", "Was it cut off? Fetch it again."
            ) from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"The file is not valid JSON ({error}).", "Give every key once.") from error
        number = 0
        for done, article in enumerate(articles):
            self.done = len(text) * done // len(articles)
            for paragraph in _list(article, "paragraphs"):
                for question in _list(paragraph, "qas"):
                    number += 1
                    yield number, _row(article, paragraph, question)
        self.done = self.total = len(text)


def _row(article: Any, paragraph: Any, question: Any) -> Any:
    """One question with its context; the reason (ValueError) why it is none."""
    if not isinstance(question, dict):
        return ValueError("not a question")
    answers = question.get("answers")
    if answers is not None and not (isinstance(answers, list) and all(isinstance(one, dict) for one in answers)):
        return ValueError("its answers are not a list of texts with answer_start")
    return {
        "id": question.get("id"),
        "title": article.get("title"),
        "context": paragraph.get("context"),
        "question": question.get("question"),
        "answers": _columns(answers) if answers else answers,
        "is_impossible": question.get("is_impossible"),
    }


def _columns(answers: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The answers as the Hub writes them."""
    return {name: [one.get(name) for one in answers] for name in ("text", "answer_start")}


def _list(value: Any, key: str) -> list[Any]:
    """The list under a key; empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
