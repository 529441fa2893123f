"""The only names of session-state keys. A page that needs a new one adds it here."""

from __future__ import annotations

PROJECT = "project"
"""Id of the chosen project; also the URL parameter."""
LANGUAGE = "lang"
"""Language of the pages, en or zh_CN; also the URL parameter."""
ANNOTATOR = "as"
"""Name under which this browser labels; also the URL parameter."""
ADDRESS = "_address"
"""What ``studio.address`` wrote to the URL last, by parameter."""

# Annotate
SHOWN = "_annotate_shown"
"""(item id, monotonic seconds) of the item on screen, to measure how long it was read."""
SAVED = "_annotate_saved"
"""What the last key press did, for the line that says 'saved'."""
UNSAVED = "_annotate_unsaved"
"""An answer that could not be written, kept until it is."""
SUGGESTIONS = "annotate_suggestions"
"""True while suggestions are shown."""
