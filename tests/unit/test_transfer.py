"""A model of the workspace as the base of the next: found, checked, tuned further with a new head, remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from core.base_models import get_base, is_available, lineage, resolve
from core.data.versions import SPLITS, write_version
from core.durable import read_json
from core.errors import InputError, ModelError, NotFoundError, RefusedError
from core.inference.card import card
from core.methods.base import TrainingData
from core.methods.encoders import new_model, saved_model
from core.methods.heads import head_for
from core.settings import Settings
from core.tasks import get_task
from core.training import worker
from core.training.run_folder import RunFolder
from core.workspace import Workspace
from tests.unit.methods.test_answers import rows as questions
from tests.unit.methods.test_pairs_of_task_and_method import data_of

FIRST, SECOND = "20261122-100000-aaaaaa", "20261122-110000-bbbbbb"
LABELS = ["refund", "delivery", "greeting"]
Make = Callable[..., Any]


@pytest.fixture
def train(tmp_path: Path, tiny_bases: Path, toy_version: Make, make_config: Make) -> Callable[..., RunFolder]:
    """Trains a run in this process: train(id, **config)."""

    def run(run_id: str, data: TrainingData | None = None, **changes: Any) -> RunFolder:
        labels = {} if data is None else {"labels": list(data.labels)}
        where = {"bases": str(tiny_bases), "cache": str(tmp_path / "cache")}
        config = make_config(id=run_id, **{**where, **labels, **changes})
        name = f"version-{run_id}"
        version = toy_version(name=name) if data is None else frozen(data, tmp_path / name)
        folder = RunFolder.create(tmp_path / "runs", config, version)
        assert worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu")) == 0, folder.status()
        return folder

    return run


def frozen(data: TrainingData, folder: Path) -> Path:
    """Rows in memory as a frozen version."""
    parts = [(split, getattr(data, split)) for split in SPLITS]
    splits = [split for split, rows in parts for _ in rows.texts]
    write_version(
        folder,
        range(1, len(splits) + 1),
        texts=[text for _, rows in parts for text in rows.texts],
        values=[value for _, rows in parts for value in rows.values],
        splits=splits,
        labels=data.labels,
        task=data.task.name,
        texts_b=[text for _, rows in parts for text in rows.texts_b or [None] * len(rows)],
    )
    return folder


@pytest.fixture
def both_bases(tiny_bases: Path, tiny_writers: Path, tmp_path: Path) -> Path:
    """``local:tiny`` and ``local:llama`` in one folder."""
    (tmp_path / "bases").mkdir()
    for folder in (tiny_bases / "tiny", tiny_writers / "llama"):
        (tmp_path / "bases" / folder.name).symlink_to(folder)
    return tmp_path / "bases"


@pytest.fixture
def make_config() -> Make:
    from core.training.run_folder import RunConfig

    def make(**changes: Any) -> RunConfig:
        values = {"project_id": 1, "version_id": 1, "version_hash": "abc", "labels": LABELS, "method": "full"}
        options = {"options": {"epochs": 1, "learning_rate": 1e-2}, "base": "local:tiny"}
        return RunConfig(**{**values, **options, **changes})

    return make


def encoder(model: Any) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.base_model.state_dict().items() if "pooler" not in name}


def test_the_next_model_starts_from_the_tuned_encoder_with_a_new_head(train: Any, tmp_path: Path) -> None:
    runs = train(FIRST).path.parent
    folder = resolve(f"model:{FIRST}", runs=runs)
    assert is_available(f"model:{FIRST}", runs=runs)
    before = saved_model(folder, head_for("classification", LABELS))
    for labels in (LABELS, ["yes", "no"]):  # a head that would fit, and one that would not
        torch.manual_seed(5)
        fresh = new_model(folder, head_for("classification", labels), 0.0)
        assert all(torch.equal(value, encoder(fresh)[name]) for name, value in encoder(before).items())
        assert fresh.classifier.weight.shape == (len(labels), 32)
    torch.manual_seed(5)
    fresh = new_model(folder, head_for("classification", LABELS), 0.0)
    assert not torch.equal(fresh.classifier.weight, before.classifier.weight)


def test_the_run_says_what_it_went_on_from(train: Any) -> None:
    runs = train(FIRST).path.parent
    second = train(SECOND, base=f"model:{FIRST}", method="lora")
    facts = read_json(second.model / "manifest.json") or {}
    assert facts["base"] == f"model:{FIRST}" and facts["base_sha256"]
    assert facts["lineage"] == [
        {"run": FIRST, "task": "classification", "method": "full", "base": "local:tiny", "version_hash": "abc"}
    ]
    assert [one["run"] for one in lineage(f"model:{SECOND}", runs)] == [SECOND, FIRST]
    assert f"| Tuned before | {FIRST}: classification by full on local:tiny" in card(facts, second.result() or {}, "x")


@pytest.mark.parametrize("method", ["features", "few_shot"])
def test_sentence_encoders_go_on_too(train: Any, method: str) -> None:
    train(FIRST, method="few_shot", options={"epochs": 1, "pairs": 1})
    second = train(SECOND, base=f"model:{FIRST}", method=method, options={"pairs": 1} if method == "few_shot" else {})
    assert (second.result() or {})["metrics"]["test"]["accuracy"] > 0


def test_an_altered_model_is_no_base(train: Any) -> None:
    folder = train(FIRST)
    with (folder.model / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelError, match="not the file that was saved"):
        resolve(f"model:{FIRST}", runs=folder.path.parent)


@pytest.mark.parametrize("method", ["baseline", "features", "prefix_tuning", "adapter"])
def test_models_without_an_encoder_of_their_own_name_the_base_to_start_from(train: Any, method: str) -> None:
    options = {"options": {} if method in ("baseline", "features") else {"epochs": 1}}
    runs = train(FIRST, method=method, base=None if method == "baseline" else "local:tiny", **options).path.parent
    assert not is_available(f"model:{FIRST}", runs=runs)
    with pytest.raises(ModelError, match="no tuned encoder") as refusal:
        resolve(f"model:{FIRST}", runs=runs)
    assert ("its base 'local:tiny'" in refusal.value.hint) == (method != "baseline")


def data_for(task: str) -> TrainingData:
    """Toy rows of a task."""
    if task != "question_answering":
        return data_of(task)
    return TrainingData(get_task(task), ["answer", "no answer"], questions(40, 0), questions(20, 1), questions(6, 2))


@pytest.mark.parametrize(
    ("task", "method", "then", "base"),
    [
        ("pair", "cross_encoder", "classification", "local:tiny"),
        ("pair", "bi_encoder", "classification", "local:tiny"),
        ("classification", "full", "tagging", "local:tiny"),
        ("classification", "few_shot", "relation", "local:tiny"),
        ("generation", "lora", "generation", "local:llama"),
        ("tagging", "full", "question_answering", "local:tiny"),
    ],
)
def test_from_one_task_to_another(
    task: str, method: str, then: str, base: str, train: Any, both_bases: Path, tmp_path: Path
) -> None:
    options = {"epochs": 1, "learning_rate": 5e-3, **({"pairs": 1} if method == "few_shot" else {})}
    source, goal = data_for(task), data_for(then)
    first = train(FIRST, source, task=task, method=method, base=base, options=options, bases=str(both_bases))
    runs = first.path.parent
    folder = resolve(f"model:{FIRST}", runs=runs)
    fresh = new_model(folder, head_for(then, list(goal.labels)), 0.0)
    untouched = new_model(both_bases / base.removeprefix("local:"), head_for(then, list(goal.labels)), 0.0)
    with safe_open(folder / "model.safetensors", "pt") as tensors:  # "bert.x" or "model.x", or "x" without a head
        kept = {name.removeprefix("bert.").removeprefix("model."): tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    for name, value in encoder(fresh).items():
        assert torch.equal(value, kept[name]), f"{name} is the one that was tuned"
    assert any(not torch.equal(value, encoder(untouched)[name]) for name, value in encoder(fresh).items())
    second = train(SECOND, goal, task=then, base=f"model:{FIRST}", method="full", options={"epochs": 1})
    result = second.result() or {}
    assert result["rows"]["test"] == len(goal.test) and next(iter(result["metrics"]["test"].values())) >= 0
    assert [one["task"] for one in lineage(f"model:{SECOND}", runs)] == [then, task]


def test_names_are_checked(tmp_path: Path) -> None:
    for name in ("model:", "model:../x", "model:latest", "model:20261122-100000-AAAAAA"):
        with pytest.raises(InputError):
            get_base(name)
    assert get_base(f"model:{FIRST}").source == "workspace"
    with pytest.raises(NotFoundError, match="no model"):
        resolve(f"model:{FIRST}", runs=tmp_path)


def test_a_workspace_lists_its_models_as_bases(tmp_path: Path, tiny_bases: Path, toy_texts: Make, train: Any) -> None:
    train(FIRST, method="top_layers")
    train(SECOND, method="features", base=f"model:{FIRST}", options={})
    with Workspace.open(tmp_path, Settings(offline=True)) as workspace:
        project = workspace.create_project("First", labels=LABELS)
        assert project.id == 1, "the runs above are of this project"
        for run_id in (FIRST, SECOND):
            workspace.register(run_id)
        ours = [info for info in workspace.bases() if info.source == "workspace"]
        assert [info.id for info in ours] == [f"model:{FIRST}"] and ours[0].title.startswith("First · top_layers")
        with pytest.raises(RefusedError, match="reads with this one"):
            workspace.delete_run(FIRST)
        project.add_items([{"text": f"{text} {i}", "label": label} for i, (text, label) in enumerate(toy_texts(30))])
        with pytest.raises(NotFoundError, match="no model"):
            project.train(project.freeze(), method="lora", base="model:20261122-120000-cccccc")


def test_what_an_ensemble_reads_with_stays_when_its_member_goes(
    tmp_path: Path, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.methods.ensemble.LEAST_ROWS", 10_000)  # every member counts
    other, third = "20261122-120000-cccccc", "20261122-130000-dddddd"
    train(FIRST, method="top_layers")
    train(SECOND, method="features", base=f"model:{FIRST}", options={})
    train(other, method="baseline", base=None, options={})
    folder = train(third, method="ensemble", base=None, options={"members": f"{SECOND},{other}"})
    with Workspace.open(tmp_path, Settings(offline=True)) as workspace:
        workspace.create_project("First", labels=LABELS)
        for run_id in (FIRST, SECOND, other, third):
            workspace.register(run_id)
        assert not any(workspace.remove_weights(run_id) for run_id in (FIRST, SECOND, other)), "all are needed"
        workspace.delete_run(SECOND)
        with pytest.raises(RefusedError, match=f"{third} reads with this one"):
            workspace.delete_run(FIRST)
        assert workspace.model(third).predict(["my parcel is late"]) and folder.model.is_dir()
        workspace.delete_run(third)
        assert workspace.remove_weights(FIRST) and not workspace.model(FIRST).has_weights
        assert not is_available(f"model:{FIRST}", runs=tmp_path / "runs")
        workspace.delete_run(FIRST)
