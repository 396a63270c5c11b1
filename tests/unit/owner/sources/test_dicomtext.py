"""Texts of DICOM elements: every character set of PS3.3 C.12.1.1.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.sources.dicomtext import character_set, texts_of

# Names of PS3.5 annexes H (Japanese), I (Korean), J (Chinese) and X (Chinese by code extension).
ANNEXES = [
    (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
        b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7="
        b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        ["ISO_IR 192"],
        "Wang^XiaoDong=王^小东=".encode(),
        "Wang^XiaoDong=王^小东=",
    ),
    (
        ["GB18030"],
        "Wang^XiaoDong=王^小东=".encode("gb18030"),
        "Wang^XiaoDong=王^小东=",
    ),
    (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    (["GBK"], "Wang=王^小東".encode("gbk"), "Wang=王^小東"),
    (
        ["", "ISO 2022 IR 159"],
        b"\x1b$(D0!\x1b(B",
        "\u4e02",
    ),
]
ONE_BYTE = [
    (100, b"-A", "latin_1", "Müller^Jürg"),
    (101, b"-B", "iso8859_2", "Wałęsa^Lech"),
    (109, b"-C", "iso8859_3", "Ĉapek^Ĥ"),
    (110, b"-D", "iso8859_4", "Bērziņš^Jānis"),
    (144, b"-L", "iso8859_5", "Люксембург"),
    (127, b"-G", "iso8859_6", "قباني^لنزار"),
    (126, b"-F", "iso8859_7", "Διονυσιος"),
    (138, b"-H", "iso8859_8", "שרון^דבורה"),
    (148, b"-M", "iso8859_9", "Çavuşoğlu"),
    (203, b"-b", "iso8859_15", "Œuvre^Šárka"),
    (166, b"-T", "iso8859_11", "นามสกุล"),
]


@pytest.mark.parametrize(("terms", "content", "text"), ANNEXES)
def test_names_of_the_standards_annexes_are_decoded(
    terms: list[str], content: bytes, text: str
) -> None:
    assert texts_of(content, "PN", character_set(terms)) == [text]
    if len(terms) > 1 and not terms[0]:
        # The first value is missing, against the standard.
        assert texts_of(content, "PN", character_set(terms[1:])) == [text]


@pytest.mark.parametrize(("number", "escape", "codec", "text"), ONE_BYTE)
def test_sets_of_one_byte_are_decoded_alone_and_after_an_escape(
    number: int, escape: bytes, codec: str, text: str
) -> None:
    content = text.encode(codec)
    for term in (f"ISO_IR {number}", f"ISO 2022 IR {number}", f"ISO IR {number} "):
        assert texts_of(content, "PN", character_set([term])) == [text]
    escaped = b"^".join(b"\x1b" + escape + part for part in content.split(b"^"))
    terms = ["", f"ISO 2022 IR {number}"]
    assert texts_of(escaped, "PN", character_set(terms)) == [text]


def test_katakana_is_one_byte_a_character() -> None:
    assert texts_of(b"\xd4\xcf\xc0\xde", "LO", character_set(["ISO_IR 13"])) == ["ﾔﾏﾀﾞ"]
    with pytest.raises(UnicodeError):
        texts_of(b"\x8e\x52", "LO", character_set(["ISO_IR 13"]))


def test_a_backslash_within_a_character_separates_no_values() -> None:
    # The second byte of these characters is 0x5C.
    assert texts_of("丂\\表".encode("gbk"), "LO", character_set(["GBK"])) == [
        "丂",
        "表",
    ]
    kanji = b"\x1b$B0\\\x1b(B\\x"
    assert texts_of(kanji, "LO", character_set(["", "ISO 2022 IR 87"])) == ["移", "x"]


def test_a_delimiter_returns_to_the_first_set() -> None:
    terms = ["ISO 2022 IR 100", "ISO 2022 IR 144"]
    content = b"\x1b-L\xbb^\xfc"
    assert texts_of(content, "PN", character_set(terms)) == ["Л^ü"]
    assert texts_of(b"\x1b-L\xbb\\\xfc", "LO", character_set(terms)) == ["Л", "ü"]
    assert texts_of(b"\x1b-L\xbb\r\n\xfc", "LT", character_set(terms)) == ["Л\r\nü"]


@pytest.mark.parametrize(
    ("terms", "content"),
    [
        (["ISO_IR 999"], b"M\xfcller"),
        (["canary"], b"M\xfcller"),
        (["", "ISO 2022 IR 87"], b"M\xfcller"),
        (["ISO_IR 192"], b"M\xfcller"),
        (["", "ISO 2022 IR 87"], b"\x1b$B\x21"),
        (["ISO_IR 100"], b"\x1b%Gabc"),
    ],
)
def test_what_is_not_in_the_character_set_is_no_text(
    terms: list[str], content: bytes
) -> None:
    with pytest.raises(UnicodeError):
        texts_of(content, "LO", character_set(terms))


def test_without_a_character_set_accents_are_latin_1_and_codes_are_ascii() -> None:
    assert texts_of(b"M\xfcller", "LO", character_set([])) == ["Müller"]
    assert texts_of(b"Miller", "LO", character_set(["nonsense"])) == ["Miller"]
    with pytest.raises(UnicodeError):
        texts_of(b"M\xfc", "CS", character_set(["ISO_IR 100"]))


@given(st.binary(max_size=60), st.sampled_from(["LO", "PN", "UT"]))
def test_any_bytes_are_a_text_or_refused(content: bytes, vr: str) -> None:
    for terms in ([], ["GBK"], ["ISO 2022 IR 13", "ISO 2022 IR 87"], ["?"]):
        try:
            texts_of(content, vr, character_set(terms))
        except UnicodeError:
            continue
