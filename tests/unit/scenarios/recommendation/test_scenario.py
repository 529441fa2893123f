"""The scenario on a setup: sample, lists, feedback, cold start, tuning, figures that are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.errors import InputError, NotFoundError, RefusedError
from core.records import ModelInfo
from core.scenarios import get_scenario, open_scenario
from core.scenarios.recommendation import behaviour
from core.scenarios.recommendation.config import MATCHING, RecommendationConfig, Weights
from core.scenarios.recommendation.imports import EventMapping, ItemMapping
from core.scenarios.recommendation.records import Wish
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import checked, create_setup, from_yaml, list_setups, save_setup, to_yaml
from core.workspace import Workspace

HOSTILE = "<script>alert(1)</script> '; DROP TABLE items; -- ../../etc"


def fill(scenario: Recommendation, people: int = 12, steps: int = 6) -> None:
    """Five groups of four items; everybody likes items of one group after the other."""
    scenario.add_items(
        [{"id": f"i{n}", "title": f"{chr(97 + n // 4) * 5} {n}", "price": str(n)} for n in range(20)],
        ItemMapping(price="price"),
    )
    start = datetime(2026, 1, 1)
    scenario.add_events(
        [
            {"user": f"p{p}", "item": f"i{(4 * p + k) % 20}", "kind": "click", "at": str(start + timedelta(days=k))}
            for p in range(people)
            for k in range(steps)
        ],
        EventMapping(kind="kind", at="at"),
    )


def test_the_sample_is_there_in_seconds_and_knows_no_themes(workspace: Workspace) -> None:
    made = Recommendation.install_sample(workspace)
    found = made.standing()
    assert (found.items, found.people) == (272, 360) and found.unknown_events == 0 and found.timed
    assert made.recommend(Wish(person=made.people()[0].id)).recommendations
    assert not made.recommend(Wish()).reads_texts
    assert "strength|minimalism" not in " ".join(made.shop().catalog.texts())


def test_it_is_registered(workspace: Workspace) -> None:
    assert get_scenario("recommendation") is Recommendation
    with pytest.raises(NotFoundError):
        open_scenario(workspace, "recommendation", 99)


def test_liked_things_are_not_shown_again_and_clicks_count_at_once(scenario: Recommendation) -> None:
    fill(scenario)
    shown = {one.item.id for one in scenario.recommend(Wish(person="p0")).recommendations}
    assert not shown & {"i0", "i1", "i2", "i3", "i4", "i5"}
    scenario.add_events(
        [{"user": "p0", "item": "i9", "kind": "click", "at": "2026-02-01"}], EventMapping(kind="kind", at="at")
    )
    assert "i9" not in {one.item.id for one in scenario.recommend(Wish(person="p0")).recommendations}
    assert scenario.history("p0")[0].item.id == "i9"


def test_a_new_person_and_a_new_item(scenario: Recommendation) -> None:
    fill(scenario)
    with pytest.raises(RefusedError, match="not been read"):
        scenario.place_item("ddd")
    assert scenario.read_texts() == 20
    only_text = Weights(behaviour=0, popularity=0, newness=0, price=0, category=0)
    by_words = scenario.recommend(Wish(sentence="ccc", weights=only_text)).recommendations
    assert by_words[0].item.title.startswith("ccccc")
    by_clicks = scenario.recommend(Wish(clicks=("i8",), weights=only_text)).recommendations
    assert by_clicks[0].item.title.startswith("ccccc") and by_clicks[0].item.id != "i8"
    hidden = scenario.recommend(Wish(clicks=("i8",), weights=only_text, hidden=("i9",))).recommendations
    assert "i9" not in {one.item.id for one in hidden}
    placed = scenario.place_item("eeeee")
    assert placed.similar[0].title.startswith("eeeee") and placed.people[0].score >= placed.people[-1].score
    with pytest.raises(InputError):
        scenario.place_item("  ")


def test_hostile_words_are_only_words(scenario: Recommendation) -> None:
    scenario.add_items([{"id": HOSTILE, "title": HOSTILE}, {"id": "b", "title": "calm"}])
    scenario.add_events([{"user": HOSTILE, "item": "b", "at": "2026-01-01"}], EventMapping(at="at"))
    made = scenario.recommend(Wish(person=HOSTILE)).recommendations
    assert [one.item.id for one in made] == [HOSTILE]
    assert scenario.items(search="DROP TABLE")[0].title == HOSTILE
    assert scenario.people(search="<script>")[0].id == HOSTILE
    with pytest.raises(NotFoundError):
        scenario.recommend(Wish(person="' OR 1=1"))


def test_feedback_without_a_project_is_an_event(scenario: Recommendation) -> None:
    fill(scenario)
    assert scenario.feedback("i10", False, Wish(person="p0")).stored
    assert "i10" not in {one.item.id for one in scenario.recommend(Wish(person="p0")).recommendations}
    sent = scenario.feedback("i10", True, Wish(clicks=("i1",)))
    assert not sent.stored and sent.project_id is None


def test_feedback_goes_first_into_the_queue_of_the_project(scenario: Recommendation) -> None:
    fill(scenario)
    project = scenario.workspace.create_project("Next", task="pair")
    project.add_items([{"text": "before", "text_b": "other", "label": ""}, {"text": "x", "text_b": "y", "label": ""}])
    config = scenario.config.model_copy(update={"roles": {MATCHING.name: project.id}})
    tuned = Recommendation(scenario.workspace, save_setup(scenario.workspace, scenario.setup, config))
    sent = tuned.feedback("i10", False, Wish(person="p0"), user="ann")
    item = project.next_item(user="ann")
    assert item is not None and item.id == sent.item_id and sent.project_id == project.id
    assert item.text_b == "ccccc 10" and item.meta["note"] and item.source == "feedback: recommendation"


@pytest.mark.parametrize("task", [None, "classification"])
def test_a_role_that_is_gone_or_of_another_task_is_said(scenario: Recommendation, task: str | None) -> None:
    fill(scenario)
    number = 77 if task is None else scenario.workspace.create_project("Other", task=task).id
    config = scenario.config.model_copy(update={"roles": {MATCHING.name: number}})
    odd = Recommendation(scenario.workspace, save_setup(scenario.workspace, scenario.setup, config))
    assert isinstance(odd.problem, RefusedError) and odd.model() is None and odd.project() is None
    assert odd.recommend(Wish(person="p0")).recommendations


def test_pairs_leave_out_what_figures_are_made_on(scenario: Recommendation) -> None:
    fill(scenario, people=20)
    rows = behaviour.pairs(scenario.shop())
    assert len(rows) == 20 * 3, "six likes: the last two are held back, the first has no history"
    assert rows[0] == {"text": "aaaaa 0", "text_b": "aaaaa 1", "label": "match"}
    assert rows[1]["text"] == "aaaaa 1; aaaaa 0"


def test_too_few_events_cannot_be_tuned_on(scenario: Recommendation) -> None:
    fill(scenario, people=2)
    with pytest.raises(RefusedError, match="30 are needed"):
        scenario.tune_on_behaviour()
    assert not scenario.workspace.projects(), "nothing half-done stays"


def test_tuning_fills_the_role_and_queues_a_bi_encoder(
    scenario: Recommendation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(scenario, people=20)
    monkeypatch.setattr(scenario.workspace.runner, "submit", lambda config, path: "run-of-" + config.method)
    asked: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(
        type(scenario.workspace.create_project("x")), "train",
        lambda self, version, method, base=None, **options: asked.append((method, options)),
    )  # fmt: skip
    setup, _run = scenario.tune_on_behaviour(user="ann")
    project = scenario.project()
    assert project is not None and setup.config["roles"] == {MATCHING.name: project.id}
    assert asked == [("bi_encoder", {"chains": False, "epochs": behaviour.EPOCHS})]
    assert project.progress().labelled == project.progress().total > 0


def test_figures_are_kept_until_something_changes(scenario: Recommendation) -> None:
    assert scenario.report() is None
    fill(scenario, people=15)
    result = scenario.evaluate()
    kept = scenario.report()
    assert kept is not None and kept.current and kept.result == result
    scenario.add_events([{"user": "p0", "item": "i12", "at": "2026-03-01"}], EventMapping(at="at"))
    again = scenario.report()
    assert again is not None and not again.current


def test_a_setup_survives_its_yaml_file(workspace: Workspace) -> None:
    config = checked(
        RecommendationConfig,
        {"weights": {"text": 0.5}, "rules": [{"value": "a", "action": "boost"}], "kinds": {"Buy": 2}},
    )
    setup = create_setup(workspace, "recommendation", "Mine", config)
    assert from_yaml(to_yaml(setup), "recommendation", RecommendationConfig) == ("Mine", config)
    with pytest.raises(InputError, match=r"weights\.text"):
        checked(RecommendationConfig, {"weights": {"text": 5}})


def test_deleting_leaves_the_other_setup(scenario: Recommendation) -> None:
    fill(scenario)
    other = Recommendation(
        scenario.workspace, create_setup(scenario.workspace, "recommendation", "Other", RecommendationConfig())
    )
    fill(other)
    scenario.delete_data()
    assert scenario.standing().items == 0 and other.standing().items == 20
    assert len(list_setups(scenario.workspace, "recommendation")) == 2


def test_a_model_without_vectors_is_refused(scenario: Recommendation, monkeypatch: pytest.MonkeyPatch) -> None:
    project = scenario.workspace.create_project("Pairs", task="pair")
    info = ModelInfo(
        id="cross", project_id=project.id, version_id=1, task="pair", method="cross_encoder", labels=["match"],
        path="nowhere", created_at=datetime(2026, 1, 1),
    )  # fmt: skip
    from core.storage import catalogue

    catalogue.insert_model(scenario.workspace.database, info)
    config = scenario.config.model_copy(update={"roles": {MATCHING.name: "cross"}})
    odd = Recommendation(scenario.workspace, save_setup(scenario.workspace, scenario.setup, config))
    assert odd.problem is not None and "no vectors" in odd.problem.message
