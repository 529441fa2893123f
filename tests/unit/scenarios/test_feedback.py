from __future__ import annotations

import pytest

from core.errors import InputError
from core.scenarios.feedback import send_back


def test_what_went_wrong_is_next_to_be_labelled_with_its_origin(workspace):
    project = workspace.create_project("Intents", labels=["a", "b"])
    project.add_items([{"text": f"text {i}"} for i in range(3)])
    number = send_back(project, "where is my lamp", "customer service", "taken for 'refund'", user="ann")
    item = project.next_item(user="bob")
    assert (item.id, item.text, item.source) == (number, "where is my lamp", "feedback: customer service")
    assert item.meta == {"scenario": "customer service", "note": "taken for 'refund'", "sent_by": "ann"}


def test_a_text_that_is_there_already_is_flagged_instead(workspace):
    project = workspace.create_project("Intents", labels=["a", "b"])
    project.add_items([{"text": "where is my lamp"}])
    item = project.next_item(user="bob")
    project.label(item.id, "a", user="bob")
    assert send_back(project, " where is my lamp", "customer service", "wrong intent") == item.id
    assert project.item(item.id).flag == "customer service: wrong intent" and project.count() == 1


def test_nothing_is_no_feedback(workspace):
    project = workspace.create_project("Intents", labels=["a", "b"])
    with pytest.raises(InputError):
        send_back(project, " \n", "customer service", "wrong")
    assert project.count() == 0
