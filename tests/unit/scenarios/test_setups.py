from __future__ import annotations

import pytest
from pydantic import Field

from core.errors import InputError, NotFoundError, RefusedError
from core.scenarios import setups
from core.scenarios.base import ScenarioConfig
from core.scenarios.setups import create_setup, from_yaml, get_setup, list_setups, remove_setup, save_setup, to_yaml


class Config(ScenarioConfig):
    threshold: float = Field(default=0.5, ge=0, le=1, description="How sure is sure.")


def test_setups_are_kept_by_scenario_with_the_sample_first(workspace):
    mine = create_setup(workspace, "shop", "My shop", Config(threshold=0.9))
    sample = create_setup(workspace, "shop", setups.SAMPLE, Config())
    create_setup(workspace, "bank", "My shop", Config())
    assert [setup.name for setup in list_setups(workspace, "shop")] == ["Sample", "My shop"]
    assert get_setup(workspace, mine.id).config == {"roles": {}, "threshold": 0.9}
    remove_setup(workspace, sample)
    assert [setup.id for setup in list_setups(workspace, "shop")] == [mine.id]
    with pytest.raises(NotFoundError):
        get_setup(workspace, sample.id)


@pytest.mark.parametrize("name", ["", "  \x00 ", "x" * 101, "Taken"])
def test_a_bad_or_taken_name_is_refused(workspace, name):
    create_setup(workspace, "shop", "Taken", Config())
    with pytest.raises(InputError):
        create_setup(workspace, "shop", name, Config())


def test_of_two_who_edit_the_same_state_the_second_is_told(workspace):
    seen = create_setup(workspace, "shop", "Mine", Config())
    changed = save_setup(workspace, seen, Config(threshold=0.1), user="ann")
    with pytest.raises(RefusedError, match="Somebody else changed 'Mine'"):
        save_setup(workspace, seen, Config(threshold=0.2), user="bob")
    assert get_setup(workspace, seen.id).config["threshold"] == 0.1
    assert save_setup(workspace, changed, Config(threshold=0.2)).revision > changed.revision


def test_a_setup_goes_through_its_file_unchanged(workspace):
    setup = create_setup(workspace, "shop", "Läden & 店 #1: yes", Config(roles={"intent": 3, "match": "r-1"}))
    name, config = from_yaml(to_yaml(setup), "shop", Config)
    assert (name, config.model_dump()) == (setup.name, setup.config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenario: shop\nconfig: [", "line"),
        ("scenario: bank\nconfig: {}", "no setup of 'shop'"),
        ("just words", "no setup of 'shop'"),
        ("scenario: shop\nconfig: {threshold: 7}", "'threshold'"),
        ("scenario: shop\nconfig: {colour: red}", "'colour'"),
        ("scenario: shop\nname: &a [x]\nconfig: {roles: *a}", "line 3"),
        ("scenario: shop\nname: !!python/object/apply:os.system [ls]", "line 2"),
        ("[" * 5000, "YAML"),
        ("x" * 2_000_000, "longer than"),
    ],
)
def test_a_bad_file_is_named(text, said):
    with pytest.raises(InputError) as caught:
        from_yaml(text, "shop", Config)
    assert said in str(caught.value)
