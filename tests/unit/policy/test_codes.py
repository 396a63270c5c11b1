"""What has the form of a code: real codes do, names and numbers of people do not."""

from __future__ import annotations

import pytest

from sealift.policy.codes import CODE_SYSTEMS

CODES = {
    "ICD-10-CM": "E11.9 E119 I10 S72.001A S72001A T40.0X1A Z79.4 C7B.8 O09.A1",
    "ICD-10": "E11.9 I10",
    "ICD-10-PCS": "0DTJ4ZZ",
    "ICD-9-CM": "250.00 401.9 V10.1 E880.9",
    "LOINC": "8480-6 4548-4 2339-0 30525-0 LA6576-8",
    "SNOMED CT": "73211009 195967001 44054006 22298006 80146002",
    "RxNorm": "860975",
    "NDC": "0002-8215-01 00002821501",
    "ATC": "A10BA02 C09",
    "CPT": "99213 0001F",
    "HCPCS": "J1815",
    "CVX": "140",
    "CDC race": "2106-3 2186-5",
    "UCUM": "mg/dL mm[Hg] 10*3/uL /min kg/m2 % mL/min/m2 {score}",
    "unit": "mmHg beats/min years",
    "MCC": "5411",
    "ISO 639": "en de-AT",
    "ISO 3166": "US DEU",
    "ISO 4217": "EUR",
    "US state": "MA Vermont",
    "FHIR": "final AMB R vital-signs",
    "FHIR system": "http://loinc.org http://snomed.info/sct",
    "HL7 v2": "ADT A01 2.5.1",
    "DICOM CS": "ORIGINAL ISO_IR HFS MONOCHROME2",
    "DICOM UID": "1.2.840.10008.5.1.4.1.1.2",
    "DICOM tag": "(0018,1063) 00181063",
}
PEOPLE = (
    "Jane Doe", "Doe, Jane", "701-555-0100", "7015550100", "+1 701 555 0100", "123-45-6789",
    "123456789", "1931-04-05", "04/05/1931", "19310405", "20240131", "4111111111111111",
    "MRN-4711", "jane@x.example", "St. Mary", "SN-99812", "48.2081743", "12 Elm Street",
    "http://portal.example/jane", "203.0.113.9", "1.2.3.4711",
)  # fmt: skip


@pytest.mark.parametrize("system", sorted(CODE_SYSTEMS))
def test_codes_have_the_form_of_their_system_and_people_do_not(system: str) -> None:
    known = CODE_SYSTEMS[system]
    if system in CODES:
        assert [code for code in CODES[system].split() if not known.fits(code)] == []
    assert [text for text in PEOPLE if known.fits(text)] == []
    assert not known.fits("")


@pytest.mark.parametrize(
    ("system", "code"),
    [("LOINC", "8480-6"), ("SNOMED CT", "73211009"), ("CDC race", "2106-3")],
)
def test_a_wrong_check_digit_is_no_code(system: str, code: str) -> None:
    others = [code[:-1] + digit for digit in "0123456789" if digit != code[-1]]
    assert not any(CODE_SYSTEMS[system].fits(other) for other in others)


def test_a_number_that_reads_as_a_date_is_no_snomed_code() -> None:
    dates = [
        f"{year}{month:02}{day:02}"
        for year in range(1930, 2030)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    assert not any(map(CODE_SYSTEMS["SNOMED CT"].fits, dates))
