"""Settings: how is this machine set up?"""

from __future__ import annotations

from studio import session
from studio.i18n import _
from studio.widgets.basics import page_header
from studio.widgets.choice import url_choice
from studio.widgets.setup import about, hardware_panel, storage_panel, tokens_panel

page_header(_("Settings"), _("How this machine is set up, where your data is, and who may call the API."))
views = {
    "hardware": _("Hardware"),
    "storage": _("Storage and backup"),
    "tokens": _("API tokens"),
    "about": _("About"),
}
view = url_choice(_("Part"), views, session.SETTINGS_VIEW)
if view == "hardware":
    hardware_panel()
elif view == "storage":
    storage_panel()
elif view == "tokens":
    tokens_panel()
else:
    about()
