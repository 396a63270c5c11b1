"""Which names of columns are the same, and which headers are those of identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.policy.headers import headers, identifier_of
from sealift.policy.names import expand, fold, snake, steps_of, words_of


@pytest.mark.parametrize(
    "name", ["PATIENT_ID", "Patient ID", "patientId", "patient-id", "patient id"]
)
def test_case_spaces_and_dashes_do_not_count(name: str) -> None:
    assert fold(name) == "patientid"
    assert snake(name) == "patient_id"


@given(st.text(max_size=20))
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("telecom[0].value", ("telecom", "value")),
        ("telecom.0.value", ("telecom", "value")),
        ("telecom/value", ("telecom", "value")),
        ("$.telecom[*]['value']", ("telecom", "*", "value")),
        ("telecom__value", ("telecom", "value")),
        ("__index_level_0__", ("__index_level_0__",)),
        ("2024", ("2024",)),
        ("weight", ("weight",)),
    ],
)
def test_the_forms_of_flatteners_are_one_path(
    name: str, steps: tuple[str, ...]
) -> None:
    assert steps_of(name) == steps


def test_braces_stand_for_each_of_their_alternatives() -> None:
    assert expand("weight{,_kg}") == ("weight", "weight_kg")
    assert len(expand("{a,b}_{c,d}")) == 4
    for bad in ("{a", "a}", "{a,b" * 3, "{1,2,3,4,5,6,7,8,9}" * 5):
        with pytest.raises(ValueError, match="brace"):
            expand(bad)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("PATIENT_ID", "record-number"),
        ("Patienten-ID", "record-number"),
        ("NHC", "record-number"),
        ("Cartella clinica", "record-number"),
        ("Prontuário", "record-number"),
        ("Numer historii choroby", "record-number"),
        ("Name, Vorname", "name"),
        ("Nachname des Patienten", "name"),
        ("Prénom", "name"),
        ("PRENOM", "name"),
        ("Apellidos", "name"),
        ("Cognome", "name"),
        ("Achternaam", "name"),
        ("Nazwisko", "name"),
        ("Geb.-Datum", "birth-date"),
        ("Fecha de nacimiento", "birth-date"),
        ("Data di nascita", "birth-date"),
        ("geboortedatum", "birth-date"),
        ("Data urodzenia", "birth-date"),
        ("Telefonnummer (privat)", "phone"),
        ("Emergency Contact Phone", "phone"),
        ("numéro de téléphone", "phone"),
        ("Numer telefonu", "phone"),
        ("SSN#", "national-number"),
        ("Codice fiscale", "national-number"),
        ("PESEL", "national-number"),
        ("Straße", "place"),
        ("PLZ", "postal-code"),
        ("E-Mail-Adresse", "email"),
        ("phone_2", "phone"),
        ("platelet_count", ""),
        ("toxicity", ""),
        ("medication", ""),
        ("number", ""),
        ("b", ""),
    ],
)
def test_a_header_belongs_to_the_class_of_what_it_names(header: str, kind: str) -> None:
    assert identifier_of(header) == kind


def test_a_header_is_in_one_class_only_and_every_class_has_headers() -> None:
    homes: dict[str, str] = {}
    for kind, names in headers().items():
        assert len(names) > 5
        for name in names:
            assert homes.setdefault("".join(words_of(name)), kind) == kind, name
            assert identifier_of(name) == kind, name
