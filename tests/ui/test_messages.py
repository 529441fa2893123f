"""Both catalogues are complete: every string of the source, a translation for each, with the same placeholders."""

import re

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from studio.i18n import LANGUAGES, LOCALES
from studio.messages import Id, extract, is_translated, said_by_core

PLACE = re.compile(r"\{\w*\}|%\(\w+\)[sd]")


@pytest.fixture(scope="module")
def source() -> Catalog:
    return extract()


def read(code: str) -> Catalog:
    with (LOCALES / code / "LC_MESSAGES" / "whetstone.po").open("rb") as file:
        return read_po(file, locale=code)


def forms(value: Id | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


@pytest.mark.parametrize("code", LANGUAGES)
def test_catalogue_has_the_ids_of_the_source(code: str, source: Catalog) -> None:
    known, wanted = {m.id for m in messages(read(code))}, {m.id for m in messages(source)}
    assert wanted - known - set(said_by_core()) == set(), "run 'make messages' and translate"


def test_almost_every_sentence_of_core_is_translated() -> None:
    """A new error message is readable English until the next round of translation, so a few may wait."""
    known = {m.id for m in messages(read("zh_CN"))}
    said = set(said_by_core())
    assert len(said - known) <= 0.05 * len(said), sorted(said - known)


@pytest.mark.parametrize("code", LANGUAGES)
def test_nothing_is_left_untranslated(code: str) -> None:
    assert [m.id for m in messages(read(code)) if not is_translated(m.string)] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_placeholders_survive_translation(code: str) -> None:
    for message in messages(read(code)):
        wanted = set(PLACE.findall(forms(message.id)[-1]))
        for form in forms(message.string):
            assert set(PLACE.findall(form)) <= wanted | set(PLACE.findall(forms(message.id)[0])), message.id
        assert set(PLACE.findall(forms(message.string)[-1])) == wanted, message.id


def test_chinese_is_chinese() -> None:
    same = [m.id for m in messages(read("zh_CN")) if m.string == m.id and re.search(r"[a-z]{4,} [a-z]{4,}", str(m.id))]
    assert same == []
