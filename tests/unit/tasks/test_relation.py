"""Relations: markers are checked and put in, one sentence stays in one split, and every encoder method can do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.importing import stage
from core.data.versions import read_split
from core.errors import InputError, RefusedError
from core.methods import all_methods, get_method
from core.methods.base import Rows, TrainingData
from core.methods.encoders import load_tokenizer
from core.methods.heads import head_for
from core.records import ColumnMapping, ItemFilter
from core.settings import Settings
from core.tasks import get_task
from core.tasks.relation import mark, punctuated
from core.workspace import Workspace

MARKED = "[E1] Ann [/E1] works for [E2] Acme [/E2]."


def relation() -> Any:
    return get_task("relation")


@pytest.mark.parametrize(
    ("head", "tail", "wanted"),
    [
        ((0, 3), (14, 18), MARKED),
        ((14, 18), (0, 3), "[E2] Ann [/E2] works for [E1] Acme [/E1]."),
    ],
)
def test_spans_become_markers(head: tuple[int, int], tail: tuple[int, int], wanted: str) -> None:
    assert mark("Ann works for Acme.", head, tail) == wanted
    assert relation().plain(wanted) == "Ann works for Acme ."


@pytest.mark.parametrize(
    ("text", "head", "tail", "why"),
    [
        ("Ann works for Acme.", None, None, r"0 markers \[E1\]"),
        ("[E1] Ann [/E1] and [E1] Bob [/E1] like [E2] tea [/E2]", None, None, r"2 markers \[E1\]"),
        ("[/E1] Ann [E1] works for [E2] Acme [/E2]", None, None, "comes before"),
        ("[E1] [/E1] works for [E2] Acme [/E2]", None, None, "nothing between"),
        ("[E1] Ann [E2] of [/E1] Acme [/E2]", None, None, "overlap"),
        ("Ann", '{"start": 0, "end": 9}', "[0, 1]", "not inside"),
        ("Ann Lee", '{"start": 0, "end": 5}', "[4, 7]", "overlap"),
        ("Ann Lee", "Ann", "[4, 7]", "head is not a span"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, head: str | None, tail: str | None, why: str) -> None:
    with pytest.raises(InputError, match=why):
        relation().form(text, head, tail)


def test_markers_in_the_text_count_more_than_columns() -> None:
    assert relation().form(MARKED, "[0, 1]", "[2, 3]") == MARKED


def test_the_encoder_reads_signs_it_knows(tiny_bases: Path) -> None:
    assert punctuated(MARKED) == "@ Ann @ works for # Acme # ."
    tokenizer = load_tokenizer(tiny_bases / "tiny")
    head = head_for("relation", ["a", "b"])
    read = head.read(tokenizer, ["[E1]hello[/E1] is the [E2] parcel [/E2]"], None, 32)
    plain = head.read(tokenizer, ["@ hello @ is the # parcel #"], None, 32)
    assert read.encoded.ids.tolist() == plain.encoded.ids.tolist()


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    with Workspace.open(tmp_path / "home", Settings(offline=True)) as opened:
        yield opened


def test_a_file_of_offsets_and_a_file_of_markers_import_alike(workspace: Workspace, tmp_path: Path) -> None:
    project = workspace.create_project("Relations", task="relation")
    file = tmp_path / "relations.jsonl"
    rows: list[dict[str, Any]] = [
        {
            "text": "Ann works for Acme.",
            "head": {"start": 0, "end": 3},
            "tail": {"start": 14, "end": 18},
            "label": "job",
        },
        {"text": "[E1] Bob [/E1] founded [E2] Zeta [/E2].", "label": "founder"},
        {"text": "Nobody is marked here.", "label": "none"},
        {"text": "Too short", "head": {"start": 0, "end": 3}, "tail": {"start": 14, "end": 18}, "label": "job"},
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    report = project.import_file(file, text="text", label="label")
    assert report.added == 2 and [row.row for row in report.rejected] == [3, 4]
    assert "0 markers [E1]" in report.rejected[0].reason and "not inside" in report.rejected[1].reason
    assert MARKED in {item.text for item in project.items()}


def test_a_plain_text_waits_and_becomes_an_item_for_each_pair(workspace: Workspace, tmp_path: Path) -> None:
    project = workspace.create_project("Relations", task="relation", labels=["job", "boss"])
    report = project.import_text("Ann works for Acme.\nBob sleeps.\nAnn works [E1] alone.")
    assert report.added == 2 and "0 markers [/E1]" in report.rejected[0].reason
    plain, other = project.item_ids()
    with pytest.raises(InputError, match="plain text"):
        project.label(plain, "job", user="ann")
    with pytest.raises(InputError, match="plain text"):
        project.bulk_label([other], "job", user="ann")
    for head, tail, label in (((0, 3), (14, 18), "job"), ((14, 18), (0, 3), "boss"), ((14, 18), (0, 3), "job")):
        project.mark_relation(plain, head, tail, label, user="ann")
    made = {item.text: item.label for item in project.items(ItemFilter(labelled=True))}
    assert made == {MARKED: "job", "[E2] Ann [/E2] works for [E1] Acme [/E1].": "job"}
    for tail, label in (((2, 5), "job"), ((14, 99), "job"), ((14, 18), "cousin")):
        with pytest.raises(InputError):
            project.mark_relation(plain, (0, 3), tail, label, user="ann")
    assert project.count(ItemFilter(labelled=True)) == 2, "what is refused leaves nothing behind"
    project.finish_marking(plain, user="ann")
    following = project.next_item(user="ann")
    assert project.item(plain).excluded and following is not None and following.id == other
    (step,) = project.cleaning_batches()
    project.undo_cleaning(step.id)
    assert not project.item(plain).excluded
    with pytest.raises(RefusedError):
        project.mark_relation(project.item_ids(ItemFilter(labelled=True))[0], (0, 1), (2, 3), "job", user="ann")
    exported = tmp_path / "all.jsonl"
    project.export(exported, format="jsonl")
    again = workspace.create_project("Again", task="relation")
    assert again.import_file(exported, label="label").added == 4 and again.count(ItemFilter(labelled=True)) == 2


def test_columns_that_nobody_took_for_labels_or_ids_are_none_in_a_marked_text(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "plain.csv").write_text("text,label,id,text_b,shop\nAnn works for Acme.,guessed,7,aside,Turin\n")
    project = workspace.create_project("Relations", task="relation", labels=["job"])
    project.import_file(tmp_path / "plain.csv", text="text", label=None)
    (plain,) = project.item_ids()
    made = project.mark_relation(plain, (0, 3), (14, 18), "job", user="ann")
    assert (made.label, made.meta) == ("job", {"shop": "Turin"})
    assert [label.name for label in project.labels] == ["job"], "nobody gave the other one"


def test_a_file_to_be_predicted_needs_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"text\nAnn works for Acme.\n{MARKED}\n")
    with stage(file, ColumnMapping(), "relation", strict=True) as staged:
        assert staged.rows == 1 and "0 markers" in staged.rejected()[0].reason


def test_one_sentence_stays_in_one_split(workspace: Workspace) -> None:
    project = workspace.create_project("Relations", task="relation")
    rows = []
    for i in range(30):
        for one, other, label in (("1", "2", "job"), ("2", "1", "employer")):
            rows.append({"text": f"[E{one}] Ann{i} [/E{one}] works for [E{other}] Acme{i} [/E{other}]", "label": label})
    project.add_items(rows)
    version = project.freeze(seed=3)
    task = relation()
    seen = [{task.plain(text) for text in read_split(version.path, split).texts} for split in ("train", "dev", "test")]
    assert all(seen) and not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


METHODS = [method.name for method in all_methods("relation") if method.needs_base]


@pytest.mark.parametrize("name", ["full", "lora", "features", "prefix_tuning"])
def test_methods_learn_relations_and_come_back_the_same(
    name: str, tiny_bases: Path, tmp_path: Path, context: Any
) -> None:
    import numpy as np

    def rows(count: int) -> Rows:
        kinds = [("hello there", "greets"), ("parcel late", "delays")]
        texts = [f"[E1] my [/E1] {kinds[i % 2][0]} [E2] {w} [/E2]" for i, w in enumerate(["the", "a", "it"] * count)]
        return Rows(list(range(len(texts))), texts, [kinds[i % 2][1] for i in range(len(texts))])

    assert name in METHODS
    data = TrainingData(relation(), ["greets", "delays"], rows(16), rows(4), rows(0))
    method = get_method(name)
    extra = {} if name == "features" else {"epochs": 4, "learning_rate": 5e-3, "dropout": 0.0}
    model: Any = method.fit(data, method.Options.model_validate(extra), tiny_bases / "tiny", context)
    scores = model.scores(data.dev.texts)
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    loaded: Any = method.load(folder, data.labels, task="relation")
    assert np.allclose(loaded.scores(data.dev.texts), scores, atol=1e-6)
    right = (scores.argmax(axis=1) == relation().targets(data.dev.values, data.labels)).mean()
    assert right > 0.7 or name not in ("lora", "features")


@pytest.fixture
def context(tmp_path: Path) -> Any:
    class Context:
        device = "cpu"
        directory = cache = tmp_path

        def report(self, kind: str, **values: Any) -> None: ...

        def progress(self, done: int, total: int, message: str = "") -> None: ...

        def should_stop(self) -> bool:
            return False

    return Context()
