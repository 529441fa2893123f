"""What the browser says when words of a text are marked, sent into a page test."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def drawn(app: AppTest) -> dict[str, Any]:
    """What the marker of words on the page was given to draw."""
    return json.loads(_marker(app).json)


def words_of(app: AppTest) -> list[str]:
    """The words that can be marked."""
    return [word for _gap, word in drawn(app)["parts"]]


def say(
    app: AppTest, *strokes: tuple[str, int, int, int], chosen: tuple[int, int] | None = None, press: str | None = None
) -> AppTest:
    """Strokes (what, first word, last word, label id) after those that the page has heard, and the words chosen.

    ``press``: key of a button that is pressed in the same run.
    """
    data = drawn(app)
    said = {
        "item": data["item"],
        "visit": data["visit"],
        "strokes": [
            {"n": data["done"] + 1 + place, "do": do, "from": first, "to": last, "label": label}
            for place, (do, first, last, label) in enumerate(strokes)
        ],
        "chosen": chosen,
    }
    for button in app.button:
        if press is not None and button.key == press:
            button.click()
    states = app._tree.get_widget_states()
    state = states.widgets.add()
    state.id, state.json_value = _marker(app).id, json.dumps({"said": said})
    return app._run(states)


def _marker(app: AppTest) -> Any:
    (found,) = app.get("bidi_component")
    return found.proto
