"""Every page, on an empty workspace and on a project of three texts, in both languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from core.errors import StorageError
from core.project import Project
from core.workspace import Workspace
from studio import services, session
from studio.i18n import LANGUAGES
from studio.widgets import project_card

Open = Callable[..., AppTest]
PAGES = ["home", "data", "annotate", "train", "evaluate", "models", "settings"]
VIEWS = [
    ("data", "view", ["import", "clean", "labels", "versions"]),
    ("settings", "setup", ["storage", "tokens", "about"]),
]


def field(app: AppTest, label: str) -> TextInput:
    """The text field with this label."""
    return next(one for one in app.text_input if one.label == label)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_page_on_an_empty_workspace(open_page: Open, page: str, language: str) -> None:
    app = open_page(page, lang=language)
    assert not app.error
    assert app.button, "an empty page offers the next step"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_page_on_three_texts(open_page: Open, project: Project, page: str, language: str) -> None:
    app = open_page(page, lang=language)
    assert not app.error
    words = " ".join(str(e.value) for e in [*app.title, *app.caption, *app.markdown])
    chinese = any("\u4e00" <= char <= "\u9fff" for char in words)
    assert chinese == (language == "zh_CN")


@pytest.mark.parametrize(("page", "name", "value"), [(p, n, v) for p, n, values in VIEWS for v in values])
def test_every_part_of_a_page(open_page: Open, project: Project, page: str, name: str, value: str) -> None:
    assert not open_page(page, **{name: value}).error


def test_home_leads_from_step_to_step(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Steps")
    key = f"next_{project.id}"

    def offered() -> str:
        return next(b.label for b in open_page().button if b.key == key)

    assert offered() == "Import texts"
    project.add_items([{"text": f"text {n}"} for n in range(24)], user="ann")
    assert offered() == "Define labels"
    project.add_label("a")
    project.add_label("b")
    assert offered() == "Label texts"
    for n, item in enumerate(project.items(limit=24)):
        project.label(item.id, "ab"[n % 2], user="ann")
    assert offered() == "Freeze a version"
    project.freeze()
    assert offered() == "Train a model"


def test_a_project_is_created_in_its_dialog(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form alone: a dialog that a button opened lives in fragment runs, which AppTest does not have."""
    opened: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(project_card, "open_page", lambda name, **where: opened.append((name, where)))

    def script() -> None:
        from studio.widgets.project_card import new_project_form

        new_project_form()

    app = AppTest.from_function(script, default_timeout=15).run()
    field(app, "Name").set_value("Mails :red[x]")
    app.text_area[0].set_value("refund\n\n delivery \nrefund")
    app.button[0].click().run()
    (project,) = workspace.projects()
    assert project.name == "Mails :red[x]"
    assert [label.name for label in project.labels] == ["refund", "delivery"]
    assert opened == [("data", {"project": str(project.id), "view": "import"})]


def test_the_language_switch_changes_the_page(open_page: Open) -> None:
    app = open_page()
    english = app.title[0].value
    app.button_group(key="lang").set_value("zh_CN").run()
    assert app.title[0].value != english
    assert app.query_params["lang"] == "zh_CN"


def test_a_link_opens_its_project(open_page: Open, project: Project, workspace: Workspace) -> None:
    other = workspace.create_project("Other")
    app = open_page("annotate", project=str(other.id))
    assert app.selectbox(key="project").value == str(other.id)
    assert open_page("annotate", project="999").selectbox(key="project").value == str(project.id)


def test_a_token_is_shown_once(open_page: Open, workspace: Workspace) -> None:
    app = open_page("settings", setup="tokens")
    field(app, "What will use the token?").set_value("help desk")
    next(b for b in app.button if b.label == "Create a token").click().run()
    secret = app.code[0].value
    assert workspace.check_token(secret)
    next(b for b in app.button if b.label == "I have copied it").click().run()
    assert not app.code
    next(b for b in app.button if b.label == "Revoke").click().run()
    assert not workspace.check_token(secret)


def test_backup_and_restore(open_page: Open, project: Project, workspace: Workspace) -> None:
    app = open_page("settings", setup="storage")
    next(b for b in app.button if b.label == "Back up now").click().run()
    assert len(workspace.backups()) == 1
    project.label(project.items()[0].id, "refund", user="ann")
    app = open_page("settings", setup="storage")
    next(b for b in app.button if b.label == "Restore").click().run()
    assert app.warning and project.progress().labelled == 1, "an unticked box restores nothing"
    app.checkbox[0].check()
    next(b for b in app.button if b.label == "Restore").click().run()
    assert not app.exception
    assert project.progress().labelled == 0


def test_a_workspace_that_cannot_be_opened_is_explained(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(home: str) -> Workspace:
        raise StorageError("The database is damaged.", "Restore a backup.")

    monkeypatch.setattr(services, "_open", refuse)
    app = open_page()
    assert "database is damaged" in app.error[0].value
    assert "Restore a backup" in app.error[0].value
    monkeypatch.undo()


@pytest.mark.parametrize("language", LANGUAGES)
def test_home_says_what_does_not_fit_together(open_page: Open, workspace: Workspace, language: str) -> None:
    left = workspace.path / "versions" / "9-9"
    left.mkdir(parents=True)
    (warning,) = open_page("home", lang=language).warning
    assert "9\\-9" in warning.value
    assert ("belongs to no version" in warning.value) == (language == "en")


def test_a_button_leads_to_its_page_and_nothing_beside_it_is_forgotten(open_page: Open, project: Project) -> None:
    app = open_page("home", lang="zh_CN")
    app.button(key=f"next_{project.id}").click().run()
    assert [b for b in app.button if (b.key or "").startswith("label_")], "the desk"
    assert app.text_input(key=session.ANNOTATOR).value == "ann"
    assert app.segmented_control(key=session.LANGUAGE).value == "zh_CN"
