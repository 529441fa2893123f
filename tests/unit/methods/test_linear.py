"""Baseline, features and hybrid: they learn, are calibrated, come back from disk the same, and stop when asked."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from core.errors import ModelError, TrainingError
from core.methods import get_method
from core.methods.base import Rows, Stopped, Work

NAMES = ["baseline", "features", "hybrid"]


@pytest.mark.parametrize("name", NAMES)
def test_learns_and_comes_back_the_same(name, trained, toy_data, tmp_path):
    test = toy_data(1, 1, 30).test
    model = trained(name, train=240)
    scores = model.scores(test.texts)
    assert scores.shape == (30, 3) and scores.dtype == np.float32
    assert scores.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    right = np.mean([model.labels[i] == gold for i, gold in zip(scores.argmax(1), test.values, strict=True)])
    assert right >= 0.65  # of 30 texts; chance is 0.33, the tiny encoder was never trained
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    assert {path.suffix for path in folder.iterdir()} == {".skops", ".json"}
    again = get_method(name).load(folder, model.labels)
    assert np.array_equal(again.scores(test.texts), scores)
    assert again.scores([]).shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_model(name, trained):
    texts = ["refund please", "my parcel", ""]
    assert np.array_equal(trained(name).scores(texts), trained(name).scores(texts))


@pytest.mark.parametrize("name", NAMES)
def test_stops_when_asked(name, trained, context):
    context.stop = True
    with pytest.raises(Stopped):
        trained(name)


def test_one_class_is_refused(toy_data, context):
    data = toy_data(12, 3)
    same = dataclasses.replace(data.train, values=["refund"] * 12)
    with pytest.raises(TrainingError, match="same label"):
        get_method("baseline").fit(
            dataclasses.replace(data, train=same), get_method("baseline").Options(), None, context
        )


@pytest.mark.parametrize("dev", [0, 3, 30])
def test_classes_with_one_example_and_small_dev_splits_do_not_crash(dev, toy_data, context):
    data = toy_data(100, max(dev, 1))
    train = Rows([*data.train.ids, 999], [*data.train.texts, "fraud alert"], [*data.train.values, "fraud"])
    dev_rows = dataclasses.replace(data.dev) if dev else Rows([], [], [])
    data = dataclasses.replace(data, train=train, dev=dev_rows, labels=[*data.labels, "fraud", "never seen"])
    model = get_method("baseline").fit(data, get_method("baseline").Options(), None, context)
    scores = model.scores(["fraud alert"])
    assert model.labels[int(scores.argmax())] == "fraud" and scores[0, -1] == 0


def test_dev_labels_without_training_examples_are_left_out(toy_data, context):
    data = toy_data(60, 30)
    dev = dataclasses.replace(data.dev, values=["unknown", *data.dev.values[1:]])
    get_method("baseline").fit(dataclasses.replace(data, dev=dev), get_method("baseline").Options(), None, context)
    assert context.notes[0]["accuracy"] > 0.8


def test_features_choose_c_on_dev_unless_told(trained, context):
    trained("features")
    assert [note["message"].split(":")[0] for note in context.notes] == ["C=10", "C=20"]
    context.notes.clear()
    assert trained("features", C=3.0).fitted.choice == 3.0 and len(context.notes) == 1


def test_class_weights_find_more_of_the_rare_label(toy_data, context):
    data = toy_data(60, 0)
    keep = [2, *(i for i, value in enumerate(data.train.values) if value != "greeting")]
    rows = Rows(keep, [data.train.texts[i] for i in keep], [data.train.values[i] for i in keep])
    method = get_method("baseline")
    plain, weighted = (
        method.fit(
            dataclasses.replace(data, train=rows), method.Options.model_validate({"class_weights": on}), None, context
        ).scores(["hello day parcel"])[0, 2]
        for on in (False, True)
    )
    assert weighted > plain


def test_texts_without_words_are_refused(toy_data, context):
    data = toy_data(6, 0)
    empty = dataclasses.replace(data.train, texts=["!"] * 6)
    with pytest.raises(TrainingError, match="no words"):
        get_method("baseline").fit(
            dataclasses.replace(data, train=empty),
            get_method("baseline").Options.model_validate({"char_ngrams": 0}),
            None,
            context,
        )


def test_chinese_is_read_by_its_characters(toy_data, context):
    good, bad = ["味道很好", "非常好吃", "好吃极了", "服务很好"], ["太难吃了", "送得太慢", "难吃还慢", "慢得要命"]
    rows = Rows(list(range(8)), good + bad, ["good"] * 4 + ["bad"] * 4)
    data = dataclasses.replace(toy_data(1, 0), train=rows, dev=Rows([], [], []), labels=["good", "bad"])
    model = get_method("baseline").fit(data, get_method("baseline").Options(), None, context)
    assert model.scores(["这家好吃", "实在难吃"]).argmax(axis=1).tolist() == [0, 1]


def test_other_labels_and_a_changed_encoder_are_refused(trained, tmp_path, tiny, monkeypatch):
    model = trained("features")
    model.save(tmp_path)
    with pytest.raises(ModelError, match="does not fit its labels"):
        get_method("features").load(tmp_path, ["a", "b"])
    facts = json.loads((tmp_path / "linear.json").read_text())
    (tmp_path / "linear.json").write_text(json.dumps({**facts, "encoder_fingerprint": "0" * 32}))
    with pytest.raises(ModelError, match="no longer the one"):
        get_method("features").load(tmp_path, model.labels)


def test_with_cached_embeddings_torch_is_not_imported(trained, toy_data, tmp_path, tiny):
    trained("features").save(tmp_path)
    texts = toy_data(48, 24).train.texts
    script = (
        "import sys, json, pathlib\n"
        "from core.methods import get_method\n"
        "folder, labels, texts = json.loads(sys.argv[1])\n"
        "model = get_method('features').load(pathlib.Path(folder), labels)\n"
        "model.use_cache(pathlib.Path(folder) / 'cache')\n"
        "model.save(pathlib.Path(folder))\n"
        "print(model.scores(texts).shape, 'torch' in sys.modules)\n"
    )
    argument = json.dumps([str(tmp_path), ["refund", "delivery", "greeting"], texts])
    done = subprocess.run([sys.executable, "-c", script, argument], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "(48, 3) False", done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_estimates_grow_with_the_rows(name, tiny):
    method = get_method(name)
    works = [Work(rows=rows, lengths=np.full((1, 1), 16.0)) for rows in (100, 100_000)]
    small, large = (method.estimate(work, method.Options(), tiny) for work in works)
    assert 0 < small.seconds < large.seconds and 0 < small.memory_bytes < large.memory_bytes


def test_a_warm_start_ends_where_a_cold_one_does(trained):
    """The second C starts from the solution of the first; alone it starts from zero."""
    both = trained("features", train=240)
    alone = trained("features", train=240, C=both.fitted.choice)
    texts = ["refund please", "my parcel", "hello"]
    assert both.scores(texts) == pytest.approx(alone.scores(texts), abs=0.02)
