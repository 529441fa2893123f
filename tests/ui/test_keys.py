"""Every label gets a key of its own as far as the keys reach."""

from core.records import Label
from studio.keys import ACTIONS, KEYS, assign_keys


def labels(*keys: str) -> list[Label]:
    return [Label(id=i, name=f"label {i}", key=key) for i, key in enumerate(keys, start=1)]


def test_digits_come_first_then_letters() -> None:
    keys = assign_keys(labels(*[""] * 12))
    assert [*keys.values()] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "A", "B"]


def test_the_key_of_the_schema_is_kept_and_nobody_else_gets_it() -> None:
    assert assign_keys(labels("", "1", "x")) == {1: "2", 2: "1", 3: "X"}


def test_two_labels_that_want_one_key_share_nothing() -> None:
    assert assign_keys(labels("q", "Q")) == {1: "Q", 2: "1"}


def test_no_label_takes_a_key_of_the_page_or_of_streamlit() -> None:
    keys = assign_keys(labels("c", "R", "u", "s", "f", "g", "h", "?", "Enter"))
    assert not set(keys.values()) & {"C", "R", "?", *ACTIONS.values()}
    assert len(set(keys.values())) == 9


def test_150_labels_never_collide() -> None:
    keys = assign_keys(labels(*[""] * 150))
    assert len(keys) == len(set(keys.values())) == len(KEYS)
