"""Search by every kind of model of pairs: the nearest, read where a model reads, with candidates taken in once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.durable import seal
from core.inference import search as searching
from core.inference.cache import Predictors
from core.inference.predictor import load_predictor
from core.methods import get_method
from core.methods.base import Rows, TrainingData
from core.methods.counter_examples import WordSearch
from core.methods.matching import RERANK
from core.tasks import get_task
from tests.unit.methods.conftest import Context

LABELS = ["match", "no match"]
WORDS = ["money", "back", "please", "parcel", "arrives", "late", "where", "hello", "there", "good", "day", "now"]
QUERIES = ["my money now", "the parcel again", "hello"]
QUICK = {"epochs": 1, "batch_size": 16, "learning_rate": 5e-3, "max_length": 24}


def candidates(count: int = 60) -> list[str]:
    pick = random.Random(1)
    return [f"{' '.join(pick.sample(WORDS, 3))} {row}" for row in range(count)]


@pytest.fixture(scope="module")
def folder(tiny_bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a model by its method, trained once: ``runs/<method>/model``."""
    home = tmp_path_factory.mktemp("runs")
    pick = random.Random(0)
    words = [pick.choice(WORDS) for _ in range(64)]
    seconds = [f"about the {word if row % 2 else pick.choice(WORDS)}" for row, word in enumerate(words)]
    values = ["match" if row % 2 else "no match" for row in range(64)]
    rows = Rows(list(range(64)), [f"my {word}" for word in words], values, seconds)
    data = TrainingData(get_task("pair"), LABELS, rows, rows, rows)

    def made(name: str) -> Path:
        target = home / name / "model"
        if not target.is_dir():
            target.mkdir(parents=True)
            method = get_method(name)
            options = {key: value for key, value in QUICK.items() if key in method.Options.model_fields}
            base = tiny_bases / "tiny" if method.needs_base else None
            method.fit(data, method.Options.model_validate(options), base, Context(home)).save(target)
            seal(target, {"method": name, "labels": LABELS, "task": "pair"})
        return target

    return made


def match(scores: np.ndarray) -> np.ndarray:
    return scores[:, LABELS.index("match")]


@pytest.mark.parametrize("name", ["bi_encoder", "baseline", "hybrid", "zero_shot"])
def test_the_nearest_come_first_with_the_models_own_probability(name: str, folder: Any) -> None:
    texts, model = candidates(), load_predictor(folder(name))
    near = model.similarities(QUERIES, texts)(slice(0, 3))  # type: ignore[attr-defined]
    found = Predictors().search(folder(name), QUERIES, texts, 5)
    for row, query in enumerate(QUERIES):
        places = [one.place for one in found[row]]
        assert places == np.argsort(-near[row], kind="stable")[:5].tolist()
        assert [one.text for one in found[row]] == [texts[place] for place in places]
        assert np.allclose([one.similarity for one in found[row]], near[row][places], atol=1e-5)
        wanted = match(model.scores([query] * 5, [texts[place] for place in places]))
        assert np.allclose([one.score for one in found[row]], wanted, atol=1e-5)
        assert all(one.rank_before is None for one in found[row])


def test_a_model_that_reads_ranks_the_candidates_with_most_words_in_common(folder: Any) -> None:
    texts, model = candidates(), load_predictor(folder("cross_encoder"))
    (found,) = Predictors().search(folder("cross_encoder"), QUERIES[:1], texts, 5)
    quick = WordSearch()
    close = np.argsort(-quick.near(QUERIES[:1], quick.index(texts))[0], kind="stable")[:RERANK]
    scores = match(model.scores(QUERIES[:1] * RERANK, [texts[i] for i in close]))
    order = np.argsort(-scores, kind="stable")[:5]
    assert [one.place for one in found] == close[order].tolist()
    assert [one.rank_before for one in found] == (order + 1).tolist()
    assert np.allclose([one.score for one in found], scores[order], atol=1e-5)


def test_another_model_reads_the_nearest_of_the_first(folder: Any) -> None:
    texts, first, reader = candidates(), folder("bi_encoder"), folder("cross_encoder")
    predictors = Predictors()
    before = predictors.search(first, QUERIES, texts, RERANK)
    after = predictors.search(first, QUERIES, texts, 7, rerank_with=reader)
    for query, near, found in zip(QUERIES, before, after, strict=True):
        scores = match(load_predictor(reader).scores([query] * RERANK, [one.text for one in near]))
        assert np.allclose([one.score for one in found], np.sort(scores)[::-1][:7], atol=1e-5)
        assert [one.rank_before for one in found] == (np.argsort(-scores, kind="stable")[:7] + 1).tolist()
        for one in found:
            assert near[(one.rank_before or 0) - 1].place == one.place
    longer = predictors.search(first, QUERIES, texts, 30, rerank_with=reader)
    assert all(len(found) == 30 for found in longer)


@pytest.mark.parametrize(("own", "top", "read"), [(3, 2, 3), (30, 2, 30), (3, 7, 7)])
def test_a_model_reads_as_many_as_its_option_says(
    folder: Any, own: int, top: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, reader, predictors = folder("bi_encoder"), folder("cross_encoder"), Predictors()
    predictors.scores(reader, ["money"], ["parcel"])
    model: Any = predictors._loaded[(reader,)]
    monkeypatch.setattr(model, "rerank", own)
    asked: list[int] = []
    scores = model.scores

    def counted(texts: list[str], texts_b: list[str]) -> np.ndarray:
        asked.append(len(texts))
        return np.asarray(scores(texts, texts_b))

    monkeypatch.setattr(model, "scores", counted)
    for model_of, again in ((reader, None), (first, reader)):
        (found,) = predictors.search(model_of, QUERIES[:1], candidates(), top, rerank_with=again)
        assert len(found) == top
    assert asked == [read, read]


def test_candidates_are_taken_in_once(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    predictors, texts = Predictors(), candidates()
    predictors.search(folder("bi_encoder"), QUERIES, texts, 5)
    model: Any = predictors._loaded[(folder("bi_encoder"),)]
    read: list[int] = []
    embed = model.embed

    def counted(some: list[str]) -> np.ndarray:
        read.append(len(some))
        return np.asarray(embed(some))

    monkeypatch.setattr(model, "embed", counted)
    predictors.search(folder("bi_encoder"), QUERIES[:2], list(texts), 5)
    assert read == [2]
    predictors.search(folder("bi_encoder"), QUERIES[:1], [*texts, "one more"], 5)
    assert read == [2, 61, 1]
    predictors.forget("bi_encoder")
    assert not predictors._indexed and not predictors._loaded


def test_others_are_answered_while_candidates_are_taken_in(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    predictors, texts, model = Predictors(), candidates(), folder("bi_encoder")
    predictors.scores(model, ["money"], ["parcel"])
    kind, begun, go_on, taken = type(predictors._loaded[(model,)]), threading.Event(), threading.Event(), []
    index = kind.index  # type: ignore[attr-defined]

    def slow(self: Any, some: list[str]) -> Any:
        taken.append(len(some))
        begun.set()
        assert go_on.wait(30)
        return index(self, some)

    monkeypatch.setattr(kind, "index", slow)
    with ThreadPoolExecutor(3) as pool:
        try:
            searches = [pool.submit(predictors.search, model, QUERIES, texts, 5) for _ in range(2)]
            assert begun.wait(30)
            assert pool.submit(predictors.scores, model, ["money"], ["parcel"]).result(30).shape == (1, 2)
        finally:
            go_on.set()
        assert searches[0].result(30) == searches[1].result(30) and taken == [len(texts)]


def test_vectors_of_candidates_are_kept_on_disk_only_where_asked_and_queries_never(folder: Any, tmp_path: Path) -> None:
    predictors, texts, cache = Predictors(), candidates(), tmp_path / "cache"
    predictors.search(folder("bi_encoder"), ["where is mine"], texts, 5)
    assert not cache.exists()
    predictors = Predictors()
    predictors.search(folder("bi_encoder"), ["where is mine"], texts, 5, embeddings=cache)
    kept = sum(len(np.fromfile(shard, dtype="S32")) for shard in cache.rglob("*.keys"))
    assert kept == len(set(texts))


def test_many_queries_are_compared_in_parts(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, queries = candidates(), candidates(9)
    whole = Predictors().search(folder("baseline"), queries, texts, 4)
    monkeypatch.setattr(searching, "CELLS_AT_ONCE", 2 * len(texts))
    assert Predictors().search(folder("baseline"), queries, texts, 4) == whole
    assert len(whole) == 9 and [found[0].place for found in whole] == list(range(9)), "each finds itself"


@pytest.mark.parametrize("texts", [["?", "!"], [" "], ["one"], ["钱 退款", "包裹"]])
def test_odd_candidates_are_searched_too(folder: Any, texts: list[str]) -> None:
    for name in ("bi_encoder", "cross_encoder", "baseline"):
        (found,) = Predictors().search(folder(name), ["money?"], texts, 10)
        assert sorted(one.place for one in found) == list(range(len(texts)))
