"""Better, worse or chance: on the same texts, with an interval."""

import pytest

from core.errors import RefusedError
from core.evaluation import compare, verdict


def test_a_clear_difference_is_said_with_its_interval(scored, random_case):
    gold, good = random_case(1000, right=0.9)
    _, bad = random_case(1000, right=0.4)
    found = compare(scored(gold, good), scored(gold, bad))
    assert found.distinguishable and 0 < found.low < found.difference < found.high
    assert found.sentence("the baseline").text().startswith("better than the baseline by ")
    assert compare(scored(gold, bad), scored(gold, good)).difference == -found.difference


def test_the_interval_is_paired(scored, random_case):
    """Two models that are wrong in nearly the same rows: the difference is far surer than either figure."""
    gold, first = random_case(1000, right=0.6)
    second = [g if 10 <= i < 70 else p for i, (g, p) in enumerate(zip(gold, first, strict=True))]
    found = compare(scored(gold, second), scored(gold, first))
    low, high = scored(gold, first).intervals["accuracy"]
    assert found.distinguishable and found.high - found.low < (high - low) / 2


def test_chance_is_called_chance(scored, random_case):
    gold, first = random_case(40, right=0.7)
    second = [gold[0] if i == 0 else p for i, p in enumerate(first)]
    second[1] = "greeting" if gold[1] != "greeting" else "refund"
    found = compare(scored(gold, first), scored(gold, second))
    assert not found.distinguishable and "not distinguishable" in found.sentence().text()


def test_mcnemar_looks_at_the_rows_that_one_model_got_right(scored):
    gold = ["refund"] * 12
    found = compare(scored(gold, gold), scored(gold, ["delivery"] * 6 + ["refund"] * 6))
    assert (found.only_first_right, found.only_second_right) == (6, 0)
    assert found.p_value == pytest.approx(2 / 2**6)
    assert compare(scored(gold, gold), scored(gold, gold)).p_value == 1


def test_different_texts_cannot_be_compared(scored):
    first = scored(["refund"], ["refund"])
    other = first.model_copy(update={"item_ids": [1]})
    with pytest.raises(RefusedError, match="different texts"):
        compare(first, other)
    with pytest.raises(RefusedError, match="gold labels"):
        compare(first, scored(["delivery"], ["delivery"]))


@pytest.mark.parametrize(
    ("own", "base", "words"),
    [(0.95, 0.3, "Better than"), (0.3, 0.95, "do not use"), (0.6, 0.6, "simpler model may do")],
)
def test_the_verdict_stands_beside_the_baseline(own, base, words, scored, random_case):
    gold, mine = random_case(500, right=own)
    _, baseline = random_case(500, right=base)
    sentences = [m.text() for m in verdict(scored(gold, mine).beside(baseline=scored(gold, baseline)))]
    assert sentences[0].startswith("Right in ") and words in sentences[1]


def test_messages_are_translated_before_their_values_are_put_in(scored):
    sentence = verdict(scored(["refund"], ["refund"]))[0]
    assert sentence.text(lambda key: "{accuracy}!" if key == sentence.key else key) == "100.0 %!"
