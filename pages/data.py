"""Data: what do I have, and is it clean?"""

from __future__ import annotations

import streamlit as st

from core.project import Project
from core.records import ItemFilter
from core.tasks.base import Joining
from studio import session
from studio.current import annotator, require_project
from studio.i18n import _, ngettext, number
from studio.widgets.basics import empty_state, page_header
from studio.widgets.bulk_label import bulk_label
from studio.widgets.choice import url_choice
from studio.widgets.cleaning_review import cleaning_review
from studio.widgets.data_charts import data_charts
from studio.widgets.export_panel import export_panel
from studio.widgets.import_wizard import import_wizard
from studio.widgets.item_filter import item_filter
from studio.widgets.item_table import item_table
from studio.widgets.schema_editor import guidelines_editor, schema_editor
from studio.widgets.versions_panel import versions_panel


def browse(project: Project) -> None:
    """The items, filtered, counted, charted and exported."""
    if not project.count(ItemFilter(excluded=None)):
        empty_state(
            _("No texts yet. Bring a file, paste a list, or fetch a dataset."), _("Import texts"), "data", view="import"
        )
        return
    chosen = item_filter(project)
    total = project.count(chosen)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(ngettext("**{n}** item", "**{n}** items", total).format(n=number(total)), width="stretch")
        if project.task.needs_labels and not isinstance(project.task, Joining):  # else each answer is of one text
            bulk_label(project, chosen, total, annotator())
        export_panel(project, chosen, total)
    data_charts(project, chosen)
    item_table(project, chosen, total, annotator())


project = require_project()
page_header(_("Data"), _("Everything this project knows: its texts, their labels, and the versions frozen from them."))
views = {
    "browse": _("Browse"),
    "import": _("Import"),
    "clean": _("Clean"),
    "labels": _("Labels") if project.task.needs_labels else _("Guidelines"),
    "versions": _("Versions"),
}
view = url_choice(_("Part"), views, session.DATA_VIEW)
if view == "browse":
    browse(project)
elif view == "import":
    import_wizard(project, annotator())
elif view == "clean":
    cleaning_review(project, annotator())
elif view == "labels":
    if project.task.needs_labels:
        schema_editor(project, annotator())
    guidelines_editor(project)
else:
    versions_panel(project, annotator())
