"""What is known of a person is found in its texts, in every usual spelling, and nothing else is."""

from __future__ import annotations

import gc
import string
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.owner.deidentify import Deidentifier, parse_policy
from sealift.owner.deidentify import known as known_module
from sealift.owner.deidentify.known import KnownStore
from sealift.owner.deidentify.matching import find_known
from sealift.owner.deidentify.spellings import Value, forms_of
from sealift.owner.deidentify.wordlists import word_set
from sealift.policy.file import ready_policies
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

SECRET = Secret(bytes(32))
HEAD = """format = 2
name = "x"
version = "1"
[identifiers]
record-number = { action = "hash" }
name = "drop"
phone = { action = "mask", keep_last = 2 }
place = "drop"
email = "drop"
national-number = "drop"
"""
KNOWN = '[known]\nby = ["patient_id"]\n'
COLUMNS = '[columns]\ntext = "keep"\n'


def found(values: Sequence[tuple[str, bool]], text: str) -> list[str]:
    """Return what is found in a text of the person of whom values are known."""
    with KnownStore() as store:
        person = store.people(["1"])
        store.add(person, [forms_of([Value(t, is_name=n) for t, n in values])])
        spans = find_known(store, [text], [person]).get(0, [])
    return [text[span.start : span.end] for span in spans]


PERSON = [
    ("Zorbla", True),
    ("Ferreira-O'Neill", True),
    ("Jürgen", True),
    ("(617) 555-0123", False),
    ("MRN-0047113", False),
    ("078-05-1120", False),
    ("AB12 CDE", False),
    ("12 Main Street", False),
    ("7 Elm Road", False),
    ("1961-04-05", False),
    ("z.ferreira77@example.com", False),
    ("https://example.org/people/zf-9911", False),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seen ZORBLA today", ["ZORBLA"]),
        ("Ferreira, Zorbla", ["Ferreira, Zorbla"]),
        ("Z. Ferreira", ["Z. Ferreira"]),
        ("Ferreira Z.", ["Ferreira Z"]),
        ("o'neill was here", ["o'neill"]),
        ("the ONEILL family", ["ONEILL"]),
        ("by zferreira at noon", ["zferreira"]),
        ("zorblaferreira logged in", ["zorblaferreira"]),
        ("Juergen kam", ["Juergen"]),
        ("JURGEN kam", ["JURGEN"]),
        ("J\u00fc\u00adrgen", ["J\u00fc\u00adrgen"]),
        ("Ferre&iacute;ra &lt;sic&gt;", ["Ferre&iacute;ra"]),
        ("call 6175550123", ["6175550123"]),
        ("call 617.555.0123 now", ["617.555.0123"]),
        ("call +1 617-555-0123", ["617-555-0123"]),
        ("call 555-0123", ["555-0123"]),
        ("record 47113", ["47113"]),
        ("record 0047113", ["0047113"]),
        ("ssn 078051120", ["078051120"]),
        ("ssn 078 05 1120", ["078 05 1120"]),
        ("plate AB12CDE", ["AB12CDE"]),
        ("plate ab-12-cde", ["ab-12-cde"]),
        ("lives at 12 Main Street", ["12 Main Street"]),
        ("lives in ELM ROAD", ["ELM ROAD"]),
        ("born 04/05/1961", ["04/05/1961"]),
        ("born 5.4.1961", ["5.4.1961"]),
        ("mail z.ferreira77@example.com.", ["z.ferreira77@example.com"]),
        ("see example.org/people/zf-9911", []),
        ("see https://example.org/people/zf-9911", ["https://example.org/people/zf-9911"]),
        ("write to someone@example.com", []),
        ("on main street, 12 people", []),
        ("BP 120/80, 98.6, on 3/14", []),
    ],
)  # fmt: skip
def test_usual_spellings_are_found(text: str, expected: list[str]) -> None:
    assert found(PERSON, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Seen in May, he will return in 12 days.",
        "a young woman with a long history",
        "A Young woman",
        "I Will call",
        "Foley catheter placed; grace period; white cells 12",
        "patient's long stay. Will return. May stop.",
        "from the University of the North",
        "no",
    ],
)
def test_common_words_stop_nobody(text: str) -> None:
    values = [
        (name, True)
        for name in ("Will", "May", "Anna", "Young", "Long", "Foley", "Grace", "White")
    ]
    values += [("Ian", True), ("12", False), ("Hospital of the University", False)]
    assert found(values, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Will May", ["Will May"]),
        ("MAY, WILL", ["MAY, WILL"]),
        ("W. May", ["W. May"]),
        ("May W.", ["May W"]),
        ("will may came", ["will may"]),
    ],
)
def test_common_names_are_found_beside_each_other(
    text: str, expected: list[str]
) -> None:
    assert found([("Will", True), ("May", True)], text) == expected


letters = st.text(string.ascii_lowercase, min_size=4, max_size=12).filter(
    lambda word: word not in word_set("words") and word not in word_set("ordinary")
)
numbers = st.text(string.digits, min_size=7, max_size=12).filter(
    lambda digits: digits[0] != "0"
)


@given(letters, letters, numbers, st.data())
@settings(max_examples=60)
def test_a_planted_identifier_is_found_in_any_spelling(
    given_name: str, family: str, number: str, data: st.DataObject
) -> None:
    case = data.draw(st.sampled_from([str.lower, str.upper, str.title]))
    separator = data.draw(st.sampled_from(["", "-", " ", ".", "/"]))
    cut = data.draw(st.integers(1, len(number) - 1))
    planted = data.draw(
        st.sampled_from(
            [
                case(f"{given_name} {family}"),
                case(f"{family}, {given_name}"),
                case(f"{given_name[0]}. {family}"),
                case(f"{family}{given_name}"),
                case(family),
                number[:cut] + separator + number[cut:],
            ]
        )
    )
    text = left = f"Today {planted}, in the ward."
    values = [(given_name, True), (family, True), (number, False)]
    for span in found(values, text):
        left = left.replace(span, "")
    assert left != text
    assert not any(
        value in left.lower() for value, _ in values if value in text.lower()
    )
    assert sum(map(str.isdigit, left)) == 0


@given(st.text(max_size=80))
@settings(max_examples=100)
def test_any_text_and_any_identifier_can_be_compared(text: str) -> None:
    for span in found(
        [(text, True), (text, False), ("Zorbla", True)], f"{text} zorbla"
    ):
        assert span in f"{text} zorbla"


def batch(**columns: list[object]) -> pa.RecordBatch:
    return pa.record_batch(
        {name: pa.array(v, pa.string()) for name, v in columns.items()}
    )


def policy(columns: str = COLUMNS, known: str = KNOWN) -> bytes:
    return (HEAD + known + columns).encode()


def apply(
    records: Sequence[pa.RecordBatch], source: bytes, *, collect: bool = True
) -> tuple[list[pa.RecordBatch], dict[str, int] | None]:
    with Deidentifier(parse_policy(source), records[0].schema, secret=SECRET) as work:
        for one in records if collect else []:
            work.collect(one)
        done = [work.apply(one) for one in records]
        known = work.take_report().known
    return done, None if known is None else {
        "searched": known.searched,
        "unknown": known.unknown,
        "removed": known.removed,
    }


@pytest.mark.parametrize("name", ["Zorbla", "ZORBLA", "Zorbla F."])
def test_a_text_that_is_kept_and_names_its_patient_stops_the_push(name: str) -> None:
    records = batch(
        patient_id=["1", "2", "1"],
        first_name=[None, "Quorra", "Zorbla"],
        text=["stable", f"{name} rests", f"{name} and {name} rest"],
    )
    with pytest.raises(PolicyViolation) as caught:
        apply([records], policy())
    assert caught.value.columns == ("text",)
    # The text of patient 2 does not name patient 2.
    assert "1 of the next values of column 3" in str(caught.value)
    assert "2 in all" in str(caught.value)
    assert "orbla" not in str(caught.value)


def test_an_identifier_counts_for_all_records_of_its_patient_and_no_others() -> None:
    notes = batch(patient_id=["1", "2"], first_name=[None, None], text=["Zorbla", "x"])
    others = batch(patient_id=["2"], first_name=["Zorbla"], text=["stable"])
    done, known = apply([notes, others], policy())
    assert [one["text"].to_pylist() for one in done] == [["Zorbla", "x"], ["stable"]]
    assert known == {"searched": 3, "unknown": 1, "removed": 0}
    last = batch(patient_id=["1"], first_name=["Zorbla"], text=["stable"])
    with pytest.raises(PolicyViolation, match="column 3"):
        apply([notes, others, last], policy())


@pytest.mark.parametrize("whose", [[None, None], ["", " "], ["n/a", "NULL"]])
def test_a_record_of_nobody_is_looked_at_alone(whose: list[str | None]) -> None:
    records = batch(patient_id=whose, first_name=["Zorbla", "Q"], text=["x", "Zorbla"])
    done, _ = apply([records], policy())
    assert done[0]["text"].to_pylist() == ["x", "Zorbla"]
    own = batch(patient_id=whose, first_name=["Zorbla", "Q"], text=["Zorbla", "x"])
    with pytest.raises(PolicyViolation):
        apply([own], policy())


def test_without_by_a_record_is_looked_at_alone() -> None:
    own = batch(first_name=["Zorbla", None], text=["x", "zorbla"])
    done, _ = apply([own], policy(known="[known]\n"))
    assert done[0]["text"].to_pylist() == ["x", "zorbla"]


def test_one_patient_has_one_number_in_any_type_and_padding() -> None:
    schema = pa.schema(
        [
            ("patient_id", pa.string()),
            ("first_name", pa.string()),
            ("text", pa.string()),
        ]
    )
    rows = [
        {"patient_id": "17", "text": "zorbla"},
        {"patient_id": " 17.0 ", "first_name": "Zorbla"},
    ]
    with pytest.raises(PolicyViolation):
        apply([pa.RecordBatch.from_pylist(rows, schema=schema)], policy())


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("phone", "617 555 0199", "at 6175550199"),
        ("ssn", "078-05-1120", "ssn 078051120"),
        ("street", "Quorrastreet 12", "on quorrastreet"),
        ("email", "zorbla@example.com", "zorbla wrote"),
        ("mrn", "0047113", "number 47113"),
    ],
)
def test_what_is_dropped_hashed_or_masked_is_looked_for(
    column: str, value: str, text: str
) -> None:
    records = batch(patient_id=["1"], **{column: [value]}, text=[text])
    with pytest.raises(PolicyViolation):
        apply([records], policy())


def test_parts_of_nested_columns_are_looked_for_and_in() -> None:
    records = pa.RecordBatch.from_pylist(
        [
            {"patient_id": "1", "names": [{"first_name": "Zorbla"}], "notes": [{"text": "a"}]},
            {"patient_id": "1", "names": [], "notes": [{"text": "b"}, {"text": "zorbla"}]},
        ]
    )  # fmt: skip
    rules = '[columns]\n"notes.text" = "keep"\n"names.first_name" = "drop"\n'
    with pytest.raises(PolicyViolation, match="column 3"):
        apply([records], policy(rules))


def test_columns_that_the_policy_names_are_looked_for() -> None:
    records = batch(patient_id=["1"], ward_doctor=["Zorbla"], text=["dr zorbla"])
    rules = COLUMNS + 'ward_doctor = "drop"\n'
    done, _ = apply([records], policy(rules))
    assert done[0]["text"].to_pylist() == ["dr zorbla"]
    with pytest.raises(PolicyViolation):
        apply([records], policy(rules, KNOWN + 'columns = ["*doctor*"]\n'))


def test_closed_lists_codes_and_numbers_are_not_looked_at() -> None:
    records = batch(patient_id=["1"], last_name=["Zorbla"], text=["Zorbla"])
    rules = '[columns]\ntext = { action = "keep", values = ["Zorbla"] }\n'
    done, known = apply([records], policy(rules))
    assert done[0]["text"].to_pylist() == ["Zorbla"]
    assert known == {"searched": 0, "unknown": 0, "removed": 0}


def test_a_text_that_is_scrubbed_loses_what_only_the_last_look_finds() -> None:
    records = batch(
        patient_id=["0047113", "0047113"],
        first_name=[None, "Zorblax"],
        last_name=["", "May"],
        text=["zorblax rests, 47113. She may go.", "no pain"],
    )
    done, known = apply([records], policy('[columns]\ntext = "scrub"\n'))
    assert done[0]["text"][0].as_py() == "<KNOWN> rests, <KNOWN>. She may go."
    assert known == {"searched": 2, "unknown": 0, "removed": 2}


def test_a_report_without_a_last_look_says_nothing_of_one() -> None:
    records = batch(patient_id=["1"], first_name=["Zorbla"], text=["zorbla"])
    done, known = apply([records], policy(known=""))
    assert known is None
    assert done[0]["text"].to_pylist() == ["zorbla"]


def test_bytes_that_are_no_text_are_looked_for_too() -> None:
    name = pa.array([b"M\xfcllerin"], pa.binary()).view(pa.string())
    ids, texts = pa.array(["1"]), pa.array(["Frau Müllerin"])
    records = pa.record_batch([ids, name, texts], ["patient_id", "last_name", "text"])
    with pytest.raises(PolicyViolation):
        apply([records], policy())


def test_the_store_holds_no_plaintext_and_is_wiped() -> None:
    store = KnownStore()
    person = store.people(["quorrazorbla"])
    store.add(person, [forms_of([Value("Zorblaquorra", is_name=True)])])
    assert len(store) > 0
    held = [*store._sorted, *store._people]
    text = b"".join(array.tobytes() for array in held)
    assert b"zorbla" not in text.lower()
    assert not any("zorblaquorra" in repr(vars(store)).lower() for _ in [0])
    store.wipe()
    assert not any(array.any() for array in held)
    assert len(store) == 0
    with pytest.raises(ValueError, match="wiped"):
        store.hash(["x"])


def test_two_stores_have_nothing_in_common() -> None:
    forms = [forms_of([Value("Zorblaquorra", is_name=True)])]
    held = []
    for _ in range(2):
        store = KnownStore()
        store.add(store.people(["1"]), forms)
        held.append(store._sorted[0])
    assert not np.intersect1d(*held).size


def test_no_more_is_held_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_module, "MOST_HASHES", 3)
    records = batch(patient_id=["1"], first_name=["Zorbla Quorra"], text=["x"])
    with pytest.raises(PolicyViolation, match="more of people than can be held"):
        apply([records], policy())


def test_what_is_held_is_found_however_it_was_added() -> None:
    names = [f"zorb{n:05d}" for n in range(300)]
    with KnownStore() as store:
        for name in names:
            store.add(store.people([name]), [forms_of([Value(name, is_name=True)])])
        people = store.people(names)
        assert sorted(find_known(store, names, [people])) == list(range(300))
        assert find_known(store, names, [people[::-1].copy()]) == {}
        assert len(store._sorted) < 12


@pytest.mark.parametrize(
    "name", ["hipaa-safe-harbor", "gdpr-pseudonymous", "av-frames"]
)
def test_ready_policies_with_free_text_have_a_last_look(name: str) -> None:
    ready = ready_policies()[name]
    assert ready.known is not None
    assert ready.known.max_unknown == 0


def test_under_a_ready_policy_a_scrubbed_note_loses_the_name_of_its_patient() -> None:
    records = batch(
        patient_id=["1", "1"], last_name=["Zorblax", None], note=["ok", "zorblax rests"]
    )
    policy_ = ready_policies()["hipaa-safe-harbor"]
    with Deidentifier(policy_, records.schema, secret=SECRET) as work:
        work.collect(records)
        assert work.apply(records)["note"].to_pylist() == ["ok", "<KNOWN> rests"]
    gc.collect()
