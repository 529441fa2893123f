from __future__ import annotations

import pytest

from core.data.language import other_language

TEXTS = {
    "en": "Where is my parcel, I have been waiting for two weeks now.",
    "de": "Wo bleibt mein Paket, ich warte schon seit zwei Wochen darauf.",
    "zh": "我的包裹在哪里，已经等了两个星期了，请尽快帮我处理一下",
    "fr": "Où est mon colis, je l'attends déjà depuis deux semaines.",
}


@pytest.mark.parametrize("language", ["en", "de", "zh", "zh_CN", "fr"])
def test_only_texts_in_another_language_are_found(language: str) -> None:
    found = other_language(list(TEXTS.values()), language)
    expected = [place for place, name in enumerate(TEXTS) if name != language[:2]]
    assert list(found) == expected


def test_short_and_mixed_texts_are_not_judged() -> None:
    texts = ["Hola amigo", "Wo ist es?", "ok 好的 thanks for the 包裹 delivery"]
    assert other_language(texts, "en") == {}


def test_the_detail_names_language_and_confidence() -> None:
    assert other_language([TEXTS["de"]], "en")[0].startswith("German, ")
