from __future__ import annotations

from pathlib import Path

import pytest

from core.data.delimited import open_delimited
from core.data.encoding import bad_bytes, detect_encoding, open_text
from core.errors import InputError

FRENCH = "Où est mon colis ? Je l'attends déjà depuis très longtemps\n"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("text,label\n送餐很快，味道也不错,好评\n", "gbk"),
        ("text,label\n這家店的東西很好吃，下次還會再來\n" * 3, "big5"),
        (FRENCH, "latin-1"),
        ("It costs 5 € – “cheap”\n" * 5, "cp1252"),
        ("где моя посылка я жду уже давно\n" * 3, "cp1251"),
        ("荷物はどこですか。まだ届いていません\n" * 3, "shift_jis"),
        ("荷物はどこですか。まだ届いていません\n" * 3, "euc_jp"),
        ("내 소포는 어디에 있나요 아직 도착하지 않았습니다\n" * 3, "euc_kr"),
    ],
)
def test_texts_of_many_encodings_read_right(tmp_path: Path, text: str, codec: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(text.encode(codec))
    encoding = detect_encoding(path)
    assert encoding.guessed
    with open_text(path, encoding) as file:
        assert file.read() == text


def test_a_late_byte_decides(tmp_path: Path) -> None:
    """Two megabytes of plain English, then one line of GBK: the whole file counts, not its start."""
    path = tmp_path / "x"
    path.write_bytes(b"plain English line\n" * 120_000 + "送餐很快，味道也不错\n".encode("gbk") * 5)
    assert detect_encoding(path).name == "gb18030"
    assert detect_encoding(path, limit=1_000_000).name == "utf-8"


def test_damaged_utf8_is_named_by_line_and_byte_and_never_repaired(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("schöne Grüße\n".encode() * 100_000 + b"k\xff\n" + "schöne Grüße\n".encode() * 10)
    with pytest.raises(InputError, match=r"Line 100001 .* \(byte 1,600,002 of the file: FF\)"):
        detect_encoding(path)


def test_a_file_cut_inside_a_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("schöne Grüße".encode()[:-3])
    path.write_bytes("aö".encode("utf-16")[:-1])
    encoding = detect_encoding(path)
    assert encoding.name == "utf-16-le"
    assert "Line 1" in bad_bytes(path, encoding).message


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("a\tb\n1,2\t3\n", "\t"),
        ("a|b\nx, y|2\n", "|"),
        ('text;label\n"one; two";a\n', ";"),
        ("only\none, two\nthree; four\n", ","),
    ],
)
def test_the_delimiter_is_found(tmp_path: Path, content: str, delimiter: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert open_delimited(path, "csv").delimiter == delimiter


def test_columns_without_a_name_get_their_number(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",text, label \n0,a,b\n")
    table = open_delimited(path, "csv")
    assert table.columns == ["column 1", "text", "label"]
    assert "without a name" in table.warnings[0]
