"""A registered model as pages, API and notebooks use it: predict, evaluate, hand out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base_models import is_available, resolve
from core.data.text import check_text
from core.durable import clear_disk_errors, read_json, verify
from core.errors import InputError, ModelError, NotFoundError, RefusedError
from core.evaluation import Evaluation, evaluate
from core.evaluation.retrieval import DEPTHS, Ranking, measure
from core.inference.card import card
from core.methods import FROZEN, get_method
from core.methods.base import Rows
from core.methods.pairs import rank_scores
from core.methods.tuned import TunedEncoder
from core.records import Found, ModelInfo, Prediction, Progressing, Writing
from core.tasks import get_task
from core.tasks.base import Forming
from core.tasks.pair import RANKED, Pair
from core.tasks.tagging import Tagging
from core.training.run_folder import RunFolder

if TYPE_CHECKING:
    import numpy as np

    from core.inference.batch import PredictedFile
    from core.workspace import Workspace

LONGEST_TEXT = 1_000_000
"""Characters; a longer text is not a text to classify."""


PREDICTION_COLUMNS = {"item_id", "gold", "predicted", "scores"}
"""Columns of a file of predictions; what else there is are further numbers of each row."""


class Model:
    """One registered model."""

    def __init__(self, workspace: Workspace, info: ModelInfo) -> None:
        self.workspace = workspace
        self.info = info

    def __repr__(self) -> str:
        return f"Model({self.id}, {self.info.method})"

    @property
    def id(self) -> str:
        """Id of the run that made it."""
        return self.info.id

    @property
    def path(self) -> Path:
        """Folder that loads with transformers, peft or skops."""
        return Path(self.info.path)

    @property
    def has_weights(self) -> bool:
        """False once they were removed to save space; the figures are still there, and ``predict`` is not."""
        return not RunFolder(self.path.parent).weights_removed

    @property
    def weights(self) -> Path:
        """The folder, for whoever needs what is in it. Raises ModelError once it was removed to save space."""
        self.check_weights()
        return self.path

    def check_weights(self) -> None:
        """Raise ModelError when only the figures are left."""
        if not self.has_weights:
            raise ModelError(
                "The weights of this model were removed to save space.", "Train it again with the same options."
            )

    # ------------------------------------------------------------ predict

    def predict(
        self, texts: Sequence[str], texts_b: Sequence[str] | None = None, writing: Writing | None = None
    ) -> list[Prediction]:
        """Label, probability and all scores for each text, or pair of texts. Raises InputError, ModelError.

        ``writing`` says how a model that writes is to write; its text is the label.
        """
        _check_texts(texts)
        if texts_b is None and get_task(self.info.task).paired:
            raise InputError("This model compares two texts, and there is one.", "Give the second texts as texts_b.")
        if texts_b is not None:
            _check_texts(texts_b)
            if len(texts_b) != len(texts):
                raise InputError(
                    f"There are {len(texts)} first and {len(texts_b)} second texts.", "Give them in pairs."
                )
        if not texts:
            return []
        texts = self._read(texts)
        how = {} if writing is None else {"writing": writing}
        found = self.workspace.predictors.answers(self.weights, self.info.task, texts, texts_b, **how)
        labels = self.info.labels if found.scores.shape[1] else []
        return [
            Prediction(
                label=value,
                score=float(score),
                scores={name: float(part) for name, part in zip(labels, row, strict=True)},
            )
            for value, score, row in zip(found.values, found.confidence, found.scores, strict=True)
        ]

    def write(
        self,
        prompt: str,
        wrote: Callable[[str], bool],
        writing: Writing | None = None,
        untuned: bool = False,
    ) -> Prediction:
        """The response to one prompt, told while it is written: ``wrote`` hears what there is so far.

        It ends where ``wrote`` returns False, or raises, and other requests can go on. ``untuned`` asks the base model
        as it was before tuning. Raises InputError, ModelError, RefusedError for a model that does not write.
        """
        _check_texts([prompt])
        if get_task(self.info.task).needs_labels:
            raise RefusedError(f"Model {self.id} does not write.", "Ask it with predict.")
        how = {"writing": writing or Writing(), "wrote": wrote}
        if untuned:
            found = self.workspace.predictors.untuned(self.weights, self._base(), [prompt], **how)
        else:
            found = self.workspace.predictors.answers(self.weights, self.info.task, [prompt], None, **how)
        return Prediction(label=found.values[0], score=float(found.confidence[0]), scores={})

    @property
    def has_untuned(self) -> bool:
        """True for a model that writes, was tuned, and whose base is on this machine."""
        if get_task(self.info.task).needs_labels or not self.info.base:
            return False
        runner = self.workspace.runner
        tuned = isinstance(get_method(self.info.method), TunedEncoder)
        return tuned and is_available(self.info.base, bases=runner.bases, runs=self.path.parent.parent)

    def _base(self) -> Path:
        """Folder of the model that this one was tuned from. Raises RefusedError."""
        if not self.has_untuned:
            raise RefusedError(f"The base of model {self.id} is not there.", "Ask the tuned model only.")
        bases, runs = self.workspace.runner.bases, self.path.parent.parent
        return resolve(str(self.info.base), offline=True, bases=bases, runs=runs)

    def _read(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts as the task wants them. Raises InputError that names the text."""
        task = get_task(self.info.task)
        if not isinstance(task, Forming):
            return texts
        found = []
        for row, text in enumerate(texts, start=1):
            try:
                found.append(task.form(text))  # which a text without its form is not
            except InputError as error:
                hint = "Mark the first entity with [E1] and [/E1], the second with [E2] and [/E2]."
                raise InputError(f"Text {row}: {error.message}.", hint) from error
        return found

    def embed(self, texts: Sequence[str], keep: bool = False) -> np.ndarray:
        """Unit vectors, (len(texts), d) float32: the product of two is how alike their texts are to this model.

        ``keep`` looks the vectors up in the workspace's cache and adds new ones. Raises InputError, RefusedError for a
        model that makes no vectors, ModelError.
        """
        _check_texts(texts)
        cache = Path(self.workspace.path) / "cache" if keep else None
        return self.workspace.predictors.embed(self.weights, texts, cache)

    def search(
        self,
        queries: Sequence[str],
        candidates: Sequence[str] | None = None,
        top: int = 10,
        rerank_with: Model | None = None,
    ) -> list[list[Found]]:
        """The ``top`` candidates that match each query best, best first: ``len(queries)`` lists.

        Without ``candidates`` among ``second_texts``, whose vectors are kept in the workspace's cache. Candidates are
        taken in once and stay in memory for the next search. A model that makes vectors compares all of them; one that
        reads two texts together reads its ``rerank`` (or ``top``) with the most words in common. ``rerank_with``, a
        model of pairs of this workspace, then reads its own number of them and puts them into the order of its
        probabilities.

        Raises InputError, RefusedError for a model of another task, ModelError.
        """
        for model in (self, rerank_with or self):
            if model.info.task != Pair.name:
                raise RefusedError(
                    "This model does not search: it does not compare two texts.", "Use a model of pairs."
                )
        cache = None if candidates is not None else Path(self.workspace.path) / "cache"
        candidates = self.second_texts() if candidates is None else candidates
        _check_texts(queries)
        _check_texts(candidates)
        if not candidates:
            raise InputError("There is no text to search in.", "Give candidates.")
        if top < 1:
            raise InputError(f"A list of the best {top} has nothing in it.", "Ask for 1 or more.")
        if not queries:
            return []
        again = rerank_with.weights if rerank_with is not None else None
        return self.workspace.predictors.search(self.weights, queries, candidates, top, again, cache)

    def second_texts(self) -> list[str]:
        """The different second texts of the frozen version that the model was made from, in their order there."""
        from core.data.versions import SPLITS, read_split

        splits = (read_split(self.path.parent, split) for split in SPLITS)
        return list(dict.fromkeys(text for rows in splits for text in rows.texts_b or [] if text.strip()))

    def predict_file(
        self,
        path: Path | str,
        out: Path | str,
        text: str = "text",
        text_b: str | None = None,
        filename: str | None = None,
        progress: Callable[[Progressing], None] | None = None,
    ) -> PredictedFile:
        """Predict every row of a file and write it with label and score beside; says how many, and which not."""
        from core.inference.batch import predict_file

        return predict_file(
            self.predict,
            Path(path),
            Path(out),
            text=text,
            text_b=text_b,
            filename=filename,
            settings=self.workspace.settings,
            progress=progress,
            task=self.info.task if isinstance(get_task(self.info.task), Forming | Tagging) else "classification",
        )

    # ------------------------------------------------------------ evaluate

    def evaluate(self, split: str = "test", beside: bool = True) -> Evaluation:
        """Figures on a split of the frozen version, from the predictions made once at the end of training.

        ``beside`` adds the baseline on the same split (trained now when it is missing, in seconds, unless the queue is
        paused) and, for a fine-tuned encoder, the same base before tuning when such a model exists. Raises
        NotFoundError.
        """
        own = self._evaluation(split)
        if not beside:
            return own
        baseline = own if self.info.method == "baseline" else self._sibling("baseline", None, split, train=True)
        tuned = self.info.base and self.info.method not in FROZEN
        before = self._sibling("features", self.info.base, split, train=False) if tuned else None
        if self._predictions(f"{split}.before").is_file():
            before = self._evaluation(split, before=True)
        return own.beside(baseline=baseline, before=before)

    def _predictions(self, name: str) -> Path:
        return self.path.parent / "predictions" / f"{name}.parquet"

    def _evaluation(self, split: str, before: bool = False) -> Evaluation:
        """Figures of this model, or of its base as it was before tuning, where that was asked."""
        import numpy as np
        import pyarrow.parquet as pq

        from core.data.versions import read_split

        path = self._predictions(f"{split}.before" if before else split)
        if split not in ("dev", "test") or not path.is_file():
            raise NotFoundError(f"Model {self.id} has no predictions for the split '{split}'.", "Use dev or test.")
        table = pq.read_table(path)
        rows = read_split(self.path.parent, split)
        place = {item: row for row, item in enumerate(rows.ids)}
        ids = table.column("item_id").to_pylist()
        if not ids:
            raise NotFoundError(f"The split '{split}' of this version is empty.", "Freeze a version that has one.")
        scores = np.array(table.column("scores").to_pylist(), dtype=np.float32).reshape(len(ids), -1)
        ranked = RunFolder(self.path.parent).ranking(split)
        found = evaluate(
            gold=[json.loads(value) for value in table.column("gold").to_pylist()],
            predicted=[json.loads(value) for value in table.column("predicted").to_pylist()],
            scores=scores,
            labels=self.info.labels,
            ids=ids,
            texts=[rows.texts[place[i]] for i in ids],
            texts_b=None if rows.texts_b is None else [rows.texts_b[place[i]] for i in ids],
            task=get_task(self.info.task),
            split=split,
            name=self.title,
            extra={name: table.column(name).to_pylist() for name in set(table.column_names) - PREDICTION_COLUMNS},
        )
        if ranked is None:
            return found
        ranking = Ranking.of_lists(*ranked)
        more: dict[str, Any] = {"retrieval": measure(ranking)}
        if found.counts == RANKED:
            scores_of = dict(zip(rows.ids, rank_scores(Rows(**vars(rows)), ranking, DEPTHS[-1]), strict=True))
            more["row_scores"] = [scores_of[item] for item in ids]
        return found.model_copy(update=more)

    @property
    def title(self) -> str:
        """Short name: method, base and the time it was made."""
        base = f" · {self.info.base}" if self.info.base else ""
        return f"{self.info.method}{base} · {self.info.created_at:%m-%d %H:%M}"

    def _sibling(self, method: str, base: str | None, split: str, train: bool) -> Evaluation | None:
        """Evaluation of another model of the same version."""

        def find() -> Model | None:
            return next(
                (
                    m
                    for m in self.workspace.registered(self.info.project_id)
                    if (m.info.method, m.info.base, m.info.version_id) == (method, base, self.info.version_id)
                ),
                None,
            )

        model = find()
        if model is None and train and not self.workspace.queue_paused:
            project = self.workspace.project(self.info.project_id)
            version = next((v for v in project.versions() if v.id == self.info.version_id), None)
            if version is None:  # a backup from before the version was restored
                return None
            model = project.train(version, method=method, base=base).wait().model
        return None if model is None else model._evaluation(split)

    # ------------------------------------------------------------ hand out

    def card(self) -> str:
        """The model card, Markdown. Raises ModelError when the model folder is damaged."""
        name = self.workspace.project(self.info.project_id).name
        return card(verify(self.weights), self.result, name)

    def archive(self, target: Path | str) -> Path:
        """Zip the model folder with its card to ``target`` after checking that no file was altered."""
        text, target = self.card(), Path(target)
        with clear_disk_errors(target), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("README.md", text)
            for file in sorted(self.path.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(self.path))
        return target

    def promote(self, user: str = "me") -> Model:
        """Let this model serve its project."""
        return self.workspace.project(self.info.project_id).promote(self.id, user)

    def delete(self) -> None:
        """Delete the model with its run."""
        self.workspace.delete_run(self.id)

    @property
    def result(self) -> dict[str, Any]:
        """Everything the run wrote down about itself: metrics, seconds, peak memory, versions."""
        value: dict[str, Any] | None = read_json(self.path.parent / "result.json")
        if value is None:
            raise ModelError(f"The files of model {self.id} are gone or damaged.", "Restore the folder, or delete it.")
        return value


def _check_texts(texts: Sequence[str]) -> None:
    """Raise InputError for anything but a list of texts of bearable length."""
    if isinstance(texts, str):
        raise InputError("A model takes a list of texts.", "Write [text] instead of text.")
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise InputError(f"Text {row} is not a text of at most {LONGEST_TEXT} characters.", "Leave it out.")
        check_text(text, f"Text {row}")
