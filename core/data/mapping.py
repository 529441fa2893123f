"""A guess of what the columns of a file mean, from their names and first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.data.names import LONGEST_LABEL
from core.data.splits import split_name
from core.errors import InputError
from core.records import ColumnMapping

_TEXT = (
    "text", "sentence", "utterance", "tweet", "review", "comment", "message", "content", "body", "question", "query",
    "headline", "title", "description", "document", "text1", "sentence1", "question1", "premise", "prompt", "文本",
    "内容", "评论", "句子", "正文", "标题",
)  # fmt: skip
_TEXT_B = (
    "text_b", "text2", "sentence2", "question2", "hypothesis", "answer", "passage", "positive", "response",
    "paraphrase", "next_item", "文本2", "句子2", "答案",
)  # fmt: skip
_LABEL = (
    "label", "labels", "intent", "category", "class", "sentiment", "target", "topic", "tag", "tags", "label_name",
    "label_text", "is_duplicate", "similarity_score", "similarity", "标签", "类别", "分类", "情感",
)  # fmt: skip
_PROMPT = (
    "prompt", "instruction", "question", "query", "input", "source", "document", "article", "text", "提示", "指令",
    "问题", "原文",
)  # fmt: skip
_RESPONSE = (
    "response", "output", "completion", "answer", "reply", "summary", "translation", "target", "label", "回复", "回答",
    "输出", "摘要", "译文",
)  # fmt: skip
_SPLIT = ("split", "part", "set", "subset", "fold", "partition", "数据集")
_ID = ("id", "_id", "uid", "guid", "uuid", "external_id", "row_id", "text_id", "编号")


def guess_mapping(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> ColumnMapping:
    """The most likely mapping; ``text`` is always one of ``columns``."""
    lengths = {name: sum(len(row.get(name, "")) for row in rows) for name in columns}
    text = _find(columns, _TEXT) or max(columns, key=lengths.__getitem__)
    rest = [name for name in columns if name != text]
    label = _find(rest, _LABEL)
    split = _find([name for name in rest if name != label and _is_split(name, rows)], _SPLIT)
    if label is None and len(rest) == 1 and split is None and _is_label(rest[0], rows):
        label = rest[0]
    rest = [name for name in rest if name not in (label, split)]
    return ColumnMapping(text=text, text_b=_find(rest, _TEXT_B), label=label, split=split, id=_find(rest, _ID))


def guess_turns(columns: Sequence[str], guess: ColumnMapping) -> ColumnMapping:
    """The guess for a file of prompts and responses: ``text`` is the prompt, ``label`` the response."""
    free = [name for name in columns if name not in (guess.split, guess.id)]
    if guess.text == "text" and guess.label == "label":  # an export of ours, or a file made for it
        return guess
    response = _find(free, _RESPONSE) or (guess.label if guess.label != guess.text else None)
    prompts = [name for name in free if name != response]
    prompt = _find(prompts, _PROMPT) or (guess.text if guess.text != response else next(iter(prompts), guess.text))
    if prompt == response:
        response = None
    return guess.model_copy(update={"text": prompt, "label": response, "text_b": None})


def is_known(column: str) -> bool:
    """True for the name of a column whose meaning we would guess."""
    return column.strip().lower() in {*_TEXT, *_TEXT_B, *_LABEL, *_PROMPT, *_RESPONSE, *_SPLIT, *_ID}


def _find(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The column whose name comes first in ``wanted``, ignoring case."""
    by_name = {name.strip().lower(): name for name in reversed(columns)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _is_split(name: str, rows: Sequence[Mapping[str, str]]) -> bool:
    """True when every cell names a split."""
    try:
        return any([split_name(row.get(name)) for row in rows])
    except InputError:
        return False


def _is_label(name: str, rows: Sequence[Mapping[str, str]]) -> bool:
    """True when the cells are short and repeat."""
    cells = [row.get(name, "") for row in rows]
    return max(map(len, cells), default=0) <= LONGEST_LABEL and len(set(cells)) < len(cells)
