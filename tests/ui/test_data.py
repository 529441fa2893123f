"""The data page: browse, import, clean, labels, versions."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.project import Project
from core.records import ColumnMapping, ImportPreview, ImportReport, RejectedRow
from core.workspace import Workspace
from studio import session
from studio.jobs import Report
from studio.services import get_jobs
from studio.widgets.import_result import rejected_csv

Open = Callable[..., AppTest]
VIEWS = ("browse", "import", "clean", "labels", "versions")
CSV = "message,category,part\n" + "".join(
    f"text {i} about {label},{label},{'test' if i % 4 == 0 else 'train'}\n"
    for i in range(12)
    for label in ("refund", "delivery")
)


def settle(app: AppTest, project: Project) -> AppTest:
    """Rerun until the background job of the page is over."""
    for _ in range(150):
        if not any(b.label in ("Stop", "Stopping…") for b in app.button):
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError("the job did not end")


def words(app: AppTest) -> str:
    """Everything the page says."""
    kinds = (app.markdown, app.caption, app.success, app.error, app.info, app.warning, app.subheader, app.title)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_part_renders(open_page: Open, workspace: Workspace, project: Project, view: str, language: str) -> None:
    app = open_page("data", view=view, lang=language)
    assert not app.error
    workspace.create_project("Empty")
    empty = open_page("data", view=view, lang=language, project=str(workspace.projects()[-1].id))
    assert not empty.error


def test_without_a_project_the_page_names_the_next_step(open_page: Open) -> None:
    app = open_page("data")
    assert [b.label for b in app.button] == ["Create a project"]


def test_browse_filters_by_words_taken_literally(open_page: Open, project: Project) -> None:
    project.add_items([{"text": "100% :red[sure] <b>"}], user="ann")
    app = open_page("data")
    assert len(app.dataframe[0].value) == 4
    app.text_input(key=session.DATA_SEARCH).set_value(":red[SURE] <").run()
    assert app.dataframe[0].value["text"].tolist() == ["100% :red[sure] <b>"]
    app.text_input(key=session.DATA_SEARCH).set_value("'; drop table items; --").run()
    assert not app.dataframe and "Nothing fits" in words(app)


def test_browse_pages_through_many_items(open_page: Open, project: Project) -> None:
    project.import_text("\n".join(f"line number {i}" for i in range(120)))
    app = open_page("data")
    assert len(app.dataframe[0].value) == 50
    app.session_state[session.DATA_PAGE] = 3
    app.run()
    assert len(app.dataframe[0].value) == 23
    app.text_input(key=session.DATA_SEARCH).set_value("line number 1").run()
    assert app.dataframe[0].value["text"].iloc[0] == "line number 1", "a new filter starts at page one"


def test_import_previews_maps_stores_and_says_what_it_left_out(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Import")
    app = open_page("data", view="import")
    app.file_uploader[0].upload("../:red[x].csv", (CSV + "one,two,train,four\n").encode()).run()
    key = f"import_{project.id}"
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Text"], chosen["Label"], chosen["Split (train, dev, test)"]) == ("message", "category", "part")
    assert project.count() == 0, "nothing is stored before the button"
    app.button(key=f"{key}_go").click().run()
    settle(app, project)
    assert {m.label: m.value for m in app.metric} == {
        "Added": "24",
        "Came with a label": "24",
        "There already": "0",
        "Rejected": "1",
    }
    assert app.dataframe[0].value["row"].tolist() == [25]
    assert project.split_counts() == {"train": 18, "test": 6}
    assert not app.file_uploader[0].value, "what was imported has left the form"
    app.button(key=f"{key}_again").click().run()
    assert app.file_uploader and not app.metric


def test_a_file_given_while_an_import_runs_or_ends_is_kept(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Import")
    key, going = f"import_{project.id}", threading.Event()
    app = open_page("data", view="import")

    def work(report: Report) -> ImportReport:  # from another window, so this one has not seen it begin
        going.wait(10)
        return project.import_text("from elsewhere")

    get_jobs().start(key, "Elsewhere", work)
    app.file_uploader[0].upload("tickets.csv", CSV.encode()).run()
    assert app.button(key=f"{key}_go").disabled and not app.exception
    going.set()
    settle(app, project)
    assert [m.value for m in app.metric if m.label == "Added"] == ["1"] and app.file_uploader[0].value
    app.button(key=f"{key}_go").click().run()
    settle(app, project)
    assert project.count() == 25


def test_a_file_that_is_none_says_so_and_stores_nothing(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Import")
    app = open_page("data", view="import")
    app.file_uploader[0].upload("tickets.csv", b"\x7fELF\x02\x01\x01" + bytes(200)).run()
    assert app.error and not app.exception
    assert project.count() == 0


def test_pasted_text_becomes_one_item_a_line(open_page: Open, project: Project) -> None:
    app = open_page("data", view="import")
    key = f"import_{project.id}"
    app.session_state[f"{key}_from"] = "paste"
    app.run()
    app.text_area(key=f"{key}_text").set_value("first\n\nsecond\nfirst").run()
    app.button(key=f"{key}_go").click().run()
    settle(app, project)
    assert project.count() == 5, "the same line twice is one item"


def test_a_failed_import_leaves_the_way_on(open_page: Open, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Project, "import_text", full)
    app = open_page("data", view="import")
    key = f"import_{project.id}"
    app.session_state[f"{key}_from"] = "paste"
    app.run()
    app.text_area(key=f"{key}_text").set_value("first").run()
    app.button(key=f"{key}_go").click().run()
    settle(app, project)
    assert "disk is full" in app.error[0].value and not app.exception
    app.button(key=f"{key}_again").click().run()
    assert not app.error and app.segmented_control(key=f"{key}_from")


def test_rejected_rows_leave_no_formula_behind() -> None:
    text = rejected_csv([RejectedRow(row=3, reason="too long", excerpt='=HYPERLINK("x")')])
    assert text.splitlines() == ["row,reason,excerpt", '3,too long,"\'=HYPERLINK(""x"")"']


def test_cleaning_is_reviewed_applied_and_undone(open_page: Open, project: Project) -> None:
    project.import_text("same text here\nsame text here\nsame text here", on_duplicate="keep")
    app = open_page("data", view="clean")
    app.button(key=f"clean_{project.id}_look").click().run()
    settle(app, project)
    assert project.count() == 6, "looking changes nothing"
    app.session_state[f"finding_{project.id}_exact_duplicate"] = True
    app.run()
    app.button(key=f"apply_{project.id}_exact_duplicate").click().run()
    assert project.count() == 4
    batch = project.cleaning_batches()[0]
    app.button(key=f"undo_cleaning_{batch.id}").click().run()
    assert project.count() == 6 and not app.exception


def test_conflicting_labels_are_settled_or_opened(open_page: Open, project: Project) -> None:
    rows = [{"text": "three times the same", "label": label} for label in ("refund", "refund", "delivery")]
    project.add_items(rows, on_duplicate="keep")
    app = open_page("data", view="clean")
    app.button(key=f"clean_{project.id}_look").click().run()
    settle(app, project)
    app.session_state[f"finding_{project.id}_conflicting_labels"] = True
    app.run()
    assert app.button(key=f"settle_open_{project.id}").disabled, "which one is not known yet"
    app.button(key=f"settle_majority_{project.id}").click().run()
    assert project.label_counts() == {"refund": 2} and not app.exception
    app.button(key=f"undo_cleaning_{project.cleaning_batches()[0].id}").click().run()
    assert project.label_counts() == {"refund": 2, "delivery": 1}


def test_labels_are_added_and_names_are_not_interpreted(open_page: Open, project: Project) -> None:
    app = open_page("data", view="labels")
    app.text_input[0].set_value(":red[x] <script>")
    next(b for b in app.button if b.label == "Add").click().run()
    assert [label.name for label in project.labels] == ["refund", "delivery", ":red[x] <script>"]
    app.text_input[0].set_value("refund")
    next(b for b in app.button if b.label == "Add").click().run()
    assert app.error, "a name that is taken is refused in words"


def test_guidelines_are_saved(open_page: Open, project: Project) -> None:
    app = open_page("data", view="labels")
    app.text_area(key=f"guidelines_{project.id}").set_value("# Be kind")
    app.button(key=f"guidelines_save_{project.id}").click().run()
    assert project.workspace.project(project.id).info.guidelines == "# Be kind"


def test_freezing_too_few_is_refused_with_counts_and_a_way_out(open_page: Open, project: Project) -> None:
    for item, label in zip(project.items(), ["refund", "delivery", "delivery"], strict=True):
        project.label(item.id, label, user="ann")
    app = open_page("data", view="versions")
    app.button(key=f"freeze_{project.id}").click().run()
    assert app.error and "refund" in app.error[0].value and not project.versions()


def test_freezing_makes_a_version_from_the_imported_split(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Split")
    rows = [line.split(",") for line in CSV.splitlines()[1:]]
    project.add_items([{"text": text, "label": label, "split": part} for text, label, part in rows])
    project.add_items([{"text": "nobody has labelled this"}, {"text": "nor this"}])
    app = open_page("data", view="versions")
    app.button(key=f"freeze_{project.id}").click().run()
    info = project.versions()[0].info
    assert info.rows("test") == 6 and info.options["split"] == "imported"
    assert any(b.key == f"train_on_{info.id}" for b in app.button)
    assert any("without a label 2" in caption.value for caption in app.caption)


def test_everything_shown_is_labelled_at_once_and_that_is_undone(open_page: Open, project: Project) -> None:
    project.add_items([{"text": "parcel one"}, {"text": "parcel two"}], user="ann")
    app = open_page("data")
    key = f"bulk_{project.id}"
    app.session_state[key] = True
    app.text_input(key=session.DATA_SEARCH).set_value("parcel").run()
    assert app.button(key=f"{key}_go").disabled, "a label has to be chosen"
    app.selectbox(key=f"{key}_label").set_value("delivery").run()
    app.button(key=f"{key}_go").click().run()
    assert not app.exception
    assert project.label_counts() == {"delivery": 3}
    step = project.bulk_steps()[0]
    app.button(key=f"undo_bulk_{step.id}").click().run()
    assert project.label_counts() == {} and project.bulk_steps()[0].undone


def test_class_balance_is_of_what_the_filter_shows(open_page: Open, project: Project) -> None:
    for item, label in zip(project.items(), ["refund", "delivery", "delivery"], strict=True):
        project.label(item.id, label, user="ann")
    app = open_page("data")
    app.session_state[f"charts_{project.id}"] = True
    app.text_input(key=session.DATA_SEARCH).set_value("parcel").run()
    chart = next(c for c in app.get("plotly_chart") if "class_balance" in c.proto.id)
    assert '"delivery"' in chart.proto.spec and '"refund"' not in chart.proto.spec


def test_pairs_are_imported_with_both_texts(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Pairs", task="pair")
    app = open_page("data", view="import")
    rows = "query,passage,label\n" + "".join(f"question {i},answer {i},match\n" for i in range(4))
    app.file_uploader[0].upload("pairs.csv", rows.encode()).run()
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Text"], chosen["Second text"], chosen["Label"]) == ("query", "passage", "label")
    second = next(box for box in app.selectbox if box.label == "Second text")
    second.select_index(0).run()
    assert app.button(key=f"import_{project.id}_go").disabled
    next(box for box in app.selectbox if box.label == "Second text").set_value("passage").run()
    app.button(key=f"import_{project.id}_go").click().run()
    settle(app, project)
    assert [item.text_b for item in project.items()] == [f"answer {i}" for i in range(4)]


def test_one_text_a_line_is_no_way_to_import_pairs(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Pairs", task="pair")
    app = open_page("data", view="import")
    assert app.segmented_control(key=f"import_{project.id}_from").options == ["A file", "A Hugging Face dataset"]


def test_a_dataset_is_looked_at_and_mapped_like_a_file(
    open_page: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = workspace.create_project("Hub")
    shown = ImportPreview(
        columns=["body", "intent", "split"],
        rows=[{"body": "Hello", "intent": "greeting", "split": "train"}],
        format="datasets",
        guess=ColumnMapping(text="body", label="intent", split="split"),
    )
    looked: list[tuple[object, ...]] = []
    asked: list[dict[str, object]] = []

    def look(self: Project, *arguments: object) -> ImportPreview:
        looked.append(arguments)
        return shown

    def fetch(self: Project, name: str, **options: object) -> ImportReport:
        asked.append({"name": name, **options})
        return ImportReport(added=1, duplicates=0)

    monkeypatch.setattr(Project, "preview_dataset", look)
    monkeypatch.setattr(Project, "import_dataset", fetch)
    app = open_page("data", view="import")
    key = f"import_{project.id}"
    app.session_state[f"{key}_from"] = "hub"
    app.run()
    app.text_input(key=f"{key}_hub").set_value(" owner/name ").run()
    assert not app.dataframe and not looked, "nothing is fetched before somebody asks"
    app.button(key=f"{key}_look").click().run()
    next(box for box in app.selectbox if box.label == "Label").select_index(0).run()
    assert looked == [("owner/name", None)], "the first rows are read once"
    app.button(key=f"{key}_go").click().run()
    settle(app, project)
    assert [(one["name"], one["text"], one["label"], one["split"]) for one in asked] == [
        ("owner/name", "body", None, "split")
    ]


def test_a_first_line_that_is_a_row_is_kept(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Bare")
    app = open_page("data", view="import")
    app.file_uploader[0].upload("bare.csv", b"money back,refund\nhand it back,refund\n").run()
    assert "no header" in words(app)
    next(box for box in app.checkbox if "first line" in box.label).check().run()
    assert len(app.dataframe[0].value) == 2
    app.button(key=f"import_{project.id}_go").click().run()
    settle(app, project)
    assert [(item.text, item.label) for item in project.items()] == [
        ("money back", "refund"),
        ("hand it back", "refund"),
    ]
