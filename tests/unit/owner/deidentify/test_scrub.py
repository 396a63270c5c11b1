"""Free text: what is taken out of it, what stays, and what its processes leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from corpus.clinical_notes import clinical_notes
from corpus.marked import read_marked
from corpus.measure_recall import measure, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift.owner.deidentify.analysis import Analysis
from sealift.owner.deidentify.patterns import PATTERNS
from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.recognisers import ENTITIES
from sealift.owner.deidentify.scrub import ALL, TextScrubber
from sealift.owner.deidentify.spans import CHUNK, OVERLAP, Span, agree, chunks
from sealift_protocol.errors import InvalidArgument, PolicyViolation


@pytest.fixture(scope="module")
def scrubber() -> Iterator[TextScrubber]:
    with TextScrubber() as scrubber:
        yield scrubber


def scrub(scrubber: TextScrubber, text: str) -> str:
    scrubbed, _ = scrubber.scrub(pa.array([text]))
    result = scrubbed[0].as_py()
    assert isinstance(result, str)
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seen by Dr. Maria Lopez today.", "Seen by <PERSON> today."),
        ("Patient: SMITH, John A.", "Patient: <PERSON>."),
        ("He is the son of Erika Mustermann.", "He is the son of <PERSON>."),
        ("Signed by Nguyễn Thị Hoa, RN", "Signed by <PERSON>, RN"),
        ("Mrs. O'Brien-García denies pain.", "<PERSON> denies pain."),
        ("Dr. Foley removed the Foley catheter.", "<PERSON> removed the Foley catheter."),
        ("Lives at 12 Oak Street Apt. 4, Dayton, OH 45402.",
         "Lives at <LOCATION>."),
        ("P.O. Box 1234", "<LOCATION>"),
        ("Transferred from Mercy General Hospital.", "Transferred from <LOCATION>."),
        ("from Cook County", "from <LOCATION>"),
        ("Works for Acme Widgets Inc since 2004.", "Works for <EMPLOYER> since 2004."),
        ("on 12/03/2019", "on <DATE>"),
        ("on 2019-03-12", "on <DATE>"),
        ("on 2019-03-12T14:05:00Z", "on <DATE>"),
        ("on March 12", "on <DATE>"),
        ("on 12 March 2019", "on <DATE>"),
        ("on Mar 12th", "on <DATE>"),
        ("on 12-Mar-19", "on <DATE>"),
        ("seen 3/12", "seen <DATE>"),
        ("in March 2019", "in <DATE>"),
        ("in May", "in <DATE>"),
        ("on Tuesday", "on <DATE>"),
        ("on Thanksgiving", "on <DATE>"),
        ("out of Lasix on the 14th", "out of Lasix on the <DATE>"),
        ("postal code LS1 4AB", "postal code <LOCATION>"),
        ("the pharmacy on Main St.", "the pharmacy on <LOCATION>."),
        ("a 92-year-old man", "a <AGE>-year-old man"),
        ("aged 101", "aged <AGE>"),
        ("died at ninety-four", "died at <AGE>"),
        ("94 y/o female", "<AGE> y/o female"),
        ("Phone (555) 123-4567 ext. 12", "Phone <PHONE>"),
        ("call +44 20 7946 0958", "call <PHONE>"),
        ("Fax: 555-123-4567", "Fax: <FAX>"),
        ("write to a.b-c@mail.example.org.", "write to <EMAIL>."),
        ("SSN 123-45-6789", "SSN <SSN>"),
        ("last four of SSN: 6789", "last four of SSN: <SSN>"),
        ("MRN: 00123456", "MRN: <MRN>"),
        ("Medical Record Number 12-34-56", "Medical Record Number <MRN>"),
        ("Member ID: XYZ123456789", "Member ID: <HEALTH_PLAN>"),
        ("Medicare 1EG4-TE5-MK73", "Medicare <HEALTH_PLAN>"),
        ("Account #: 5562-7254", "Account #: <ACCOUNT>"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN <ACCOUNT>"),
        ("card 4111 1111 1111 1111", "card <ACCOUNT>"),
        ("DEA BL1234567", "DEA <CERTIFICATE>"),
        ("driver's license D1234567", "driver's license <CERTIFICATE>"),
        ("license plate 7ABC123", "license plate <VEHICLE>"),
        ("VIN 1HGCM82633A004352", "VIN <VEHICLE>"),
        ("serial number PJN1234567", "serial number <DEVICE>"),
        ("UDI (01)00844588003288(21)A1B2", "UDI <DEVICE>"),
        ("MAC 00:1A:2B:3C:4D:5E", "MAC <DEVICE>"),
        ("see https://portal.example.org/r?id=7.", "see <URL>."),
        ("at mychart.example.com/me", "at <URL>"),
        ("from 192.168.10.4", "from <IP>"),
        ("from 2001:db8::8a2e:370:7334", "from <IP>"),
        ("Fingerprint template ID: FP-123456", "Fingerprint template ID: <BIOMETRIC>"),
        ("photo IMG_2041.JPG taken", "photo <PHOTO> taken"),
        ("Accession No: CT-19-123456", "Accession No: <ID>"),
        ("study NCT01234567", "study <ID>"),
        ("case number 19-CV-12345", "case number <ID>"),
        ("ref 123e4567-e89b-42d3-a456-426614174000", "ref <ID>"),
    ],
)  # fmt: skip
def test_an_identifier_is_replaced_by_its_type(
    scrubber: TextScrubber, text: str, expected: str
) -> None:
    assert scrub(scrubber, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80, HR 88, T 98.6, SpO2 97%, RR 18.",
        "pH 7.4, Na 138, K 4.1, HbA1c 7.4%, platelets 224,000.",
        "Metoprolol 25 mg PO BID, Lisinopril 2 mg, Zofran 4 mg IV q6h.",
        "Parkinson disease, Crohn's disease, Graves' disease and Hodgkin lymphoma.",
        "A 67-year-old woman with COPD since 2014.",
        "Strength 5/5, pain 6/10, GCS 15, T2N1M0, L4-L5, EF 45%.",
        "Nodule 2.3 x 1.5 cm in segment VI; BI-RADS 2; ICD-10 E11.9; SNOMED 44054006.",
        "Follow up in 2-3 weeks; symptoms for 48 hours; POD #2; 1/2 NS at 100 mL/hr.",
        "He may march on; his sat was 94% and the sun shone.",
        "O2 Sat 94 on room air. Foley catheter in place.",
        "The patient moved from Ohio to Texas in 1998.",
    ],
)
def test_what_identifies_nobody_stays(scrubber: TextScrubber, text: str) -> None:
    assert scrub(scrubber, text) == text


def test_a_name_found_once_is_scrubbed_everywhere(scrubber: TextScrubber) -> None:
    text = (
        "Patient: Xiomara Quux. Denies pain. "
        "Quux ambulates; xiomara quux is stable. QUUX's wound."
    )
    scrubbed = scrub(scrubber, text)
    assert not re.search("xiomara|quux", scrubbed, re.IGNORECASE)
    assert "is stable" in scrubbed
    assert "'s wound" in scrubbed


def test_a_number_found_once_is_scrubbed_everywhere(scrubber: TextScrubber) -> None:
    scrubbed = scrub(scrubber, "MRN: 20419. Labelled 20419 at the bedside; sodium 138.")
    assert scrubbed == "MRN: <MRN>. Labelled <MRN> at the bedside; sodium 138."


def test_only_the_types_asked_for_are_replaced() -> None:
    with TextScrubber(entities=["DATE"]) as some:
        scrubbed, found = some.scrub(
            pa.array(["Dr. Maria Lopez, MRN: 12-03-19, on 12/03/2019"])
        )
    assert scrubbed.to_pylist() == ["Dr. Maria Lopez, MRN: 12-03-19, on <DATE>"]
    assert found == Counter(DATE=1)


def test_counts_are_of_what_was_replaced(scrubber: TextScrubber) -> None:
    scrubbed, found = scrubber.scrub(
        pa.array(["on 12/03/2019 and 13/03/2019", None, "MRN: 4711"])
    )
    assert scrubbed.to_pylist() == ["on <DATE> and <DATE>", None, "MRN: <MRN>"]
    assert found == Counter(DATE=2, MRN=1)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
    ],
    ids=str,
)
def test_every_string_type_comes_back_as_it_was(
    scrubber: TextScrubber, kind: pa.DataType
) -> None:
    texts = pa.array(["left out", "SSN 123-45-6789", None, "", "   ", "\x00"]).cast(
        kind
    )[1:]
    scrubbed, _ = scrubber.scrub(texts)
    assert scrubbed.type == kind
    assert scrubbed.to_pylist() == ["SSN <SSN>", None, "", "   ", "\x00"]
    empty, found = scrubber.scrub(pa.array([], kind))
    assert (len(empty), empty.type, found) == (0, kind, Counter())


def test_what_is_not_text_is_refused(scrubber: TextScrubber) -> None:
    with pytest.raises(InvalidArgument):
        scrubber.scrub(pa.array([1, 2]))
    broken = pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")],
    )
    with pytest.raises(PolicyViolation, match="UTF-8"):
        scrubber.scrub(broken)


def test_a_wrong_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings_ in ({"entities": ["NAME"]}, {"entities": []}, {"workers": -1}):
        with pytest.raises(InvalidArgument):
            TextScrubber(**settings_)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(InvalidArgument) as caught:
        TextScrubber()
    assert "sealift[text]" in caught.value.hint


@pytest.mark.parametrize(
    "planted",
    [
        "SSN 123\u201145\u20116789",
        "SSN 12\u200b3-45-6\u200b789",
        "SSN \uff11\uff12\uff13-45-\uff16\uff17\uff18\uff19",
        "SSN\u00a0123\u00ad-45-6789",
    ],
    ids=["hyphens", "zero width", "full width", "soft hyphen"],
)
def test_unusual_characters_hide_nothing(scrubber: TextScrubber, planted: str) -> None:
    scrubbed = scrub(scrubber, f"\U0001f9d1\u200d⚕️ {planted} \u202eabc")
    assert not re.search(r"\d", scrubbed)
    assert "<SSN>" in scrubbed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_whatever_stands_around_it_an_address_is_found(
    scrubber: TextScrubber, before: str, after: str
) -> None:
    scrubbed = scrub(scrubber, f"{before} write to anna.kern@example.org {after}")
    assert "anna.kern" not in scrubbed
    assert scrubbed == scrub(
        scrubber, f"{before} write to anna.kern@example.org {after}"
    )


def test_a_long_text_is_scrubbed_across_its_chunks(scrubber: TextScrubber) -> None:
    texts = [
        f"The wound is dry. Call (555) 123-{number}. " for number in range(1000, 1800)
    ]
    whole = "".join(texts)
    assert len(whole) > 3 * CHUNK
    scrubbed, found = scrubber.scrub(pa.array([whole]))
    assert found == Counter(PHONE=800)
    assert scrubbed[0].as_py() == re.sub(r"\(555\) 123-\d{4}", "<PHONE>", whole)


@given(
    words=st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=9),
    times=st.integers(1, 12_000),
    space=st.sampled_from([" ", "\n", ""]),
)
def test_chunks_hold_all_of_a_text_and_overlap(
    words: list[str], times: int, space: str
) -> None:
    text = space.join(words * times)
    end = 0
    for start, piece in chunks(text):
        assert text[start : start + len(piece)] == piece
        assert len(piece) <= CHUNK
        assert start == 0 or start <= end - OVERLAP
        end = start + len(piece)
    assert end == len(text)


_SPANS = st.builds(
    lambda start, size, kind, score: Span(start, start + size, kind, score),
    st.integers(0, 60),
    st.integers(1, 30),
    st.sampled_from(["PERSON", "DATE", "ID"]),
    st.sampled_from([0.3, 0.6, 0.9]),
)


@given(st.lists(_SPANS, max_size=12))
def test_spans_agree_without_giving_anything_up(spans: list[Span]) -> None:
    settled = agree(spans)
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert sorted(covered) == [
        p for span in settled for p in range(span.start, span.end)
    ]
    assert settled == agree(reversed(spans)) == agree(settled)


@given(st.text(max_size=30), st.data())
def test_plain_text_leads_back_to_the_original(
    original: str, data: st.DataObject
) -> None:
    plain = PlainText(original)
    if not plain.text:
        return
    start = data.draw(st.integers(0, len(plain.text) - 1))
    end = data.draw(st.integers(start + 1, len(plain.text)))
    first, last = plain.original(Span(start, end, "ID", 1.0))
    assert PlainText(original[first:last]).text == plain.text[start:end]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "1",
        "A. ",
        "1-",
        "x@",
        "Dr. ",
        "1/2/",
        "A, A",
        "case no ",
        "a.b.",
        "-:",
    ],
)
def test_no_text_makes_a_pattern_slow(unit: str) -> None:
    hostile = unit * (CHUNK // len(unit))
    began = time.process_time()
    for pattern in PATTERNS:
        for _ in pattern.regex.finditer(hostile):
            pass
    assert time.process_time() - began < 50


# --- the measured promise --------------------------------------------------------------------


def test_recall_on_synthetic_notes_is_at_least_what_is_promised() -> None:
    score = measure(clinical_notes(200, seed=4711), Analysis())
    shown = table(score) + "\n" + "\n".join(score.missed)
    assert set(score.labels) == set(ENTITIES) == set(ALL)
    assert score.recall() >= 0.98, shown
    for kind in ENTITIES:
        assert score.recall(kind) >= 0.95, shown
        assert score.precision(kind) >= 0.90, shown
    assert score.preserved >= 0.98, shown


def test_recall_on_notes_of_other_hands_stays_where_it_is() -> None:
    folder = Path(__file__).parents[3] / "corpus"
    notes = list(read_marked(folder / "unseen/notes.jsonl"))[::10]
    score = measure(notes, Analysis())
    assert score.labels.total() > 100
    assert score.recall() >= 0.86, table(score)
    assert score.precision() >= 0.80, table(score)


def test_spans_that_are_known_are_removed_whatever_else_is() -> None:
    text = "nothing here names anybody but Dr. Maria Lopez"
    known = {1: [Span(8, 12, "KNOWN", 0.0), Span(42, 46, "KNOWN", 0.0)]}
    with TextScrubber(entities=["PHONE"]) as scrubber:
        scrubbed, found = scrubber.scrub(pa.array([text, text]), known)
    # A type that the rule leaves in the text does not hide what is known.
    removed = "nothing <KNOWN> names anybody but Dr. Maria L<KNOWN>"
    assert scrubbed.to_pylist() == [text, removed]
    assert found == {"KNOWN": 2}


def test_the_same_seed_makes_the_same_notes() -> None:
    notes = list(clinical_notes(14, seed=1))
    assert notes == list(clinical_notes(14, seed=1)) != list(clinical_notes(14, seed=2))
    for note in notes:
        assert all(note.text[label.start : label.end].strip() for label in note.labels)


# --- processes -------------------------------------------------------------------------------


def test_workers_find_what_one_process_finds_and_can_be_ended(
    scrubber: TextScrubber,
) -> None:
    texts = pa.array([note.text for note in clinical_notes(70, seed=5)] + [None, ""])
    with TextScrubber(workers=2) as many:
        scrubbed, found = many.scrub(texts)
        children = _children(os.getpid(), "spawn_main")
        assert len(children) == 2
        for child in children:
            limits = Path(f"/proc/{child}/limits").read_text()
            assert re.search(r"Max core file size\s+0\s+0\s", limits)
    assert not any(_alive(child) for child in children)
    alone, alone_found = scrubber.scrub(texts)
    assert scrubbed.equals(alone)
    assert found == alone_found
    # Nor does it matter what is next to a text.
    assert [
        scrub(scrubber, text) for text in texts.to_pylist()[:9]
    ] == alone.to_pylist()[:9]


def test_a_worker_that_dies_is_an_error_and_not_a_silence() -> None:
    with TextScrubber(workers=1) as one:
        one.scrub(pa.array(["on 12/03/2019"]))
        (child,) = _children(os.getpid(), "spawn_main")
        os.kill(child, signal.SIGKILL)
        with pytest.raises(PolicyViolation, match="ended before") as caught:
            one.scrub(pa.array(["on 12/03/2019"]))
    assert "2019" not in str(caught.value)
    assert not _alive(child)


_INTERRUPTED = """
import sys, time
import pyarrow as pa
from sealift.owner.deidentify.scrub import TextScrubber

if __name__ == "__main__":
    scrubber = TextScrubber(workers=1)
    try:
        scrubber.scrub(pa.array(["on 12/03/2019"]))
        print("ready", flush=True)
        while True:
            scrubber.scrub(pa.array(["on 12/03/2019"] * 64))
    except KeyboardInterrupt:
        scrubber.close()
        print("stopped", flush=True)
"""


def test_ctrl_c_ends_everything_quietly(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        children = _children(process.pid, "spawn_main")
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "stopped\n"
        assert process.stderr.read() == ""
        assert process.wait() == 0
    assert len(children) == 1
    assert not any(_alive(child) for child in children)


_WATCHED = """
import logging, os, sys, tempfile

# Who asks for it first has Python write four letters there, to see whether it can.
tempfile.gettempdir()
seen = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        seen.append(event)
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:
        if str(arguments[0]) != os.devnull:
            seen.append(event)

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
import pyarrow as pa
from sealift.owner.deidentify.scrub import TextScrubber

sys.addaudithook(watch)
scrubber = TextScrubber()
texts = ["planted.person@example.org, https://planted.example.org/x, Dr. Planted, 10.0.0.77"] * 3
scrubbed, found = scrubber.scrub(pa.array(texts))
assert scrubbed.to_pylist() == ["<EMAIL>, <URL>, <PERSON>, <IP>"] * 3, scrubbed
print(seen)
"""


def test_nothing_is_asked_of_the_network_or_written_or_logged(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", _WATCHED],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.stdout == "[]\n", done.stderr
    assert "planted" not in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def _children(parent: int, of: str) -> list[int]:
    """Process ids of a process's children whose command line holds a word."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent and of.encode() in line:
            found.append(int(folder.name))
    return found


def _alive(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
