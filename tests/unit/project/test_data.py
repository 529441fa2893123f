"""Import, export, cleaning through the project: all or nothing, and back again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError, OfflineError, RefusedError
from core.project import Project
from core.records import Finding, ItemFilter
from core.workspace import Workspace


def kinds(project: Project) -> dict[str, Finding]:
    return {finding.kind: finding for finding in project.find_problems()}


def test_duplicates_are_skipped_or_kept(project: Project) -> None:
    rows = [{"text": "same", "label": "refund"}, {"text": " same "}, {"text": "other"}]
    assert project.add_items(rows).duplicates == 1
    again = project.add_items(rows)
    assert (again.added, again.duplicates) == (0, 3)
    kept = project.add_items(rows, on_duplicate="keep")
    assert (kept.added, kept.duplicates) == (3, 3)
    assert project.count() == 5


def test_what_duplicates_say_differently_is_not_lost_in_silence(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "same.csv"

    def differing(*lines: str, **options: Any) -> list[str]:
        path.write_text("text,label,split\n" + "\n".join(lines) + "\n")
        report = project.import_file(path, label="label", split="split", **options)
        return [warning.split(" of the duplicates")[0] for warning in report.warnings if "duplicates" in warning]

    rows = ("same,refund,train", "same,delivery,train", "same,refund,test")
    assert differing(*rows) == ["2"], "one has another label, one another split"
    assert differing(*rows) == ["2"], "the same against the copy in the project"
    assert differing("same,,", " same ,refund,train") == []
    assert differing(*rows, on_duplicate="keep") == []
    assert differing(*rows) == [], "now every one has its copy"
    project.merge_labels("delivery", into="refund")
    assert differing("same,refund,train", "new,,", "new,refund,") == ["1"], "a label that its copy lacks"


def test_a_file_without_a_header_keeps_its_first_row(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("money back,refund\nwhere is it,delivery\nhand it back,refund\n")
    named = project.preview_file(path)
    assert any("no header" in warning for warning in named.warnings)
    bare = project.preview_file(path, header=False)
    assert [row["column 1"] for row in bare.rows] == ["money back", "where is it", "hand it back"]
    assert (bare.guess.text, bare.guess.label, bare.warnings) == ("column 1", "column 2", [])
    report = project.import_file(path, text="column 1", label="column 2", header=False)
    assert (report.added, report.labelled, report.new_labels) == (3, 3, [])


def test_failed_import_leaves_nothing(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("text,label\n" + "".join(f"text {i},label {i}\n" for i in range(2100)), encoding="utf-8")
    with pytest.raises(InputError, match="2100 different values"):
        project.import_file(path, label="label")
    assert project.count() == 0
    assert len(project.labels) == 2
    assert project.imports() == []


def test_missing_column_is_named(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("message,label\nhello,refund\n", encoding="utf-8")
    with pytest.raises(InputError, match="text"):
        project.import_file(path)
    assert project.count() == 0


def test_pasted_lines_become_items(project: Project) -> None:
    report = project.import_text("first\n\n  second, with comma\n=SUM(A1)\n")
    assert report.added == 3
    assert [item.text for item in project.items()] == ["first", "  second, with comma", "=SUM(A1)"]


def test_dataset_by_name_says_that_it_is_offline(project: Project) -> None:
    with pytest.raises(OfflineError):
        project.import_dataset("owner/some-dataset")


@pytest.mark.parametrize(
    ("format", "name"),
    [("csv", "a.csv"), ("jsonl", "a.jsonl"), ("parquet", "a.parquet"), ("datasets", "a"), ("datasets", "a.zip")],
)
def test_export_imports_back_to_the_same_state(
    workspace: Workspace, project: Project, tmp_path: Path, format: str, name: str
) -> None:
    project.edit_label("delivery", key="9", colour="#123456", description="Where is it?", example="my parcel")
    project.add_label("never used", key="a")
    project.update(guidelines="# Be *kind*")
    project.add_items(
        [
            {"text": "=1+1", "label": "refund", "split": "test", "id": "a-1", "colour": "@red"},
            {"text": "zwei\nZeilen", "label": "delivery", "id": "a-2"},
            {"text": "offen", "id": "a-3"},
            {"text": "=1+1", "label": "delivery", "split": "train", "position": "3rd"},
            {"text": "dev", "split": "dev"},
            {"text": "test", "split": "test"},
        ],
        on_duplicate="keep",
    )
    ids = project.item_ids()
    project.label(ids[1], "refund", user="ann")
    project.flag(ids[2], "who knows", user="bob")
    target = tmp_path / name
    assert project.export(target, format=format) == 6
    other = workspace.create_project("Copy")
    other.import_file(target, text="text", label="label", split="split", id="id")
    own = {"id", "position"}
    before = [item.model_dump(exclude=own) for item in project.items()]
    assert [item.model_dump(exclude=own) for item in other.items()] == before
    if format in ("parquet", "datasets"):
        shown = [label.model_dump(exclude={"id"}) for label in project.labels]
        assert [label.model_dump(exclude={"id"}) for label in other.labels] == shown
        assert workspace.project(other.id).info.guidelines == "# Be *kind*"
    assert other.import_file(target, label="label", split="split", id="id").added == 0, "the same export once more"


def test_a_carried_schema_changes_nothing_that_is_there(workspace: Workspace, project: Project, tmp_path: Path) -> None:
    project.edit_label("refund", key="5", colour="#111111")
    project.add_items([{"text": "a", "label": "delivery"}, {"text": "b", "label": "refund"}])
    project.update(guidelines="theirs")
    project.export(tmp_path / "a.parquet", "parquet")
    other = workspace.create_project("Other", labels=[{"name": "refund"}, {"name": "own", "key": "2"}])
    other.update(guidelines="mine")
    before = other.labels
    report = other.import_file(tmp_path / "a.parquet", label="label", split="split", id="id")
    assert report.new_labels == ["delivery"] and other.info.guidelines == "mine"
    assert other.labels[:2] == before and other.labels[2].key not in ("1", "2"), "the key 2 is taken"
    without = workspace.create_project("Without labels")
    without.import_file(tmp_path / "a.parquet")
    assert without.labels == []


def test_everybody_whose_label_counts_can_be_filtered_by(project: Project) -> None:
    project.add_items([{"text": "a", "label": "refund"}, {"text": "b"}, {"text": "c"}], user="importer")
    ids = project.item_ids()
    project.bulk_label([ids[1]], "refund", user="many")
    project.label(ids[2], "refund", user="replaced")
    project.label(ids[2], "delivery", user="ann")
    assert project.usernames() == ["ann", "importer", "many"] and list(project.annotators()) == ["ann"]
    assert project.item_ids(ItemFilter(annotators=("many",))) == [ids[1]]


def test_export_is_what_the_filter_shows(project: Project, tmp_path: Path) -> None:
    project.add_items([{"text": f"t{i}", "label": "refund" if i < 2 else ""} for i in range(5)])
    target = tmp_path / "some.jsonl"
    assert project.export(target, format="jsonl", filter=ItemFilter(labelled=True)) == 2
    assert len(target.read_text(encoding="utf-8").splitlines()) == 2


def test_cleaning_is_reviewed_applied_and_undone(project: Project) -> None:
    rows = ["Caf\u00c3\u00a9 au lait please, thank you", "Hello there my friend", "hello there my friend", "ok"]
    project.add_items([{"text": text} for text in rows], on_duplicate="keep")
    found = kinds(project)
    assert project.count() == 4
    with pytest.raises(InputError, match="not part of this finding"):
        project.apply_finding(found["mojibake"], item_ids=[999], user="ann")
    mojibake = project.apply_finding(found["mojibake"], user="ann")
    assert project.items()[0].text == "Café au lait please, thank you"
    assert "mojibake" not in kinds(project)
    duplicate = next(finding for kind, finding in found.items() if kind.endswith("duplicate"))
    batch = project.apply_finding(duplicate, user="ann")
    assert project.count() == 3
    assert project.progress().total == 3
    project.undo_cleaning(batch.id)
    project.undo_cleaning(mojibake.id)
    assert [item.text for item in project.items()] == rows
    assert [batch.undone for batch in project.cleaning_batches()] == [True, True]


def test_repaired_text_counts_as_that_text(project: Project) -> None:
    project.add_items([{"text": "Caf\u00c3\u00a9 au lait please, thank you"}])
    project.apply_finding(kinds(project)["mojibake"])
    assert project.add_items([{"text": "Café au lait please, thank you"}]).duplicates == 1


def test_findings_for_people_are_not_applied(project: Project) -> None:
    rows = [{"text": "Twice the same text", "label": label} for label in ("refund", "delivery")]
    project.add_items(rows, on_duplicate="keep")
    with pytest.raises(RefusedError, match="decision"):
        project.apply_finding(kinds(project)["conflicting_labels"])


def test_conflicts_are_settled_at_once_and_that_is_undone(project: Project) -> None:
    labels = ["refund", "delivery", "refund"]
    rows = [{"text": "Three times the same text", "label": label} for label in labels]
    rows += [{"text": "Nobody agrees about this", "label": label} for label in labels[:2]]
    project.add_items([*rows, {"text": "alone", "label": "refund"}], on_duplicate="keep")
    ids = project.item_ids()
    found = kinds(project)["conflicting_labels"]
    step = project.settle_conflicts(found, "majority", user="ann")
    assert (step.items, step.left, step.kind) == (1, 2, "conflicting_labels")
    assert project.item_ids() == [ids[0], *ids[2:]]
    assert [len(group) for group in kinds(project)["conflicting_labels"].groups] == [2], "the tie is left to a person"
    with pytest.raises(RefusedError, match="more frequent"):
        project.settle_conflicts(found, "majority", item_ids=[ids[4]])
    project.undo_cleaning(step.id)
    assert project.item_ids() == ids and project.progress().labelled == 6
    assert project.settle_conflicts(found, "none", item_ids=[ids[4]]).items == 2
    assert project.item_ids() == [*ids[:3], ids[5]]
    with pytest.raises(InputError, match="no conflict"):
        project.settle_conflicts(found, "none", item_ids=[ids[5]])


def test_excluded_items_leave_the_queue(project: Project) -> None:
    project.add_items([{"text": "first"}, {"text": "second"}])
    project.exclude(project.item_ids()[:1], user="ann")
    item = project.next_item("ann")
    assert item is not None
    assert item.text == "second"
    assert project.count(ItemFilter(excluded=True)) == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda project, half: project.update(guidelines=half),
        lambda project, half: project.edit_label("refund", description=half),
        lambda project, half: project.flag(project.item_ids()[0], half, "ann"),
        lambda project, half: project.label(project.item_ids()[0], "refund", half),
        lambda project, half: project.add_items([{"text": "new"}], user=half),
        lambda project, half: project.items(ItemFilter(text=half)),
        lambda project, half: project.find_text(half),
        lambda project, half: project.import_text(half),
        lambda project, half: project.workspace.create_token(half),
    ],
)
def test_half_a_character_is_refused_in_words(project: Project, use: Callable[[Project, str], object]) -> None:
    project.add_items([{"text": "whole"}])
    with pytest.raises(InputError, match="half a character"):
        use(project, "\ud83d")
    assert project.count() == 1 and project.info.guidelines == "" and project.progress().labelled == 0
    project.label(project.item_ids()[0], "refund", "ann")


def test_stale_finding_overwrites_no_later_text(project: Project) -> None:
    broken = ["Caf\u00c3\u00a9 au lait please, thank you", "Na\u00c3\u00afve question about my parcel, please"]
    project.add_items([{"text": text} for text in broken])
    found = kinds(project)["mojibake"]
    ids = project.item_ids()
    first = project.apply_finding(found, item_ids=ids[:1], user="ann")
    assert first.left == 0
    again = project.apply_finding(found, user="bob")
    assert (again.items, again.left) == (1, 1)
    with pytest.raises(RefusedError, match="changed since the search"):
        project.apply_finding(found, user="bob")
    project.undo_cleaning(again.id)
    assert project.apply_finding(found, item_ids=ids[1:]).items == 1
    assert [item.text for item in project.items()] == [
        "Café au lait please, thank you",
        "Naïve question about my parcel, please",
    ]


def test_label_counts_follow_the_filter(project: Project) -> None:
    rows = [{"text": f"{label} {i}", "label": label, "split": "test" if i else "train"} for i in range(3)
            for label in ("refund", "delivery")]  # fmt: skip
    project.add_items([*rows, {"text": "open"}])
    project.exclude(project.item_ids()[:1])
    assert project.label_counts() == {"delivery": 3, "refund": 2}
    assert project.label_counts(ItemFilter(splits=("train",))) == {"delivery": 1}
    assert project.label_counts(ItemFilter(text="REFUND")) == {"refund": 2}
    assert project.label_counts(ItemFilter(labels=("refund",), labelled=True)) == {"refund": 2}
    assert project.label_counts(ItemFilter(labelled=False)) == {}
    project.merge_labels("refund", into="delivery")
    assert project.label_counts() == {"delivery": 5}


def test_pairs_need_their_second_text(workspace: Workspace, tmp_path: Path) -> None:
    project = workspace.create_project("Pairs", task="pair")
    path = tmp_path / "pairs.csv"
    path.write_text("question1,question2,is_duplicate\nhow,how so,1\nwhy,when,0\n", encoding="utf-8")
    guess = project.preview_file(path).guess
    assert (guess.text, guess.text_b, guess.label) == ("question1", "question2", "is_duplicate")
    with pytest.raises(InputError, match="second text"):
        project.import_file(path, text="question1", label="is_duplicate")
    assert project.import_file(path, **guess.model_dump()).added == 2
    assert [(item.text_b, item.label) for item in project.items()] == [("how so", "match"), ("when", "no match")]
