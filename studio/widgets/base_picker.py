"""Which pre-trained model the tuning starts from; any Hub id or local folder may be typed."""

from __future__ import annotations

import streamlit as st

from core.base_models import BaseModelInfo, get_base
from core.project import Project
from studio.guard import guard
from studio.i18n import _, number, size
from studio.text import escape, line


def base_picker(project: Project) -> str:
    """Draw the picker; return the id of the base model."""
    bases = _bases(project)
    fitting = _fitting(bases, project)
    st.session_state.setdefault(_key(project), fitting)
    chosen = st.selectbox(
        _("Base model"),
        list(bases),
        format_func=lambda name: _title(bases[name]) if name in bases else line(name, 80),
        accept_new_options=True,
        key=_key(project),
        help=_(
            "Choose one, or type a Hugging Face id such as owner/model, or local:FOLDER. Models of this workspace "
            "come last."
        ),
        width=520,
    )
    name = (chosen or fitting).strip()
    with guard():
        info = bases.get(name) or get_base(name)
        st.caption(_facts(info))
        if info.languages and not _speaks(info, project.language):
            st.warning(
                _("This base model was not trained on the language of this project ({language}).").format(
                    language=escape(project.language)
                ),
                icon=":material/translate:",
            )
    return name


def chosen_base(project: Project) -> str:
    """What the picker says, or will say: for what stands above it on the page."""
    return (st.session_state.get(_key(project)) or _fitting(_bases(project), project)).strip()


def choose_base(project: Project, base: str) -> None:
    """Let the picker say this base model; to be called before it is drawn."""
    st.session_state[_key(project)] = base


def base_words(identifier: str) -> str:
    """Name of a base model in the reader's language, one plain line."""
    return line(_(get_base(identifier).title), 40)


def _key(project: Project) -> str:
    return f"base_{project.id}"


def _bases(project: Project) -> dict[str, BaseModelInfo]:
    return {info.id: info for info in project.workspace.bases() if project.task.name in info.tasks}


def _title(info: BaseModelInfo) -> str:
    """Its name in a list; models of this workspace say so."""
    if info.source == "workspace":
        return line(_("This workspace: {model}").format(model=info.title), 100)
    return line(_(info.title), 80)


def _fitting(bases: dict[str, BaseModelInfo], project: Project) -> str:
    """The first base model that was trained on the project's language."""
    return next((info.id for info in bases.values() if _speaks(info, project.language)), next(iter(bases)))


def _speaks(info: BaseModelInfo, language: str) -> bool:
    return language.split("_")[0].split("-")[0] in info.languages.split(",")


def _facts(info: BaseModelInfo) -> str:
    """One line: what it is for, languages, size, licence, memory, where it comes from."""
    where = {
        "embedded": _("built in, works offline"),
        "hub": _("from the Hugging Face Hub, fetched once"),
        "local": _("a folder on this machine"),
        "workspace": _("a model of this workspace"),
    }[info.source]
    facts = [_(info.note).strip(" .。"), escape(info.languages.replace(",", ", ")) if info.languages else ""]
    if info.parameters:
        facts.append(_("{n} million weights").format(n=number(info.parameters / 1e6)))
    if info.memory_bytes:
        facts.append(_("{memory} of memory for full fine-tuning").format(memory=size(info.memory_bytes)))
    facts += [escape(info.licence) if info.licence else "", where]
    return " · ".join(fact for fact in facts if fact)
