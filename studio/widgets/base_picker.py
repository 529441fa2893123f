"""Which pre-trained model the tuning starts from; any Hub id or local folder may be typed."""

from __future__ import annotations

import streamlit as st

from core.base_models import BaseModelInfo, get_base, list_bases
from core.project import Project
from studio.guard import guard
from studio.i18n import _, number, size
from studio.text import escape, line


def base_picker(project: Project) -> str:
    """Draw the picker; return the id of the base model."""
    bases = {info.id: info for info in list_bases(project.workspace.path / "bases") if project.task.name in info.tasks}
    fitting = next((info.id for info in bases.values() if _speaks(info, project.language)), next(iter(bases)))
    chosen = st.selectbox(
        _("Base model"),
        list(bases),
        index=list(bases).index(fitting),
        format_func=lambda name: _title(bases.get(name), name),
        accept_new_options=True,
        key=f"base_{project.id}",
        help=_("Choose one, or type a Hugging Face id such as owner/model, or local:FOLDER."),
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


def _speaks(info: BaseModelInfo, language: str) -> bool:
    return language.split("_")[0].split("-")[0] in info.languages.split(",")


def _title(info: BaseModelInfo | None, name: str) -> str:
    return line(info.title if info is not None else name, 80)


def _facts(info: BaseModelInfo) -> str:
    """One line: what it is for, languages, size, licence, memory, where it comes from."""
    where = {
        "embedded": _("built in, works offline"),
        "hub": _("from the Hugging Face Hub, fetched once"),
        "local": _("a folder on this machine"),
    }[info.source]
    facts = [_(info.note) if info.note else "", escape(info.languages.replace(",", ", ")) if info.languages else ""]
    if info.parameters:
        facts.append(_("{n} million weights").format(n=number(info.parameters / 1e6)))
    if info.memory_bytes:
        facts.append(_("{memory} of memory for full fine-tuning").format(memory=size(info.memory_bytes)))
    facts += [escape(info.licence) if info.licence else "", where]
    return " · ".join(fact for fact in facts if fact)
