"""The head of tagging: a tag for each word, on the first of its tokens; long texts are read in overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Answers, Rows, Work
from core.methods.heads.base import Head, Loss, Reading, Targets, Weighting, window_tokens
from core.methods.heads.labels import class_weights, cross_entropy
from core.methods.tokens import CHUNK, Encoded
from core.tasks.spans import SCHEMES, Span, from_tags, tag_names, to_bioes, to_tags, words

if TYPE_CHECKING:
    import torch

OVERLAP = 4
"""A window shares one part in so many with the one before."""
IGNORED = -100
FACTS = "tags.json"


@dataclass(frozen=True)
class Words(Reading):
    """Windows of texts, and where the words of each text are found in them."""

    pieces: list[list[tuple[int, int]]]
    """(start, end) of the words of each text."""
    places: list[np.ndarray]
    """For each text (words,) int64: the flat token that stands for each word, -1 for a word without one."""
    owners: np.ndarray
    """(windows,) int64: the text that each window belongs to."""

    @property
    def rows_read(self) -> np.ndarray:
        """(windows,) int64: the text that each window belongs to."""
        return self.owners

    def units(self, row: int) -> tuple[list[tuple[int, int]], np.ndarray]:
        """(start, end) of what is tagged in a text, and the flat token of each, (units,) int64.

        A unit is a word, or several that share a token: a token has one tag, and two words would overwrite each
        other's. So are Chinese characters in a vocabulary of whole words, or the end of "don't".
        """
        seen = np.flatnonzero(self.places[row] >= 0)
        places = self.places[row][seen]
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        ends = [*(begins[1:] - 1), len(places) - 1]
        pieces = self.pieces[row]
        units = [(pieces[seen[b]][0], pieces[seen[e]][1]) for b, e in zip(begins, ends, strict=len(places) > 0)]
        return units, places[begins]


class TagHead(Head):
    """A tag for each word: IOB2 (Ramshaw and Marcus 1995), or BIOES (Ratinov and Roth 2009, there BILOU)."""

    architecture: ClassVar[str] = "AutoModelForTokenClassification"
    peft_task: ClassVar[str] = "TOKEN_CLS"
    by_token: ClassVar[bool] = True
    unheard: ClassVar[frozenset[str]] = frozenset()
    scheme = "iob2"

    @property
    def outputs(self) -> list[str]:
        """O, then the tags of every label."""
        return tag_names(self.labels, self.scheme)

    def heed(self, options: Any) -> None:
        """Which tags there are is an option."""
        self.scheme = options.tag_scheme

    def remember(self, directory: Path) -> None:
        """The scheme, where it is another than usual."""
        if self.scheme != TagHead.scheme:
            write_json(directory / FACTS, {"scheme": self.scheme})

    def recall(self, directory: Path) -> Self:
        """With the scheme that it was trained with. Raises ModelError for one that nobody knows."""
        if (directory / FACTS).exists():
            self.scheme = str((read_json(directory / FACTS) or {}).get("scheme"))
            if self.scheme not in SCHEMES:
                raise ModelError(f"{FACTS} of {directory.name} cannot be read.", "Train it again.")
        return self

    def tokens_read(self, work: Work, limit: int) -> np.ndarray:
        """(windows,) tokens of the windows."""
        return window_tokens(work.read(), limit, (limit - 2) // OVERLAP)

    def read(self, tokenizer: Any, texts: Sequence[str], texts_b: Sequence[str] | None, limit: int) -> Words:
        """Windows of at most ``limit`` tokens; of a word in several windows the one with most around it counts."""
        ids: list[np.ndarray] = []
        pieces = [words(text) for text in texts]
        places = [np.full(len(piece), -1, np.int64) for piece in pieces]
        owners: list[int] = []
        size = 0
        for start in range(0, len(texts), CHUNK):
            part = list(texts[start : start + CHUNK])
            out = tokenizer(
                part,
                truncation=True,
                max_length=limit,
                stride=max(0, (limit - tokenizer.num_special_tokens_to_add()) // OVERLAP),
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            room = [np.full(len(piece), -1.0) for piece in pieces[start : start + CHUNK]]
            for window, row in enumerate(out["overflow_to_sample_mapping"]):
                tokens = np.asarray(out["input_ids"][window], dtype=np.int32)
                offsets = np.asarray(out["offset_mapping"][window], dtype=np.int64).reshape(-1, 2)
                spots = np.asarray(pieces[start + row], dtype=np.int64).reshape(-1, 2)
                _place(offsets, spots, size, places[start + row], room[row])
                ids.append(tokens)
                owners.append(start + row)
                size += len(tokens)
        lengths = [len(window) for window in ids]
        encoded = Encoded(
            ids=np.concatenate(ids) if ids else np.zeros(0, np.int32),
            types=None,
            offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            pad_id=int(tokenizer.pad_token_id or 0),
            truncated=0,
        )
        return Words(encoded, pieces, places, np.array(owners, np.int64))

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """The tag of each unit on its token, nothing on the others: (tokens in all,) int64."""
        import torch

        read = _words(reading)
        index = {tag: i for i, tag in enumerate(self.outputs)}
        flat = np.full(int(read.encoded.offsets[-1]), IGNORED, np.int64)
        for row, spans in enumerate(rows.values):
            units, places = read.units(row)
            tags = to_tags(units, spans)
            flat[places] = [index.get(tag, 0) for tag in (to_bioes(tags) if self.scheme == "bioes" else tags)]
        return Targets(torch.from_numpy(flat), read.encoded.offsets, IGNORED)

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Cross entropy over the words."""
        width = len(self.outputs)
        weights = class_weights(targets.every, width) if weighting.balanced else None
        measure = cross_entropy(weighting, weights, device, IGNORED)
        return lambda logits, wanted: measure(logits.reshape(-1, width), wanted.reshape(-1))

    def answers(self, logits: torch.Tensor, reading: Reading) -> Answers:
        """The best sequence of tags that is one; as sure as of its least sure word."""
        read = _words(reading)
        scores = logits.log_softmax(-1).numpy()  # (tokens in all, tags)
        values: list[list[Span]] = []
        sure = np.ones(len(read.pieces), np.float32)
        for row in range(len(read.pieces)):
            units, places = read.units(row)
            spans: list[Span] = []
            if units:
                spans, sure[row] = read_off(scores[places], units, self.outputs)
            values.append(spans)
        return Answers(values, sure, np.zeros((len(values), 0), np.float32))


def read_off(scores: np.ndarray, pieces: Sequence[tuple[int, int]], outputs: Sequence[str]) -> tuple[list[Span], float]:
    """(spans, probability of the least sure word) of the best sequence of tags for words in ``pieces``.

    ``scores`` is (words, tags) log-probabilities, ``outputs`` the names of the tags.
    """
    prefixes = {name[0] for name in outputs[1:]}
    path = best_path(scores, len(prefixes) or 2)
    sure = float(np.exp(scores[np.arange(len(path)), path]).min())
    return from_tags(pieces, [outputs[tag] for tag in path]), sure


def best_path(scores: np.ndarray, prefixes: int = 2) -> np.ndarray:
    """The most probable sequence of tags that is one, (words,) int64 (Viterbi).

    ``scores`` is (words, 1 + prefixes * labels) log-probabilities in the order of ``TagHead.outputs``. I- and E- follow
    only B- or I- of their label; with four prefixes, BIES, these two are followed by nothing else.
    """
    count, width = scores.shape
    begun = np.arange(1, width, prefixes)  # B- of each label, I- stands next to it
    inner = [begun + 1, begun + 2] if prefixes == 4 else [begun + 1]
    over = np.ones(width, bool)  # tags after which a span may begin
    if prefixes == 4:
        over[begun] = over[begun + 1] = False
    total = scores[0].copy()
    total[np.concatenate(inner)] = -np.inf
    back = np.zeros((count, width), np.int64)
    for word in range(1, count):
        best = int(np.where(over, total, -np.inf).argmax())
        back[word] = best
        reach = np.full(width, total[best])
        before = np.where(total[begun] >= total[begun + 1], begun, begun + 1)
        for tags in inner:
            back[word, tags], reach[tags] = before, total[before]
        total = reach + scores[word]
    path = np.zeros(count, np.int64)
    path[-1] = int(np.where(over, total, -np.inf).argmax())
    for word in range(count - 1, 0, -1):
        path[word - 1] = back[word, path[word]]
    return path


def _place(offsets: np.ndarray, pieces: np.ndarray, first: int, places: np.ndarray, room: np.ndarray) -> None:
    """Note for each word the token of this window in which it begins, where that has more around it than before.

    ``offsets`` (tokens, 2) are characters, ``pieces`` (words, 2) too; ``first`` is the flat place of the first token.
    """
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])  # special tokens stand for no character
    if not len(real) or not len(pieces):
        return
    found = np.searchsorted(offsets[real, 1], pieces[:, 0], side="right")
    there = found < len(real)
    token = real[np.minimum(found, len(real) - 1)]
    there &= offsets[token, 0] < pieces[:, 1]
    around = np.minimum(token, len(offsets) - 1 - token).astype(float)
    around[offsets[token, 0] > pieces[:, 0]] = -0.5  # the window begins inside the word
    better = there & (around > room)
    places[better], room[better] = first + token[better], around[better]


def _words(reading: Reading) -> Words:
    if not isinstance(reading, Words):
        raise TypeError("the reading of another head")
    return reading
