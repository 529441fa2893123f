"""Words and meaning together find a passage; an index takes over what it knows."""

from __future__ import annotations

import numpy as np
import pytest

from core.scenarios.customer_service.conversations import Conversation, Message
from core.scenarios.customer_service.search import Index, Passage, conversation_passage, tokenise
from tests.unit.scenarios.customer_service.conftest import PASSAGES, WordEmbedder


def test_the_nearest_passage_comes_first(embedder: WordEmbedder) -> None:
    index = Index.build(PASSAGES, embedder)
    for text, key in (
        ("my kettle shows E3", "entry:1"),
        ("voucher valid?", "entry:2"),
        ("dead lamp", "conversation:3"),
    ):
        hits = index.search(text, embedder.one(text))
        assert hits[0].key == key
        assert [hit.closeness for hit in hits] == sorted((hit.closeness for hit in hits), reverse=True)
        assert 0 < hits[0].similarity <= 1.0


def test_fusion_adds_one_over_sixty_plus_rank(embedder: WordEmbedder) -> None:
    (hit, *_) = Index.build(PASSAGES, embedder).search("kettle error", embedder.one("kettle error"))
    assert hit.score == pytest.approx(2 / 61), "first by words and first by meaning"


@pytest.mark.parametrize("text", ["???", "zzz qqq", "x" * 20_000, "电饭煲"])
def test_a_message_without_a_known_word_breaks_nothing(embedder: WordEmbedder, text: str) -> None:
    hits = Index.build(PASSAGES, embedder).search(text, embedder.one(text))
    assert all(hit.words == 0 for hit in hits)
    assert Index.build([], embedder).search(text, embedder.one(text)) == []


def test_only_new_texts_are_encoded(embedder: WordEmbedder) -> None:
    before = Index.build(PASSAGES, embedder)
    embedder.encoded.clear()
    new = Passage("entry:9", "entry", "New", "Text.", ("asked",))
    after = Index.build([*PASSAGES[1:], new], embedder, before)
    assert embedder.encoded == ["asked", "New. Text."]
    np.testing.assert_allclose(after.vectors, Index.build([*PASSAGES[1:], new], embedder).vectors)


def test_another_customers_number_is_not_told(embedder: WordEmbedder) -> None:
    from datetime import datetime

    talk = Conversation(
        id=4, revision=1, state="resolved", source="chat", user="me", started_at=datetime.now(),
        changed_at=datetime.now(), resolution="Order 42817 of a@b.example was sent again on 4 May.",
        messages=[Message(role="customer", text="lost")],
    )  # fmt: skip
    assert conversation_passage(talk).text == "Order … of … was sent again on 4 May."


def test_tokens_are_words_and_pairs_of_chinese_characters() -> None:
    assert tokenise("Where are the PARCELS of class_1?") == ["where", "parcel", "class", "1"]
    assert tokenise("退货吗 ok") == ["退", "货", "吗", "退货", "货吗", "ok"]
