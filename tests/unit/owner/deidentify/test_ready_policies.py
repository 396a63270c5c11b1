"""The ready policies: every rule is reached, and nothing that was planted comes through."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from places import DOCS

from sealift.owner.deidentify import Deidentifier, Policy, parse_policy, ready_policies
from sealift.owner.deidentify.frames import register_frame_hook
from sealift.owner.deidentify.rules import Columns, Index, match_leaves, match_rules
from sealift.owner.sources.fhir_columns import Flattener
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.hl7_columns import RowMaker, WholeMaker
from sealift.policy.file import Rule
from sealift.policy.headers import headers
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

SECRET = Secret(bytes(range(32)))
READY = ready_policies()
POLICIES = DOCS / "policies"
NAMES = (
    "av-frames",
    "dicom-basic",
    "gdpr-pseudonymous",
    "hipaa-safe-harbor",
    "pci-transactions",
)
CLINICAL = ("gdpr-pseudonymous", "hipaa-safe-harbor")
FHIR = {
    resource: Flattener(resource, elements).schema
    for resource, elements in MAPPING.items()
}


@cache
def ready_without_scrubbing(name: str) -> Policy:
    """A ready policy with texts dropped: what scrubbing finds is tested with the scrubber."""
    return without_scrubbing(READY[name])


def without_scrubbing(policy: Policy) -> Policy:
    source = policy.source.replace(b'{ action = "scrub" }', b'"drop"')
    return parse_policy(source)


def rule_for(policy: Policy, name: str, kind: pa.DataType | None = None) -> Rule | None:
    return match_rules(policy, pa.schema([pa.field(name, kind or pa.string())]))[0]


def closest(policy: Policy, field: pa.Field) -> Rule | None:
    schema = pa.schema([field])
    [named] = Columns(schema, policy).named
    return index_of(policy.name).best(named)[1]


@cache
def index_of(name: str) -> Index:
    return Index(READY[name])


def everything_in(table: pa.Table | pa.RecordBatch) -> str:
    """Every name and value as one text."""
    return repr(table.schema.names) + repr(table.to_pylist())


# --- all of them ---------------------------------------------------------------------------------


def test_the_five_ready_policies_are_there() -> None:
    assert tuple(READY) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_policy_bears_its_files_name_and_ignores_what_a_source_does_not_have(
    name: str,
) -> None:
    policy = READY[name]
    assert policy.name == name
    assert policy.absent == "ignore"
    assert policy.unlisted in ("refuse", "drop")
    assert policy.description


@pytest.mark.parametrize("name", NAMES)
def test_its_page_pins_the_digest_of_the_file(name: str) -> None:
    page = (POLICIES / f"{name}.md").read_text()
    assert f"`{READY[name].digest.hex()}`" in page
    assert f"version {READY[name].version}" in page.splitlines()[2]


def columns_for(rule: Rule) -> Iterator[pa.Field]:
    """Columns that a rule might be meant for."""
    if rule.identifier:
        yield from (pa.field(name, pa.string()) for name in headers()[rule.pattern])
        return
    for pattern in rule.patterns:
        for filling in ("zq", "zq_", "_zq", "") if rule.is_glob else ("",):
            name = (
                pattern.replace("**.", "zq.").replace("**", "zq").replace("*", filling)
            )
            resource, _, inner = name.replace("Resource.", "Patient.").partition(".")
            if resource.isalpha() and resource[0].isupper() and inner:
                path = {"fhir.path": f"{resource}.{inner}"}
                yield pa.field(inner, pa.string(), metadata=path)
            elif name:
                yield pa.field(name, pa.string())


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_is_hidden_behind_others(name: str) -> None:
    policy = READY[name]
    reached = {
        found.pattern
        for rule in policy.rules
        for field in itertools.islice(columns_for(rule), 40)
        if (found := closest(policy, field)) is not None
    }
    assert [rule.pattern for rule in policy.rules if rule.pattern not in reached] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_column_that_nobody_thought_of_is_not_sent(name: str) -> None:
    schema = pa.schema([("zzqx", pa.string())])
    if READY[name].unlisted == "refuse":
        with pytest.raises(PolicyViolation):
            match_rules(READY[name], schema)
    else:
        assert Deidentifier(READY[name], schema, secret=SECRET).schema.names == []


# --- FHIR and HL7 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLINICAL)
@pytest.mark.parametrize("resource", sorted(FHIR))
def test_every_column_of_every_fhir_resource_has_a_rule_that_can_change_it(
    name: str, resource: str
) -> None:
    with Deidentifier(
        ready_without_scrubbing(name), FHIR[resource], secret=SECRET
    ) as work:
        assert work.schema.names


@pytest.mark.parametrize("name", CLINICAL)
@pytest.mark.parametrize("schema", [RowMaker.schema, WholeMaker.schema])
def test_every_column_of_hl7_messages_has_a_rule(name: str, schema: pa.Schema) -> None:
    with Deidentifier(READY[name], schema, secret=SECRET) as work:
        assert "family_name" not in work.schema.names
        assert "observations" not in work.schema.names
        assert "message" not in work.schema.names


# What may be identical before and after: vocabularies, quantities, states of affairs.
MAY_STAY = re.compile(
    r"(^|\.)(code|system|unit|comparator|currency|status|rank|sequence|severity|focal|responsible"
    r"|precedence|(?:diagnosis|procedure)Sequence"
    r"|[a-zA-Z]*Boolean|value|valueInteger|display|text|precision|frequency|period|periodUnit"
    r"|numberOfRepeatsAllowed|doseNumberPositiveInt|seriesDosesPositiveInt"
    r"|use|lifecycleStatus|durationUnit|dayOfWeek|when|valueDecimal|detailInteger|factor|lowerLimit"
    r"|upperLimit|dimensions|count|countMax|duration|durationMax|frequencyMax|periodMax|number"
    r"|numberOfInstances|numberOfSeries|quantity|actual|doNotPerform|exclude|inactive|isActive"
    r"|preferred|reported|wasSubstituted|link\.type|entity\.role)$"
    r"|^(active|gender|docStatus|intent|priority|use|type|category|criticality|mode|order|status"
    r"|doNotPerform|primarySource|isSubpotent|us-core-birthsex|us-core-sex|valueTime|address\.(state|country))$"
)
IDENTIFYING = re.compile(
    r"^(id|name.*|alias|telecom.*|birthDate|subscriberId|lotNumber|position.*|title|description)$"
    r"|identifier\.(value|system)$|reference(\.id)?$|attachment|presentedForm|String$"
    r"|^address\.(line|city|district|postalCode)$|^note|^conclusion$|Instruction\.text$"
    r"|^us-core-race\.|^us-core-ethnicity\."
)


@pytest.mark.parametrize("name", CLINICAL)
@pytest.mark.parametrize("resource", sorted(FHIR))
def test_no_identifying_column_of_a_fhir_resource_is_kept(
    name: str, resource: str
) -> None:
    policy = READY[name]
    for match in match_leaves(policy, Columns(FHIR[resource], policy)):
        leaf, rule = match.leaf, match.rule
        assert rule is not None
        if rule.action != "keep":
            continue
        assert MAY_STAY.search(leaf.name), leaf.name
        assert not pa.types.is_temporal(leaf.kind), leaf.name
        # HIPAA does not count race and ethnicity among the eighteen.
        if not (name == "hipaa-safe-harbor" and leaf.name.startswith("us-core-")):
            assert not IDENTIFYING.search(leaf.name), leaf.name


PATIENT = {
    "resourceType": "Patient",
    "id": "pt-77120034",
    "identifier": [
        {"use": "usual", "system": "http://st-mary.example/mrn", "value": "MRN-4711"}
    ],
    "name": [{"text": "Jane Q Doe", "family": "Doe", "given": ["Jane", "Quilla"]}],
    "telecom": [
        {"system": "phone", "value": "555-867-5309"},
        {"system": "email", "value": "jane@doe.example"},
    ],
    "gender": "female",
    "birthDate": "1931-04-23",
    "deceasedDateTime": "2024-03-09T10:11:12Z",
    "address": [
        {
            "line": ["12 Elm Street"],
            "city": "Springfield",
            "district": "Greene County",
            "state": "MO",
            "postalCode": "65807",
        }
    ],
    "multipleBirthInteger": 5,
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "ob-1",
    "status": "final",
    "code": {
        "coding": [
            {"system": "http://loinc.org", "code": "4548-4", "display": "Doe's A1c"}
        ]
    },
    "subject": {"reference": "Patient/pt-77120034", "display": "Jane Doe"},
    "effectiveDateTime": "2024-02-28T08:30:00Z",
    "issued": "2024-03-01T08:30:00Z",
    "valueQuantity": {"value": 6.5, "unit": "%"},
}
PLANTED = (
    *(
        "pt-77120034",
        "MRN-4711",
        "st-mary",
        "Doe",
        "Jane",
        "Quilla",
        "867",
        "doe.example",
    ),
    *(
        "Elm",
        "Springfield",
        "Greene",
        "65807",
        "1931",
        "04-23",
        "03-09",
        "02-28",
        "08:30",
    ),
)


def flattened(*resources: dict[str, Any]) -> pa.RecordBatch:
    import json

    kind = resources[0]["resourceType"]
    lines = [json.dumps(resource).encode() for resource in resources]
    return Flattener(kind, MAPPING[kind]).flatten(lines)[0]


def deidentified(name: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    policy = ready_without_scrubbing(name)
    with Deidentifier(policy, batch.schema, secret=SECRET) as work:
        return work.apply(batch)


def test_safe_harbor_lets_no_planted_identifier_of_fhir_through() -> None:
    patient = deidentified("hipaa-safe-harbor", flattened(PATIENT))
    observation = deidentified("hipaa-safe-harbor", flattened(OBSERVATION))
    # The ranges of Arrow's own texts hold no dates, so one search does for all.
    text = everything_in(patient) + everything_in(observation)
    assert [value for value in PLANTED if value in text] == []
    row, seen = patient.to_pylist()[0], observation.to_pylist()[0]
    this_year = dt.datetime.now(dt.UTC).year
    assert row["birthDate"] == this_year - 90
    assert row["deceasedDateTime"] == 2024
    assert row["address.postalCode"] == "658"
    assert row["address.state"] == "MO"
    assert row["gender"] == "female"
    assert seen["subject.reference.id"] == row["id"]
    assert seen["code.coding.code"] == "4548-4"
    assert (seen["valueQuantity.value"], seen["valueQuantity.unit"]) == (6.5, "%")
    assert seen["effectiveDateTime"] == 2024


def test_pseudonymous_records_keep_intervals_across_resource_types_and_no_planted_value() -> (
    None
):
    patient = deidentified("gdpr-pseudonymous", flattened(PATIENT))
    observation = deidentified("gdpr-pseudonymous", flattened(OBSERVATION))
    text = everything_in(patient) + everything_in(observation)
    # The time of day stays, and the year may.
    assert [v for v in PLANTED if v in text and v not in ("1931", "08:30")] == []
    row, seen = patient.to_pylist()[0], observation.to_pylist()[0]
    assert seen["subject.reference.id"] == row["id"]
    shift = row["birthDate"] - dt.date(1931, 4, 23)
    assert 0 < abs(shift.days) <= 365
    assert (
        seen["effectiveDateTime"]
        == dt.datetime(2024, 2, 28, 8, 30, tzinfo=dt.UTC) + shift
    )
    assert row["address.postalCode"] == "65***"


TABLE = {
    "patient_id": "P-1",
    "mrn": "4711",
    "patient_name": "Jane Doe",
    "first_name": "Jane",
    "last_name": "Doe",
    "maiden_name": "Roe",
    "ssn": "123-45-6789",
    "phone_home": "555-867-5309",
    "fax": "555-867-5310",
    "email": "jane@doe.example",
    "street_address": "12 Elm Street",
    "city": "Springfield",
    "county": "Greene County",
    "zip": "65807",
    "state": "MO",
    "dob": "1961-04-23",
    "admission_date": "2024-02-28",
    "discharge_date": "2024-03-09",
    "age": 92,
    "health_insurance_number": "INS-99",
    "account_no": "ACC-12",
    "drivers_license_no": "D1234",
    "vehicle_vin": "1FTZX",
    "license_plate": "XYZ-987",
    "pacemaker_serial": "PM-0042",
    "portal_url": "http://portal.example/jane",
    "ip_address": "203.0.113.9",
    "fingerprint_hash": "deadbeef",
    "face_photo": "photo.jpg",
    "note": "Seen with Jane Doe",
    "sex": "F",
    "icd10": "E11.9",
    "hba1c": 6.5,
    "platelets_flag": True,
}
KEPT = {
    "sex": "F",
    "icd10": "E11.9",
    "hba1c": 6.5,
    "platelets_flag": True,
    "state": "MO",
}


def test_safe_harbor_covers_all_eighteen_kinds_in_a_table() -> None:
    batch = pa.RecordBatch.from_pylist([TABLE])
    after = deidentified("hipaa-safe-harbor", batch)
    row = after.to_pylist()[0]
    assert set(row) - set(KEPT) == {
        *("patient_id", "mrn", "zip", "dob", "admission_date", "discharge_date", "age"),
    }
    assert {name: row[name] for name in KEPT} == KEPT
    assert (row["zip"], row["dob"], row["admission_date"], row["age"]) == (
        "658",
        1961,
        2024,
        "90+",
    )
    assert re.fullmatch("[0-9a-f]{32}", row["mrn"])


def test_safe_harbor_scrubs_free_text_wherever_it_is_expected() -> None:
    policy = READY["hipaa-safe-harbor"]
    for name in (
        "note",
        "discharge_notes",
        "comment",
        "valueString",
        "conclusion",
        "description",
    ):
        rule = rule_for(policy, name)
        assert rule is not None
        assert rule.action == "scrub"


@pytest.mark.parametrize(
    "name",
    ["platelet_count_zq", "toxicity_zq", "ethnicity_zq", "template_zq", "studies_zq"],
)
def test_words_that_hold_an_identifiers_name_are_not_taken_for_one(name: str) -> None:
    with pytest.raises(PolicyViolation):
        rule_for(READY["hipaa-safe-harbor"], name)


# --- DICOM ----------------------------------------------------------------------------------------


def dicom_batch(**more: Any) -> pa.RecordBatch:
    row = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3.4711",
        "StudyInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "PatientName": "Doe^Jane",
        "PatientID": "MRN-4711",
        "PatientBirthDate": dt.date(1961, 4, 23),
        "PatientAge": "063Y",
        "StudyDate": dt.date(2024, 2, 28),
        "AccessionNumber": "ACC-9",
        "InstitutionName": "St Mary",
        "StudyDescription": "Doe follow up",
        "OperatorsName": ["Roe^Rita"],
        "DeviceSerialNumber": "SN-77",
        "EthnicGroup": "x-group",
        "SomethingNew": "unheard-of",
        "RescaleSlope": 1.5,
        "Rows": 64,
        "pixels": np.zeros((64, 64), "<i2").tobytes(),
        "pixel_shape": [64, 64],
        "pixel_type": "int16",
        "first_frame": 0,
        "frames": 1,
        **more,
    }
    return pa.RecordBatch.from_pylist([row])


def test_dicom_basic_keeps_what_an_image_is_and_no_planted_identifier() -> None:
    after = deidentified("dicom-basic", dicom_batch())
    row = after.to_pylist()[0]
    assert set(row) == {
        *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "PatientID"),
        *(
            "RescaleSlope",
            "Rows",
            "pixels",
            "pixel_shape",
            "pixel_type",
            "first_frame",
            "frames",
        ),
    }
    text = everything_in(after)
    for planted in (
        "Doe",
        "4711",
        "1961",
        "2024",
        "ACC-9",
        "Mary",
        "Roe",
        "SN-77",
        "unheard-of",
    ):
        assert planted not in text
    assert (row["Modality"], row["RescaleSlope"]) == ("CT", 1.5)


def test_dicom_basic_gives_one_uid_one_pseudonym_wherever_it_stands() -> None:
    after = deidentified(
        "dicom-basic", dicom_batch(ReferencedSOPInstanceUID="1.2.3.4711")
    )
    row = after.to_pylist()[0]
    assert row["ReferencedSOPInstanceUID"] == row["SOPInstanceUID"]
    assert row["StudyInstanceUID"] != row["SOPInstanceUID"]


def test_dicom_basic_names_only_elements_that_can_be_columns() -> None:
    from sealift.owner.sources.dicomelements import known_element
    from sealift.owner.sources.dicompixels import PIXEL_FIELDS

    patterns = [rule.pattern for rule in READY["dicom-basic"].rules]
    of_pixels = {field.name for field in PIXEL_FIELDS}
    assert of_pixels <= set(patterns)
    assert [
        p for p in patterns if p not in of_pixels and known_element(p) is None
    ] == []


def test_dicom_basic_can_change_every_column_that_it_names() -> None:
    from sealift.owner.sources.dicomelements import known_element

    rules = READY["dicom-basic"].rules
    columns = {rule.pattern: known_element(rule.pattern) for rule in rules}
    schema = pa.schema([column.field for column in columns.values() if column])
    with Deidentifier(READY["dicom-basic"], schema, secret=SECRET) as work:
        assert set(work.schema.names) == {
            rule.pattern
            for rule in rules
            if rule.action != "drop" and columns[rule.pattern]
        }


def test_dicom_basic_refuses_an_image_with_burned_in_text() -> None:
    with pytest.raises(PolicyViolation, match="1 of the next 1 images"):
        deidentified("dicom-basic", dicom_batch(BurnedInAnnotation="YES"))


OPTIONS = re.compile(r"^# ([A-Z][A-Za-z]+) = (\"keep\"|\{[^}]*\})", re.MULTILINE)


def test_the_options_in_dicom_basic_are_rules_that_a_copy_can_have() -> None:
    source = READY["dicom-basic"].source.decode()
    options = dict(OPTIONS.findall(source))
    assert {"PatientSex", "StudyDate", "DeviceSerialNumber", "StudyDescription"} <= set(
        options
    )
    for keyword, rule in options.items():
        source, count = re.subn(
            rf'^{keyword} = "drop"$', f"{keyword} = {rule}", source, flags=re.M
        )
        assert count == 1, keyword
    policy = without_scrubbing(parse_policy(source.encode()))
    with Deidentifier(
        policy, dicom_batch(PatientSex="F").schema, secret=SECRET
    ) as work:
        row = work.apply(dicom_batch(PatientSex="F")).to_pylist()[0]
    assert row["PatientSex"] == "F"
    assert 0 < abs((row["StudyDate"] - dt.date(2024, 2, 28)).days) <= 365
    assert re.fullmatch("[0-9a-f]{32}", row["DeviceSerialNumber"])


# --- cards ----------------------------------------------------------------------------------------

TRANSACTION = {
    "trans_num": "t-0001",
    "pan": "4111111111111111",
    "cc_num": 378282246310005,
    "cvv": "987",
    "pin_block": "A1B2C3",
    "track2": "4111111111111111=2612",
    "service_code": "201",
    "expiry": "12/26",
    "cardholder_name": "JANE DOE",
    "first": "Jane",
    "last": "Doe",
    "dob": "1961-04-23",
    "street": "12 Elm Street",
    "zip": "65807",
    "customer_id": "C-4711",
    "account_id": "DE89370400440532013000",
    "device_id": "dev-77",
    "ip_address": "203.0.113.9",
    "lat": 37.208957,
    "long": -93.292299,
    "merchant": "Shop & Co",
    "mcc": 5411,
    "amount": 12.34,
    "timestamp": dt.datetime(2024, 2, 28, 8, 30),
    "is_fraud": 1,
}


def test_card_numbers_become_tokens_and_what_identifies_the_holder_is_gone() -> None:
    after = deidentified("pci-transactions", pa.RecordBatch.from_pylist([TRANSACTION]))
    row = after.to_pylist()[0]
    for column in ("pan", "cc_num"):
        number = str(TRANSACTION[column])
        assert len(row[column]) == len(number)
        assert row[column].isdigit()
        assert row[column][:6] == number[:6]
        assert row[column][6:] != number[6:]
    text = everything_in(after)
    for planted in (
        *(
            "411111111111111",
            "Shop",
            "78282246310005",
            "987",
            "A1B2C3",
            "2612",
            "12/26",
            "JANE",
            "Jane",
        ),
        *(
            "Doe",
            "1961",
            "Elm",
            "65807",
            "C-4711",
            "DE8937",
            "dev-77",
            "203.0",
            "37.20",
            "93.29",
        ),
    ):
        assert planted not in text
    assert (row["lat"], row["long"], row["zip"]) == (37.2, -93.3, "658")
    same = ("mcc", "amount", "timestamp", "is_fraud")
    assert {name: row[name] for name in same} == {
        name: TRANSACTION[name] for name in same
    }


# --- vehicles -------------------------------------------------------------------------------------


def vehicle_batch() -> pa.RecordBatch:
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    columns = {
        "image": pa.FixedShapeTensorArray.from_numpy_ndarray(image),
        "vehicle_id": pa.array(["WVW-4711"]),
        "vin": pa.array(["1FTZX1234"]),
        "driver_name": pa.array(["Jane Doe"]),
        "license_plate": pa.array(["XYZ-987"]),
        "latitude": pa.array([48.208957]),
        "longitude": pa.array([16.372299]),
        "timestamp": pa.array([dt.datetime(2024, 2, 28, 8, 30)], pa.timestamp("us")),
        "speed": pa.array([13.9]),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_frames_are_not_sent_while_a_hook_is_missing() -> None:
    register_frame_hook("faces", lambda frame: frame)
    with pytest.raises(PolicyViolation, match="not installed"):
        Deidentifier(READY["av-frames"], vehicle_batch().schema, secret=SECRET)


def test_frames_under_another_name_are_not_sent_past_the_hooks() -> None:
    hidden = vehicle_batch().rename_columns(
        [
            "frame_front" if name == "image" else name
            for name in vehicle_batch().schema.names
        ]
    )
    with pytest.raises(PolicyViolation) as caught:
        Deidentifier(READY["av-frames"], hidden.schema, secret=SECRET)
    assert caught.value.columns == ("frame_front",)
    without = vehicle_batch().drop_columns(["image"])
    with Deidentifier(
        READY["av-frames"], without.schema, secret=SECRET
    ) as deidentifier:
        deidentifier.apply(without)
        assert "no hook was run" in deidentifier.take_report().notices[-1]


def test_frames_pass_the_hooks_and_places_times_and_drivers_are_coarser_or_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sealift.owner.deidentify import frames

    hooks = {"plates": lambda frame: frame * 0, "faces": lambda frame: frame + 1}
    monkeypatch.setattr(frames, "_registered", hooks)
    after = deidentified("av-frames", vehicle_batch())
    row = after.to_pylist()[0]
    assert (
        after.column("image").to_numpy_ndarray().tolist()
        == np.ones((1, 8, 8, 3)).tolist()
    )
    assert set(row) == {
        *("image", "vehicle_id", "vin", "latitude", "longitude", "timestamp", "speed"),
    }
    assert (row["latitude"], row["longitude"], row["speed"]) == (48.21, 16.37, 13.9)
    moved = row["timestamp"] - dt.datetime(2024, 2, 28, 8, 30)
    assert moved.seconds == 0
    assert 0 < abs(moved.days) <= 365
    text = everything_in(after.select(["vehicle_id", "vin", "latitude", "longitude"]))
    for planted in ("4711", "1FTZX", "Jane", "XYZ", "48.208", "16.372"):
        assert planted not in text
