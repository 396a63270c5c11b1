"""HL7 version 2 messages as rows or whole, and the errors for broken messages."""

from __future__ import annotations

import datetime
import gzip
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DOCS

from sealift.cli.hints import hint_of
from sealift.owner.sources import (
    BEGINNING,
    SkipRejects,
    SourceOptions,
    StopAtRejects,
    open_source,
)
from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.fileset import Fileset, find_files
from sealift.owner.sources.hl7 import Hl7Source
from sealift.owner.sources.hl7_columns import RowMaker
from sealift.owner.sources.interface import Rejects
from sealift_protocol.errors import EmptySource, SourceChanged, SourceError

Row = dict[str, Any]


def admission(number: int, *more: str, charset: str = "") -> list[str]:
    return [
        rf"MSH|^~\&|EPIC|GH|LAB|RH|20240102030405-0500||ADT^A01^ADT_A01|C{number}|P|2.5.1"
        + (f"||||||{charset}" if charset else ""),
        "EVN|A01|202401020304",
        f"PID|1||{number}^^^SSA^SS~M{number}^^^GH^MR||Ng&van^Anna^B||19700517|F||2106-3"
        "|1 Main St&Main^^Boston^MA^02101^USA||555-1|||M||A77|999",
        "PV1|1|I|W1^2|E|||123^Doe|||CAR||||7|||||V55"
        + "|" * 17
        + "01||||||||20240101|202401050830",
        "DG1|1||I21.9^Infarction^I10||20240101|A",
        *more,
    ]


REPORT = [
    "OBR|1|||24331-1^Lipid panel^LN",
    "OBX|1|NM|2093-3^Cholesterol^LN||182|mg/dL|<200|N|||F|||20240102",
    r"OBX|2|TX|8251-1^Comment^LN||fasting\.br\5 \T\ more~see \X41\||||||F",
    'OBX|3|CE|883-9^ABO^LN||112144000^A^SCT||""',
    "NK1|1|canary",
]


def message(segments: list[str], end: str = "\r") -> bytes:
    return "".join(segment + end for segment in segments).encode()


def source_of(
    path: Path, *, rejects: Rejects | None = None, **options: Any
) -> Hl7Source:
    root, paths = find_files(str(path))
    return Hl7Source(
        Fileset(root, paths, Opener()), rejects=rejects or StopAtRejects(), **options
    )


def rows_of(source: Any) -> list[Row]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def rows(tmp_path: Path, content: bytes, **options: Any) -> list[Row]:
    path = tmp_path / "messages.hl7"
    path.write_bytes(content)
    return rows_of(source_of(path, **options))


def ids(found: list[Row]) -> list[object]:
    return [row["control_id"] for row in found]


# --- columns -------------------------------------------------------------------------------------


def test_a_message_becomes_a_row(tmp_path: Path) -> None:
    path = tmp_path / "messages.hl7"
    path.write_bytes(message(admission(1, *REPORT)))
    source = open_source(path)
    (row,) = rows_of(source)
    said = {name: value for name, value in row.items() if value is not None}
    observations, diagnoses = said.pop("observations"), said.pop("diagnoses")
    assert said == {
        "sending_application": "EPIC",
        "sending_facility": "GH",
        "receiving_application": "LAB",
        "receiving_facility": "RH",
        "message_time": datetime.datetime(2024, 1, 2, 3, 4, 5),
        "message_time.precision": "second",
        "message_time.offset": "-0500",
        "message_type": "ADT",
        "event": "A01",
        "message_structure": "ADT_A01",
        "control_id": "C1",
        "version": "2.5.1",
        "event_time": datetime.datetime(2024, 1, 2, 3, 4),
        "event_time.precision": "minute",
        "patient_id": "M1",
        "patient_ids": [
            {"id": "1", "authority": "SSA", "type": "SS"},
            {"id": "M1", "authority": "GH", "type": "MR"},
        ],
        "family_name": "Ng",
        "given_name": "Anna",
        "middle_name": "B",
        "birth_date": datetime.datetime(1970, 5, 17),
        "birth_date.precision": "day",
        "sex": "F",
        "race": "2106-3",
        "races": ["2106-3"],
        "street": "1 Main St",
        "city": "Boston",
        "state": "MA",
        "postal_code": "02101",
        "country": "USA",
        "home_phone": "555-1",
        "marital_status": "M",
        "account_number": "A77",
        "social_security_number": "999",
        "patient_class": "I",
        "point_of_care": "W1",
        "admission_type": "E",
        "attending_doctor": "123",
        "hospital_service": "CAR",
        "admit_source": "7",
        "visit_number": "V55",
        "discharge_disposition": "01",
        "admit_time": datetime.datetime(2024, 1, 1),
        "admit_time.precision": "day",
        "discharge_time": datetime.datetime(2024, 1, 5, 8, 30),
        "discharge_time.precision": "minute",
    }
    assert observations == [
        {
            "order": "24331-1",
            "code": "2093-3",
            "text": "Cholesterol",
            "system": "LN",
            "type": "NM",
            "value": "182",
            "units": "mg/dL",
            "reference_range": "<200",
            "flag": "N",
            "status": "F",
            "time": "20240102",
        },
        {
            "order": "24331-1",
            "code": "8251-1",
            "text": "Comment",
            "system": "LN",
            "type": "TX",
            "value": "fasting\n5 & more\nsee A",
            "units": None,
            "reference_range": None,
            "flag": None,
            "status": "F",
            "time": None,
        },
        {
            "order": "24331-1",
            "code": "883-9",
            "text": "ABO",
            "system": "LN",
            "type": "CE",
            "value": "112144000^A^SCT",
            "units": None,
            "reference_range": None,
            "flag": None,
            "status": None,
            "time": None,
        },
    ]
    assert diagnoses == [
        {
            "code": "I21.9",
            "text": "Infarction",
            "system": "I10",
            "time": "20240101",
            "type": "A",
        }
    ]
    assert isinstance(source, Hl7Source)
    assert source.left_out == {"NK1": 1}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"one\.br\two\.sp2\three", "one\ntwo\n\nthree"),
        (r"\H\bold\N\ text", "bold text"),
        (
            r"\XC3A9\t\X7\ \Zunknown\ \C2842\ end\ ",
            "ét\\X7\\ \\Zunknown\\ \\C2842\\ end\\ ",
        ),
        (r"\.br99999999\x", r"\.br99999999\x"),
        (r"\.brx\ \.br²\ ", r"\.brx\ \.br²\ "),
    ],
)
def test_escape_sequences_are_replaced_and_unknown_ones_stay(
    text: str, meaning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    segments = admission(1, f"OBX|1|TX|1||{text}|")
    (row,) = rows(tmp_path, message(segments))
    assert row["observations"][0]["value"] == meaning
    assert not caplog.records


def test_a_message_may_use_other_separators(tmp_path: Path) -> None:
    segments = [
        r"MSH#*%!@#A#B#C#D#2024##ORU*R01#7#P#2.3",
        "PID###9*x##O!T!Neil*Al@l%Other",
    ]
    (row,) = rows(tmp_path, message(segments))
    assert (row["message_type"], row["event"]) == ("ORU", "R01")
    assert (row["family_name"], row["given_name"]) == ("O@Neil", "Al")


def test_partial_times_keep_what_was_said(tmp_path: Path) -> None:
    texts = ["1970", "197005", "1970051712", "19700517121314.5678+0200", '""', ""]
    found = []
    for text in texts:
        segments = [segment.replace("19700517", text) for segment in admission(1)]
        found += rows(tmp_path, message(segments))
    assert [row["birth_date"] for row in found] == [
        datetime.datetime(1970, 1, 1),
        datetime.datetime(1970, 5, 1),
        datetime.datetime(1970, 5, 17, 12),
        datetime.datetime(1970, 5, 17, 12, 13, 14, 567800),
        None,
        None,
    ]
    names = [row["birth_date.precision"] for row in found]
    assert names == ["year", "month", "hour", "second", None, None]
    assert [row["birth_date.offset"] for row in found][3:] == ["+0200", None, None]


def test_whole_messages_keep_their_text(tmp_path: Path) -> None:
    framed = b"\x0b" + message(admission(1, *REPORT), "\r\n") + b"\x1c\r"
    (row,) = rows(tmp_path, framed, whole=True)
    text = message(admission(1, *REPORT)).decode()
    assert row == {
        "message_type": "ADT",
        "event": "A01",
        "control_id": "C1",
        "message": text,
    }


def test_the_page_on_hl7_lists_every_column() -> None:
    page = (DOCS / "owner/sources/hl7.md").read_text()
    section = page.partition("## As columns\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert listed == [
        name
        for name in RowMaker.schema.names
        if not name.endswith((".precision", ".offset"))
    ]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".hl7", ".hl7.gz"])
def test_a_source_continued_at_any_chunk_gives_the_same_rows(
    end: str, suffix: str, tmp_path: Path
) -> None:
    content = b"".join(message(admission(number, *REPORT), end) for number in range(20))
    path = tmp_path / f"messages{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".hl7.gz" else content)
    for size in (7, 1000, 3001):
        source = source_of(path, block_size=size)
        (part,) = source.parts()
        chunks = list(source.read(part, BEGINNING))
        assert len(chunks) > 4
        found = [row for chunk in chunks for row in chunk.batch.to_pylist()]
        assert ids(found) == [f"C{number}" for number in range(20)]
        done = 0
        for chunk in chunks:
            done += len(chunk.batch)
            rest = [
                row
                for more in source.read(part, chunk.end)
                for row in more.batch.to_pylist()
            ]
            assert rest == found[done:]


def test_frames_and_envelopes_are_no_records(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbfFHS|^~\\&|\rBHS|^~\\&|\r"
        + message(admission(1))
        + b"\x0b"
        + message(admission(2))
        + b"\x1c\rBTS|2\rBHS|^~\\&|\r\r"
        + message(admission(3))
        + b"BTS|1\rFTS|2\r"
    )
    for size in (5, 1 << 20):
        rejects = SkipRejects()
        assert ids(rows(tmp_path, content, block_size=size, rejects=rejects)) == [
            "C1",
            "C2",
            "C3",
        ]
        assert rejects.count == 0


def test_a_file_that_has_grown_goes_on_unless_its_last_message_did(
    tmp_path: Path,
) -> None:
    path = tmp_path / "messages.hl7"
    first = message(admission(1))
    for kept, added, fine in [
        (first, message(admission(2)), True),
        (first.rstrip(b"\r"), b"\r\n" + message(admission(2)), True),
        (first, b"BTS|1\r" + message(admission(2)), True),
        (first, b"\x1c\r\x0b" + message(admission(2)), True),
        (first, b"OBX|1|NM|1||2\r" + message(admission(2)), False),
        (first.rstrip(b"\r"), b"more\r" + message(admission(2)), False),
        (first.rstrip(b"\r"), message(admission(2)), False),
    ]:
        path.write_bytes(kept)
        source = source_of(path, block_size=3)
        (part,) = source.parts()
        mark = list(source.read(part, BEGINNING))[-1].end
        assert list(source.read(part, mark)) == []
        path.write_bytes(kept + added)
        if fine:
            rest = [
                row
                for chunk in source.read(part, mark)
                for row in chunk.batch.to_pylist()
            ]
            assert ids(rest) == ["C2"]
        else:
            with pytest.raises(SourceChanged):
                list(source.read(part, mark))
    path.write_bytes(kept[:-5])
    with pytest.raises(SourceChanged):
        list(source.read(part, mark))


def test_the_character_set_of_a_message_wins_over_the_option(tmp_path: Path) -> None:
    latin = message(
        [s.replace("Anna", "Ann\u00e9") for s in admission(1, charset="8859/1")]
    )
    latin = latin.decode().encode("latin-1")
    named = message(
        [s.replace("Anna", "Ann\u00e9") for s in admission(2, charset="UNICODE UTF-8")]
    )
    content = latin + named
    assert [row["given_name"] for row in rows(tmp_path, content)] == ["Ann\u00e9"] * 2
    silent = latin.replace(b"8859/1", b"ASCII")
    assert rows(tmp_path, silent, encoding="latin-1")[0]["given_name"] == "Ann\u00e9"
    error = refuse(tmp_path, silent)
    assert "line 3: the text is not utf-8" in str(error)
    assert "--encoding" in hint_of(error)


def test_a_source_without_messages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.hl7"
    path.touch()
    with pytest.raises(EmptySource):
        open_source(path)
    path.write_text("\r\n\r\n")
    assert rows_of(open_source(path, SourceOptions(whole=True))) == []


def refuse(tmp_path: Path, content: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows(tmp_path, content)
    assert "canary" not in str(caught.value)
    assert caught.value.path == tmp_path / "messages.hl7"
    return caught.value


def changed(segment: int, old: str, new: str) -> list[str]:
    segments = admission(2)
    assert old in segments[segment]
    segments[segment] = segments[segment].replace(old, new)
    return segments


@pytest.mark.parametrize(
    ("segments", "line", "what"),
    [
        (changed(2, "19700517", "canary"), 8, "PID-7 is not a time"),
        (changed(2, "19700517", "19701317"), 8, "PID-7 is not a time"),
        (changed(3, "PV1", "canary"), 9, "does not begin with a segment name"),
        (changed(0, "ADT^A01^ADT_A01", ""), 6, "MSH does not name a message type"),
        (changed(0, r"^~\&", "^^^^"), 6, "MSH does not define its separators"),
        (changed(0, r"|^~\&|", "||"), 6, "MSH does not define its separators"),
        (admission(2, "PID|2||canary"), 11, "about several patients"),
        (admission(2, charset="canary"), 6, "MSH-18 names an unknown character set"),
        (["MSH|"], 6, "MSH does not define"),
    ],
)
@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_a_broken_message_is_named_by_line_or_left_out(
    segments: list[str], line: int, what: str, end: str, tmp_path: Path
) -> None:
    broken = message(segments, end)
    content = message(admission(1), end) + broken + message(admission(3), end)
    error = refuse(tmp_path, content)
    assert error.line == line
    assert f"line {line}: " in str(error)
    assert what in str(error)
    taken: list[bytes] = []

    class Kept(SkipRejects):
        def reject(self, error: SourceError, content: bytes) -> None:
            taken.append(content)

    assert ids(rows(tmp_path, content, rejects=Kept(), block_size=100)) == ["C1", "C3"]
    assert taken == [broken]


def test_text_before_the_first_message_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "messages.hl7"
    path.write_bytes(
        b"# export of canary\r\n\r\nFHS|^~\\&|\r\n--\r\n" + message(admission(1))
    )
    for size in (5, 1 << 20):
        source = source_of(path, block_size=size)
        assert ids(rows_of(source)) == ["C1"]
        assert source.left_out["text before the first message"] == 2


def test_text_without_a_message_is_rejected(tmp_path: Path) -> None:
    content = b"\r\nline of a log: " + message(admission(1))[:-1]
    error = refuse(tmp_path, content)
    assert "line 2: there is no message in this text" in str(error)
    rejects = SkipRejects()
    assert rows(tmp_path, content, rejects=rejects) == []
    assert rejects.count == 1


REPORT_TEXT = "first\nsecond | no\n\nMRI\nlast"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("whole", [False, True])
def test_line_ends_inside_a_text_do_not_end_its_segment(
    end: str, whole: bool, tmp_path: Path
) -> None:
    text = REPORT_TEXT.replace(" | ", " ")
    results = [
        f"OBX|1|TX|1^Report^L||{text}|||N|||F",
        f"NTE|1||{text}",
        "OBX|2|TX|2||x",
    ]
    found = rows(
        tmp_path, message([*admission(1, *results), *admission(2)], end), whole=whole
    )
    assert ids(found) == ["C1", "C2"]
    if whole:
        assert text in found[0]["message"]
        return
    first, second = found[0]["observations"]
    assert (first["value"], first["flag"], first["status"]) == (text, "N", "F")
    assert second["value"] == "x"


def test_a_line_that_is_no_text_is_still_refused(tmp_path: Path) -> None:
    for before in ("OBX|1|TX|1||done|", "NK1|1|x", "OBX|1|TX|1"):
        segments = admission(1, before, "canary of a log")
        assert "does not begin with a segment" in str(
            refuse(tmp_path, message(segments))
        )


def test_a_segment_after_another_line_end_is_a_segment(tmp_path: Path) -> None:
    first, *rest = admission(1)
    (row,) = rows(tmp_path, first.encode() + b"\r" + message(rest, "\n"))
    assert (row["family_name"], row["patient_class"]) == ("Ng", "I")


@given(
    content=st.text(alphabet='|^~\\&\rAMSHPID1"é\x1c', max_size=80), whole=st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_a_message_ends_as_a_row_or_a_named_error(
    content: str, whole: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hl7")
    middle = rf"MSH|^~\&|A|B|C|D|||ADT|2{content}".encode()
    rejects = SkipRejects()
    all_of_it = message(admission(1)) + middle + b"\r" + message(admission(3))
    found = rows(path, all_of_it, rejects=rejects, whole=whole)
    assert len(found) + rejects.count >= 3
    assert (ids(found)[0], ids(found)[-1]) == ("C1", "C3")


def test_lines_are_counted_over_what_was_pushed_before(tmp_path: Path) -> None:
    segments = admission(1, "OBX|1|TX|1||")
    size = len(message(segments, "\r\n"))
    # The line end that is skipped in two steps counts once.
    segments[-1] += "x" * ((1 << 20) - size + 1)
    first = message(segments, "\r\n")
    assert first[(1 << 20) - 1 : (1 << 20) + 1] == b"\r\n"
    path = tmp_path / "messages.hl7"
    path.write_bytes(first + message(changed(2, "19700517", "canary"), "\r\n"))
    source = source_of(path, block_size=1000)
    (part,) = source.parts()
    mark = next(source.read(part, BEGINNING)).end
    assert mark == str(len(first))
    with pytest.raises(SourceError) as caught:
        list(source.read(part, mark))
    assert caught.value.line == 9


def test_comparators_and_ratios_of_structured_numbers_have_a_place(
    tmp_path: Path,
) -> None:
    results = [
        "OBX|1|SN|5048-4^ANA titre^LN||<^128",
        "OBX|2|NM|2093-3^Cholesterol^LN||182|mg/dL",
        "OBX|3|SN|5048-4^ANA titre^LN||^1^:^128",
    ]
    (row,) = rows(tmp_path, message(admission(1, *results)))
    names = ("comparator", "number", "separator", "second_number")
    assert row["structured_numbers"] == [
        dict(zip(names, ("<", "128", None, None), strict=True)),
        None,
        dict(zip(names, (None, "1", ":", "128"), strict=True)),
    ]
    assert [one["value"] for one in row["observations"]] == ["<^128", "182", "^1^:^128"]
    (row,) = rows(tmp_path, message(admission(1, *REPORT)))
    assert row["structured_numbers"] is None


def test_a_patient_of_two_races_is_of_neither_alone(tmp_path: Path) -> None:
    segments = [s.replace("2106-3", "2106-3^White~2028-9^Asian") for s in admission(1)]
    both, one = rows(tmp_path, message([*segments, *admission(2)]))
    assert (both["race"], both["races"]) == (None, ["2106-3", "2028-9"])
    assert (one["race"], one["races"]) == ("2106-3", ["2106-3"])
    assert (one["ethnic_group"], one["ethnic_groups"]) == (None, None)


TABLE_0211 = [
    *(
        (f"8859/{n}", f"iso8859-{n}", text)
        for n, text in [
            (1, "Müller"),
            (2, "Dvořák"),
            (3, "Ġużè"),
            (4, "Ķēniņš"),
            (5, "Иванов"),
            (6, "محمد"),
            (7, "Παπά"),
            (8, "כהן"),
            (9, "Şahin"),
            (15, "Cœur"),
        ]
    ),
    ("UNICODE UTF-8", "utf-8", "Дворжак"),
    ("UNICODE", "utf-8", "Дворжак"),
    ("GB 18030-2000", "gb18030", "张伟㐀"),
    ("KS X 1001", "euc_kr", "김철수"),
    ("BIG-5", "big5", "陳大文"),
    ("ISO IR87", "iso2022_jp", "山田"),
    ("~ISO IR87", "iso2022_jp", "山田"),
    ("ASCII~ISO IR87", "iso2022_jp", "山田"),
    ("ISO IR6~ISO IR87~ISO IR159", "iso2022_jp_ext", "山田丂"),
    ("ISO IR14", "shift_jis", "ﾔﾏﾀﾞ"),
]


@pytest.mark.parametrize(("charset", "codec", "name"), TABLE_0211)
def test_the_character_sets_of_table_0211_are_read(
    charset: str, codec: str, name: str, tmp_path: Path
) -> None:
    text = message(admission(1, charset=charset)).decode()
    (row,) = rows(tmp_path, text.replace("Ng&van", name).encode(codec))
    assert (row["family_name"], row["given_name"]) == (name, "Anna")


@pytest.mark.parametrize(
    "codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
@pytest.mark.parametrize("charset", ["", "UNICODE UTF-16", "UNICODE UTF-32"])
def test_files_in_utf16_and_utf32_are_read(
    codec: str, charset: str, tmp_path: Path
) -> None:
    text = "".join(message(admission(n, charset=charset)).decode() for n in range(5))
    path = tmp_path / "messages.hl7"
    path.write_bytes(text.replace("Ng&van", "Дворжак\U00020000").encode(codec))
    source = source_of(path, block_size=101)
    (part,) = source.parts()
    chunks = list(source.read(part, BEGINNING))
    found = [row for chunk in chunks for row in chunk.batch.to_pylist()]
    assert [row["family_name"] for row in found] == ["Дворжак\U00020000"] * 5
    rest = [r for c in source.read(part, chunks[1].end) for r in c.batch.to_pylist()]
    assert rest == found[sum(len(c.batch) for c in chunks[:2]) :]
    assert not source.continues(part)
    digests = {source.digest(part, mark) for mark in (BEGINNING, chunks[1].end)}
    assert len(digests) == 1


def test_a_file_in_utf16_that_is_cut_is_refused(tmp_path: Path) -> None:
    text = message(admission(1)).decode()
    assert "not utf-16-le" in str(refuse(tmp_path, text.encode("utf-16-le")[:-1]))


@pytest.mark.parametrize(
    ("charset", "content", "name"),
    [
        (
            "8859/1~8859/5",
            "Müller \\C2D4C\\".encode("latin-1") + "Иван".encode("iso8859-5"),
            "Müller Иван",
        ),
        ("~ISO IR87", rb"\M2442\;3ED\C2842\ X", "山田 X"),
        ("ASCII~KS X 1001", b"\x1b$)C" + "김".encode("euc_kr"), "김"),
    ],
)
def test_a_text_that_switches_sets_is_read(
    charset: str, content: bytes, name: str, tmp_path: Path
) -> None:
    before = message(admission(1, charset=charset))
    (row,) = rows(tmp_path, before.replace(b"Ng&van", content))
    assert (row["family_name"], row["given_name"]) == (name, "Anna")


@pytest.mark.parametrize(
    "charset", ["KOI8-R~ISO IR87", "CNS 11643-1992", "8859/1~canary", "BIG-5~8859/1"]
)
def test_character_sets_that_do_not_go_together_are_refused(
    charset: str, tmp_path: Path
) -> None:
    content = message(admission(1, charset=charset))
    with pytest.raises(SourceError, match="unknown character set"):
        rows(tmp_path, content)
