"""Suggestions while labeling: worked out in the background, so that the page never waits for a model.

The newest model of the project speaks; before there is one, a small classifier is fitted on the labels so far. This
module knows nothing of storage: it asks a ``Source`` for texts, labels and scores.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.data.text import join_pair
from core.errors import StudioError
from core.records import ItemFilter, Suggestion
from core.tasks.base import Deciding, Forming

if TYPE_CHECKING:
    from core.project import Project

logger = logging.getLogger(__name__)

LABELS_SO_FAR = "labels so far"
SUGGESTIONS_KEPT = 5_000
"""Items whose suggestions are remembered; the one asked for longest ago makes room."""
LABELS_USED = 2_000
"""The classifier on the labels so far learns from at most this many of them, so that it is fitted in seconds."""
BATCH = 64
"""Texts scored at a time: the page's newest wish waits no longer than one batch."""
WRITTEN_AT_ONCE = 4
SHOWN = 3
FEWEST_LABELS = 4
"""Two labels with two examples each: before that the labels so far say nothing."""


class Source(Protocol):
    """What the suggester asks the project. Called from the background thread only."""

    def texts(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Texts by item id; ids that do not exist are left out."""

    def label_names(self) -> list[str]:
        """Labels that may be suggested."""

    def label_count(self) -> int:
        """Number of labelled items."""

    def labelled(self, limit: int) -> list[tuple[str, Any]]:
        """At most ``limit`` pairs of text and label; a list of labels where a text may have several."""

    def newest_model(self) -> tuple[str, list[str]] | None:
        """Id and label names, in score order, of the newest model; None before the first."""

    def scores(self, model_id: str, texts: Sequence[str]) -> np.ndarray:
        """Probabilities by a model, (texts, labels). Raises ModelError."""

    def several(self, model_id: str, scores: np.ndarray, labels: Sequence[str]) -> list[tuple[list[str], float]] | None:
        """The labels, and how sure, that probabilities (texts, labels) by a model, or by none ('') mean for each text.

        None where a text has one label.
        """

    def answered_whole(self) -> bool:
        """True when an answer is spans or a text: then a model gives one, and nothing is fitted on the way."""

    def answers(self, model_id: str, texts: Sequence[str]) -> list[tuple[Any, float]]:
        """One answer a text with how sure the model is, 0 to 1; an empty one suggests nothing. Raises ModelError."""

    def vectors(self, texts: Sequence[str]) -> Any:
        """Dense or sparse features (texts, d) for the classifier on the labels so far."""


class Suggester:
    """Suggestions for the items of one project. Thread-safe; close it when the project goes."""

    def __init__(self, source: Source, refresh_after: int = 10, kept: int = SUGGESTIONS_KEPT) -> None:
        self._source = source
        self._refresh_after = refresh_after
        self._kept = kept
        self._known: OrderedDict[int, tuple[str, list[Suggestion]]] = OrderedDict()
        self._wanted: OrderedDict[int, None] = OrderedDict()
        self._speaker = ""
        self._broken: set[str] = set()
        self._little: _LabelsSoFar | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._working = False
        self._batch: frozenset[int] = frozenset()
        self._tried: set[int] = set()
        self._thread: threading.Thread | None = None

    @classmethod
    def for_project(cls, project: Project) -> Suggester:
        """The suggester of a project."""
        return cls(ProjectSource(project))

    def get(self, item_ids: Sequence[int]) -> dict[int, list[Suggestion]]:
        """Suggestions that are ready, best first. The others are worked out, the last ones asked for first."""
        with self._changed:
            found = {}
            for item_id in item_ids:
                speaker, suggestions = self._known.get(item_id, ("", []))
                if suggestions:
                    found[item_id] = suggestions
                    self._known.move_to_end(item_id)
                if not suggestions or speaker != self._speaker:
                    self._want(item_id, first=True)
            return found

    def thinking(self, item_id: int) -> bool:
        """Whether the first suggestion for this item may come soon: it was asked for and not tried in vain."""
        with self._changed:
            return item_id not in self._tried and (item_id in self._wanted or item_id in self._batch)

    def prepare(self, item_ids: Iterable[int]) -> None:
        """Work out suggestions for items that will be shown soon."""
        with self._changed:
            for item_id in item_ids:
                if self._known.get(item_id, ("",))[0] != self._speaker or not self._speaker:
                    self._want(item_id, first=False)

    def wait(self, timeout: float) -> bool:
        """Block until nothing is left to do, at most ``timeout`` seconds; for scripts and tests, never for a page."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or not (self._wanted or self._working), timeout)

    def close(self) -> None:
        """Stop the background thread; what it works on is dropped."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5)

    # ------------------------------------------------------------ background

    def _want(self, item_id: int, first: bool) -> None:
        if self._closed:
            return
        self._wanted[item_id] = None
        if first:
            self._wanted.move_to_end(item_id, last=False)
        while len(self._wanted) > self._kept:
            self._wanted.popitem()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="suggestions", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._working = False
                self._tried |= {item_id for item_id in self._batch if item_id not in self._known}
                if len(self._tried) > self._kept:
                    self._tried.clear()
                self._batch = frozenset()
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or bool(self._wanted))
                if self._closed:
                    return
                self._working = True
                batch = [self._wanted.popitem(last=False)[0] for _ in range(min(BATCH, len(self._wanted)))]
                self._batch = frozenset(batch)
            try:
                self._answer(batch)
            except (StudioError, OSError, ValueError, RuntimeError, MemoryError) as error:
                # A suggestion is a convenience: labeling goes on without it, and the log says why.
                logger.warning("no suggestions for %d items: %s", len(batch), error)

    def _answer(self, batch: list[int]) -> None:
        if self._source.answered_whole():
            self._answer_whole(batch)
            return
        speaker, labels, score = self._choose_speaker()
        if not speaker:
            return
        with self._changed:
            self._speaker = speaker
            batch = [item_id for item_id in batch if self._known.get(item_id, ("",))[0] != speaker]
        texts = self._source.texts(batch)
        if not texts:
            return
        scores = np.asarray(score(list(texts.values())))  # (texts, labels)
        model = LABELS_SO_FAR if speaker.startswith(LABELS_SO_FAR) else speaker
        proposals = self._proposals("" if model == LABELS_SO_FAR else model, scores, labels)
        with self._changed:
            for item_id, proposed in zip(texts, proposals, strict=True):
                self._known[item_id] = (
                    speaker,
                    [Suggestion(label=label, score=min(1.0, score), model=model) for label, score in proposed],
                )
            while len(self._known) > self._kept:
                self._known.popitem(last=False)

    def _proposals(self, model_id: str, scores: np.ndarray, labels: list[str]) -> list[list[tuple[Any, float]]]:
        """Labels and how sure, best first, for each row of scores (texts, labels); only labels of the schema."""
        allowed = set(self._source.label_names())
        sets = self._source.several(model_id, scores, labels)
        if sets is None:
            ranked = ([int(i) for i in np.argsort(-row) if labels[i] in allowed][:SHOWN] for row in scores)
            return [[(labels[i], float(row[i])) for i in best] for row, best in zip(scores, ranked, strict=True)]
        # That none applies is for a model to say: the labels so far do not know the rarer ones yet.
        kept = [([name for name in names if name in allowed], sure) for names, sure in sets]
        return [[(names, sure)] if names or model_id else [] for names, sure in kept]

    def _answer_whole(self, batch: list[int]) -> None:
        """Ask the newest model; a few at a time: each takes seconds, and the newest wish goes first."""
        newest = self._source.newest_model()
        if newest is None or newest[0] in self._broken:
            return
        speaker = newest[0]
        with self._changed:
            self._speaker = speaker
            open_ones = [item_id for item_id in batch if self._known.get(item_id, ("",))[0] != speaker]
            for item_id in open_ones[WRITTEN_AT_ONCE:]:
                self._wanted.setdefault(item_id)
        texts = self._source.texts(open_ones[:WRITTEN_AT_ONCE])
        try:
            found = self._source.answers(speaker, list(texts.values()))
        except StudioError:
            self._broken.add(speaker)
            raise
        with self._changed:
            for item_id, (answer, sure) in zip(texts, found, strict=True):
                known = [Suggestion(label=answer, score=min(1.0, max(0.0, sure)), model=speaker)] if answer else []
                self._known[item_id] = (speaker, known)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)

    def _choose_speaker(self) -> tuple[str, list[str], Any]:
        """(name, labels, function from texts to scores); the name is empty when nobody can suggest yet."""
        newest = self._source.newest_model()
        if newest is not None and newest[0] not in self._broken:
            model_id, labels = newest
            return model_id, labels, lambda texts: self._model_scores(model_id, texts)
        count = self._source.label_count()
        step = max(self._refresh_after, (self._little.fitted_at if self._little else 0) // 10)
        if self._little is None or abs(count - self._little.fitted_at) >= step:
            self._little = _LabelsSoFar(count)
            self._little.fit(self._source)
        if not self._little.labels:
            return "", [], None
        little = self._little
        return f"{LABELS_SO_FAR}/{little.fitted_at}", little.labels, lambda t: little.scores(self._source.vectors(t))

    def _model_scores(self, model_id: str, texts: list[str]) -> np.ndarray:
        try:
            return self._source.scores(model_id, texts)
        except StudioError:
            self._broken.add(model_id)  # altered or deleted: not asked again, the next batch goes another way
            raise


class _LabelsSoFar:
    """Logistic regression on the labels so far; speaks once two labels have two examples each."""

    def __init__(self, fitted_at: int) -> None:
        self.fitted_at = fitted_at
        self.labels: list[str] = []
        self._classifier: Any = None

    def fit(self, source: Source) -> None:
        """Learn from the labels that have at least two examples."""
        pairs = source.labelled(LABELS_USED)
        if any(isinstance(label, list) for _, label in pairs):
            return self._fit_several(pairs, source)
        counts: dict[str, int] = {}
        for _, label in pairs:
            counts[label] = counts.get(label, 0) + 1
        pairs = [(text, label) for text, label in pairs if counts[label] >= 2]
        if len({label for _, label in pairs}) < 2:
            return
        from sklearn.linear_model import LogisticRegression

        classifier = LogisticRegression(C=10.0, class_weight="balanced", max_iter=200)
        classifier.fit(source.vectors([text for text, _ in pairs]), [label for _, label in pairs])
        self._classifier = classifier
        self.labels = [str(label) for label in classifier.classes_]

    def _fit_several(self, pairs: list[tuple[str, list[str]]], source: Source) -> None:
        """One classifier for each label that at least two texts have, and two have not."""
        counts: dict[str, int] = {}
        for _, names in pairs:
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        known = [name for name, count in counts.items() if 2 <= count <= len(pairs) - 2]
        if not known:
            return
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        targets = np.array([[name in names for name in known] for _, names in pairs], dtype=np.int64)
        classifier = OneVsRestClassifier(LogisticRegression(C=10.0, class_weight="balanced", max_iter=200))
        classifier.fit(source.vectors([text for text, _ in pairs]), targets if len(known) > 1 else targets[:, 0])
        self._classifier, self.labels = classifier, known

    def scores(self, vectors: Any) -> np.ndarray:
        """Probabilities (n, labels)."""
        if len(self.labels) == 1:  # does it apply or not
            return np.asarray(self._classifier.predict_proba(vectors))[:, 1:]
        return np.asarray(self._classifier.predict_proba(vectors))


class ProjectSource:
    """A project as the suggester sees it."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def texts(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Texts by item id, both of a pair as one; without those that no model can read yet."""
        found = self._project.items(ItemFilter(ids=tuple(item_ids), excluded=None), limit=len(item_ids))
        task = self._project.task
        return {
            item.id: join_pair(item.text, item.text_b)
            for item in found
            if not (isinstance(task, Forming) and task.waits(item.text))
        }

    def label_names(self) -> list[str]:
        """Labels of the schema."""
        return [label.name for label in self._project.labels]

    def label_count(self) -> int:
        """Labelled items."""
        return self._project.count(ItemFilter(labelled=True))

    def labelled(self, limit: int) -> list[tuple[str, Any]]:
        """Text and label (or labels) of labelled items, evenly spread when there are more than ``limit``."""
        ids = self._project.item_ids(ItemFilter(labelled=True))
        step = max(1, -(-len(ids) // limit))
        chosen = tuple(ids[::step])
        items = self._project.items(ItemFilter(ids=chosen), limit=max(1, len(chosen)))
        if self._project.task.many:
            return [(item.text, list(item.label or ())) for item in items]
        return [
            (join_pair(item.text, item.text_b), name)
            for item in items
            for name in self._project.task.names(item.label)[:1]
        ]

    def newest_model(self) -> tuple[str, list[str]] | None:
        """Id and labels of the newest model; the baseline of a version speaks only while it is alone there.

        It is often trained behind the model that it is compared with, and would take its place.
        """
        models = [model.info for model in self._project.models()]
        newest = max(models, key=lambda info: (info.version_id, info.method != "baseline"), default=None)
        return None if newest is None else (newest.id, list(newest.labels))

    def scores(self, model_id: str, texts: Sequence[str]) -> np.ndarray:
        """Probabilities by a model of the project; embeddings are kept for the next training on these items."""
        workspace = self._project.workspace
        return workspace.predictors.scores(
            workspace.model(model_id).weights, *_both(texts), embeddings=Path(workspace.path) / "cache"
        )

    def several(self, model_id: str, scores: np.ndarray, labels: Sequence[str]) -> list[tuple[list[str], float]] | None:
        """As the task decides, with the thresholds of the model."""
        from core.inference.predictor import decision_of

        task = self._project.task
        if not (task.many and isinstance(task, Deciding)):
            return None
        decision = decision_of(self._project.workspace.model(model_id).weights) if model_id else {}
        values, sure = task.answers(scores, labels, decision)
        return list(zip(values, sure.tolist(), strict=True))

    def answered_whole(self) -> bool:
        """True for tasks whose answers are spans or a text."""
        return not self._project.task.scored

    def answers(self, model_id: str, texts: Sequence[str]) -> list[tuple[Any, float]]:
        """What a model of the project says to each text; nothing where it names a label that the schema lost."""
        said = self._project.workspace.model(model_id).predict(*_both(texts)) if texts else []
        known, names = set(self.label_names()), self._project.task.names
        return [(one.label if set(names(one.label)) <= known else None, one.score) for one in said]

    def vectors(self, texts: Sequence[str]) -> Any:
        """Embeddings by the built-in encoder, cached; character n-grams in languages it cannot read."""
        if self._project.language != "en":
            from sklearn.feature_extraction.text import HashingVectorizer

            return HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=2**18).transform(texts)
        from core.base_models import DEFAULT_BASE, resolve
        from core.methods.embeddings import encode

        base, cache = resolve(DEFAULT_BASE), Path(self._project.workspace.path) / "cache"
        first, second = _both(texts)
        if second is None:
            return encode(first, base, cache)
        from core.methods.linear import TextFeatures
        from core.methods.pair_linear import compare

        return compare(TextFeatures(base=base, cache=cache), first, second)


def _both(texts: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """(first texts, second texts) of pairs that were joined; (texts, None) where there are no pairs."""
    parts = [text.partition("\0") for text in texts]
    if not any(separator for _, separator, _ in parts):
        return list(texts), None
    return [first for first, _, _ in parts], [second for _, _, second in parts]
