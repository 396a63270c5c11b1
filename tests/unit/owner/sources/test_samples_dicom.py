"""DICOM files that DCMTK wrote, as they come out."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from places import TESTS

from sealift.owner.deidentify import ready_policies
from sealift.owner.deidentify.rules import match_rules
from sealift.owner.sources import BEGINNING, SkipRejects, SourceOptions, open_source
from sealift.owner.sources.dicom import DicomSource
from sealift_protocol.errors import PolicyViolation, SourceError

SAMPLES = TESTS / "samples" / "dicom"
RAMP = np.arange(256, dtype="<u2").reshape(16, 16)


def opened(path: Path, **options: Any) -> DicomSource:
    source = open_source(path, SourceOptions(**options))
    assert isinstance(source, DicomSource)
    return source


def rows(source: DicomSource) -> list[dict[str, Any]]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


@pytest.mark.parametrize(
    "name",
    ["deflated.dcm", "bare-implicit.dcm", "jpegls-lossless.dcm", "jpeg-lossless.dcm"],
)
def test_lossless_forms_of_an_image_come_out_as_the_image(name: str) -> None:
    if name == "jpeg-lossless.dcm":
        pytest.importorskip("gdcm")
    (row,) = rows(opened(SAMPLES / name))
    assert (row["PatientName"], row["PatientID"]) == ("Kowalska^Zoë", "M7")
    assert row["PatientBirthDate"] == datetime.date(1970, 5, 17)
    assert (row["pixel_type"], row["pixel_shape"]) == ("uint16", [16, 16])
    assert row["pixels"] == RAMP.tobytes()


def test_an_image_of_several_frames_is_one_row() -> None:
    (row,) = rows(opened(SAMPLES / "multiframe.dcm"))
    assert (row["frames"], row["pixel_shape"]) == (3, [3, 16, 16])
    assert row["pixels"] == np.arange(768, dtype="<u2").tobytes()


def test_a_report_has_its_content() -> None:
    source = opened(SAMPLES / "report.dcm")
    (row,) = rows(source)
    finding, impression = row["report"]
    assert (finding["level"], finding["type"]) == (0, "TEXT")
    assert (finding["concept_code"], finding["concept_scheme"]) == ("121071", "DCM")
    assert finding["value"] == "No fracture."
    assert impression["value"] is None
    assert (impression["value_code"], impression["value_scheme"]) == ("17621005", "SCT")
    assert "ContentSequence" not in source.left_out


def test_a_structure_set_has_its_contours() -> None:
    source = opened(SAMPLES / "structures.dcm")
    (row,) = rows(source)
    (structure,) = row["structures"]
    assert (structure["number"], structure["name"]) == (1, "Prostate")
    assert structure["type"] == "PTV"
    (contour,) = structure["contours"]
    assert contour["form"] == "CLOSED_PLANAR"
    assert contour["points"] == [0, 0, 5, 1.5, 0, 5, 1.5, 2, 5]
    assert not source.left_out


def test_a_plan_has_its_beams() -> None:
    source = opened(SAMPLES / "plan.dcm")
    (row,) = rows(source)
    assert row["beams"] == [
        {
            "number": 1,
            "name": "Field 1",
            "machine": "LINAC2",
            "type": "STATIC",
            "radiation": "PHOTON",
            "meterset": 116.5,
            "energy": 6,
            "gantry_angle": 90,
            "control_points": 2,
        }
    ]
    assert source.left_out == {"FractionGroupSequence": 1}


def test_an_encapsulated_document_is_one_column_that_policies_drop() -> None:
    source = opened(SAMPLES / "encapsulated-pdf.dcm")
    (row,) = rows(source)
    assert row["MIMETypeOfEncapsulatedDocument"] == "application/pdf"
    assert row["EncapsulatedDocument"].startswith(b"%PDF-1.4")
    assert row["pixels"] is None


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("encapsulated-pdf.dcm", "EncapsulatedDocument"),
        ("report.dcm", "report"),
        ("structures.dcm", "structures"),
        ("plan.dcm", "beams"),
    ],
)
def test_no_ready_policy_keeps_what_may_hold_free_text(name: str, column: str) -> None:
    schema = pa.schema([opened(SAMPLES / name).schema.field(column)])
    for policy in ready_policies().values():
        try:
            rules = match_rules(policy, schema)
        except PolicyViolation:
            assert policy.unlisted == "refuse"
        else:
            actions = {rule.action if rule else policy.unlisted for rule in rules}
            assert actions == {"drop"}


@pytest.mark.parametrize("path", [SAMPLES / "disc", SAMPLES / "disc" / "DICOMDIR"])
def test_a_disc_is_what_its_index_lists(path: Path) -> None:
    source = opened(path)
    assert [row["PatientID"] for row in rows(source)] == ["M1", "M2"]
    assert source.left_out == {"DICOMDIR": 1, "files that no DICOMDIR lists": 1}


def test_names_of_a_disc_may_be_in_small_letters(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "images").mkdir(exist_ok=True)
        copy = tmp_path / "images" / f"im{number:04}"
        shutil.copy(SAMPLES / f"disc/IMAGES/IM{number:04}", copy)
    shutil.copy(SAMPLES / "disc/DICOMDIR", tmp_path / "dicomdir")
    assert len(rows(opened(tmp_path))) == 2


def test_a_listed_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "disc", tmp_path, dirs_exist_ok=True)
    (tmp_path / "IMAGES/IM0002").unlink()
    with pytest.raises(SourceError, match="lists 1 files that are not there") as caught:
        opened(tmp_path)
    assert caught.value.path == tmp_path / "DICOMDIR"
    source = opened(tmp_path, rejects=SkipRejects())
    assert len(rows(source)) == 1
    assert source.left_out["files that a DICOMDIR lists, and that are not there"] == 1


def test_files_without_a_suffix_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "multiframe.dcm", tmp_path / "IM1")
    shutil.copy(SAMPLES / "plan.dcm", tmp_path / "1.2.826.0.1")
    assert len(rows(opened(tmp_path / "IM1"))) == 1
