"""DICOM instances: columns, pixels, and the errors when they cannot be read."""

from __future__ import annotations

import datetime
import gzip
import io
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)

from sealift.owner.sources import BEGINNING, SkipRejects, SourceOptions, open_source
from sealift.owner.sources.dicom import DicomSource
from sealift_protocol.errors import (
    EmptySource,
    RecordTooLarge,
    SourceChanged,
    SourceError,
)

MIB = 1 << 20


def shipped(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


def dicom(path: Path, **options: Any) -> DicomSource:
    source = open_source(path, SourceOptions(kind="dicom", **options))
    assert isinstance(source, DicomSource)
    return source


def table(source: DicomSource) -> pa.Table:
    batches = [c.batch for part in source.parts() for c in source.read(part, BEGINNING)]
    for batch in batches:
        batch.validate(full=True)
    return pa.Table.from_batches(batches, schema=source.schema)


def row(name: str | Path, **options: Any) -> dict[str, Any]:
    path = shipped(name) if isinstance(name, str) else name
    (found,) = table(dicom(path, **options)).to_pylist()
    return found


def pixels(found: dict[str, Any]) -> Any:
    kind = np.dtype(found["pixel_type"]).newbyteorder("<")
    return np.frombuffer(found["pixels"], kind).reshape(found["pixel_shape"])


def make(path: Path, frames: int = 0, side: int = 4, **elements: Any) -> Path:
    """Writes an instance of 8-bit pixels; each frame is filled with its number."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, generate_uid()
    if frames:
        data.NumberOfFrames = frames
        data.Rows = data.Columns = side
        data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = (
            1,
            8,
            8,
            7,
        )
        data.PixelRepresentation, data.PhotometricInterpretation = 0, "MONOCHROME2"
        data.PixelData = b"".join(bytes([n % 251]) * side * side for n in range(frames))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in elements.items():
            setattr(data, name, value)
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


# --- columns -------------------------------------------------------------------------------------


def test_header_elements_become_columns_of_their_vr() -> None:
    source = dicom(shipped("CT_small.dcm"))
    kinds = {field.name: field.type for field in source.schema}
    assert (
        kinds["PatientName"]
        == kinds["StudyTime"]
        == kinds["SOPInstanceUID"]
        == pa.string()
    )
    assert kinds["StudyDate"] == pa.date32()
    assert (
        kinds["Rows"]
        == kinds["SeriesNumber"]
        == kinds["PixelPaddingValue"]
        == pa.int64()
    )
    assert kinds["SliceThickness"] == pa.float64()
    assert kinds["PixelSpacing"] == pa.list_(pa.float64())
    assert kinds["ImageType"] == pa.list_(pa.string())
    name = source.schema.field("PatientName")
    assert name.metadata == {b"dicom.tag": b"(0010,0010)", b"dicom.vr": b"PN"}
    assert all(field.nullable for field in source.schema)
    (found,) = table(source).to_pylist()
    assert found["PatientName"] == "CompressedSamples^CT1"
    assert found["StudyDate"] == datetime.date(2004, 1, 19)
    assert found["PixelSpacing"] == [0.661468, 0.661468]
    assert found["ImageType"] == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert found["Rows"] == 128


def test_private_elements_sequences_and_overlays_are_left_out_and_counted() -> None:
    source = dicom(shipped("CT_small.dcm"))
    header = pydicom.dcmread(shipped("CT_small.dcm"))
    private = sum(element.tag.is_private for element in header)
    assert source.left_out["private elements"] == private > 0
    assert dicom(shipped("rtplan.dcm")).left_out["FractionGroupSequence"] == 1
    overlay = dicom(shipped("examples_overlay.dcm"))
    assert overlay.left_out["overlays and curves"] > 0
    for each in (source, overlay):
        tags = [
            f.metadata[b"dicom.tag"] for f in each.schema if b"dicom.tag" in f.metadata
        ]
        assert tags == sorted(tags)
        assert not any(int(tag[1:5], 16) % 2 or tag.startswith(b"(6") for tag in tags)
        assert not {"PixelData", "TransferSyntaxUID"} & set(each.schema.names)


def test_the_schema_is_the_union_of_all_headers(tmp_path: Path) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm"):
        shutil.copy(shipped(name), tmp_path)
    source = dicom(tmp_path)
    found = table(source).to_pylist()
    assert [r["Modality"] for r in found] == ["CT", "MR", "RTPLAN"]
    assert [r["EchoTime"] is None for r in found] == [True, False, True]
    assert [r["RTPlanLabel"] is None for r in found] == [True, True, False]


def test_a_later_push_keeps_the_order_and_adds_columns_at_the_end(
    tmp_path: Path,
) -> None:
    first = dicom(shipped("MR_small.dcm")).schema
    shutil.copy(shipped("CT_small.dcm"), tmp_path)
    shutil.copy(shipped("MR_small.dcm"), tmp_path)
    later = dicom(tmp_path, expected=first)
    assert pa.schema([*later.schema][: len(first)]).equals(first, check_metadata=True)
    assert len(later.schema) > len(first)
    only = dicom(shipped("rtplan.dcm"), expected=first, pixels=False)
    assert only.schema.names[: len(first)] == first.names
    assert table(only)["pixels"].to_pylist() == [None]


def test_a_type_never_depends_on_the_data(tmp_path: Path) -> None:
    one = row(
        make(tmp_path / "1.dcm", PixelSpacing=[1, 2], ImageType="A", StudyDate="")
    )
    assert (one["ImageType"], one["StudyDate"]) == (["A"], None)
    many = row(
        make(tmp_path / "2.dcm", StudyDescription="a\\b", StudyDate="1997.04.24")
    )
    assert many["StudyDescription"] == "a\\b"
    assert many["StudyDate"] == datetime.date(1997, 4, 24)
    gaps = row(make(tmp_path / "3.dcm", ImageType=["A", "", "C"]))
    assert gaps["ImageType"] == ["A", None, "C"]


def test_text_in_other_character_sets_is_decoded(tmp_path: Path) -> None:
    path = make(
        tmp_path / "1.dcm", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürg"
    )
    assert row(path)["PatientName"] == "Müller^Jürg"


def test_burned_in_annotation_is_an_ordinary_column(tmp_path: Path) -> None:
    assert (
        row(make(tmp_path / "1.dcm", BurnedInAnnotation="YES"))["BurnedInAnnotation"]
        == "YES"
    )


# --- pixels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("CT_small.dcm", "int16", [128, 128]),
        ("MR_small.dcm", "int16", [64, 64]),
        ("MR_small_bigendian.dcm", "int16", [64, 64]),
        ("MR_small_RLE.dcm", "int16", [64, 64]),
        ("MR_small_jp2klossless.dcm", "int16", [64, 64]),
        ("JPEG2000.dcm", "int16", [1024, 256]),
        ("examples_rgb_color.dcm", "uint8", [240, 320, 3]),
        ("SC_rgb_rle_2frame.dcm", "uint8", [2, 100, 100, 3]),
        ("rtdose.dcm", "uint32", [15, 10, 10]),
        ("liver_1frame.dcm", "uint8", [512, 512]),
        ("image_dfl.dcm", "uint8", [512, 512]),
    ],
)
def test_pixels_are_those_that_pydicom_decodes(
    name: str, kind: str, shape: list[int]
) -> None:
    found = row(name)
    expected = pydicom.dcmread(shipped(name)).pixel_array
    assert (found["pixel_type"], found["pixel_shape"]) == (kind, shape)
    assert np.array_equal(pixels(found), expected)
    assert found["first_frame"] == 0
    assert found["frames"] == int(found.get("NumberOfFrames") or 1)


@pytest.mark.parametrize("name", ["rtplan.dcm", "reportsi.dcm"])
def test_an_instance_without_pixel_data_has_null_pixels(name: str) -> None:
    found = row(name)
    names = ("pixels", "pixel_shape", "pixel_type", "first_frame", "frames")
    assert [found[each] for each in names] == [None] * 5
    assert found["Modality"]


def test_pixel_data_can_be_left_out() -> None:
    found = row("CT_small.dcm", pixels=False)
    assert "pixels" not in found
    assert found["Rows"] == 128


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_frames_that_do_not_fit_into_a_shard_become_several_rows(
    pack: Any, tmp_path: Path
) -> None:
    path = make(tmp_path / "large.dcm", frames=70, side=1024, InstanceNumber=7)
    if pack is not bytes:
        path.with_suffix(".dcm.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path = path.with_suffix(".dcm.gz")
    source = dicom(path)
    (part,) = source.parts()
    chunks = list(source.read(part, BEGINNING))
    found = [c.batch.to_pylist()[0] for c in chunks]
    assert [(r["first_frame"], r["frames"], r["InstanceNumber"]) for r in found] == [
        (0, 60, 7),
        (60, 10, 7),
    ]
    together = np.concatenate([pixels(r)[:, 0, 0] for r in found])
    assert together.tolist() == list(range(70))
    rest = list(source.read(part, chunks[0].end))
    assert [c.batch for c in rest] == [chunks[1].batch]
    assert [c.begin for c in rest] == [chunks[0].end]
    assert list(source.read(part, chunks[1].end)) == []


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm"])
def test_nothing_is_read_again_behind_an_instance(name: str) -> None:
    source = dicom(shipped(name))
    (part,) = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    assert list(source.read(part, chunk.end)) == []
    assert not source.continues(part)
    assert source.digest(part, chunk.end) != source.digest(part, BEGINNING)


def test_a_frame_that_does_not_fit_into_a_shard_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "large.dcm", frames=1, side=8000)
    with pytest.raises(RecordTooLarge) as caught:
        row(path)
    assert caught.value.path == path
    assert row(path, pixels=False)["Rows"] == 8000


# --- what is wrong -------------------------------------------------------------------------------


class Kept:
    """Keeps what is rejected."""

    stops = False
    count = 0

    def __init__(self) -> None:
        self.found: list[tuple[SourceError, bytes]] = []

    def reject(self, error: SourceError, content: bytes) -> None:
        self.found.append((error, content))

    def forget(self) -> None:
        self.found.clear()


def test_a_file_that_is_no_dicom_stops_or_is_put_aside(tmp_path: Path) -> None:
    shutil.copy(shipped("CT_small.dcm"), tmp_path / "IM0001")
    (tmp_path / "README").write_bytes(b"canary " * 30)
    with pytest.raises(SourceError, match="not a DICOM file") as caught:
        dicom(tmp_path)
    assert caught.value.path == tmp_path / "README"
    assert "canary" not in str(caught.value)
    kept = Kept()
    assert len(table(dicom(tmp_path, rejects=kept))) == 1
    ((error, content),) = kept.found
    assert error.path == tmp_path / "README"
    assert content == b"canary " * 30


def test_a_directory_file_is_passed_over(tmp_path: Path) -> None:
    shutil.copy(shipped("DICOMDIR-implicit"), tmp_path / "DICOMDIR")
    with pytest.raises(EmptySource):
        dicom(tmp_path)
    shutil.copy(shipped("CT_small.dcm"), tmp_path / "IM0001")
    assert len(table(dicom(tmp_path))) == 1


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "rtplan.dcm"])
def test_a_truncated_file_is_refused_wherever_it_ends(
    name: str, tmp_path: Path
) -> None:
    whole = shipped(name).read_bytes()
    header = pydicom.dcmread(io.BytesIO(whole), stop_before_pixels=True)
    # At the end of an element nothing tells that there was more.
    ends = {
        e.value_tell + e.length
        for t in header.keys()  # noqa: SIM118
        if (e := header.get_item(t)).is_raw
    }
    path = tmp_path / "cut.dcm"
    missed = 0
    for size in range(400, len(whole), 211):
        path.write_bytes(whole[:size])
        rejects = SkipRejects()
        try:
            source = dicom(path, rejects=rejects)
        except EmptySource:
            continue
        found = table(source).to_pylist()
        if not rejects.count:
            missed += 1
            assert all(r["pixels"] is None for r in found)
            assert size in ends
    assert missed <= 1


def test_a_file_that_ends_within_a_sequence_of_unknown_length_is_refused(
    tmp_path: Path,
) -> None:
    item = Dataset()
    item.ReferencedSOPInstanceUID = generate_uid()
    path = make(tmp_path / "1.dcm", ReferencedImageSequence=[item])
    data = pydicom.dcmread(path)
    data["ReferencedImageSequence"].is_undefined_length = True
    data.save_as(path)
    assert row(path)["SOPInstanceUID"]
    whole = path.read_bytes()
    for cut in range(1, 70):
        path.write_bytes(whole[:-cut])
        with pytest.raises(SourceError, match="the DICOM file ends too early"):
            dicom(path)
        with pytest.raises(EmptySource):
            dicom(path, rejects=SkipRejects())


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "MR_truncated.dcm"])
def test_pixel_data_that_cannot_be_decoded_is_rejected(name: str) -> None:
    with pytest.raises(
        SourceError, match=r"cannot be decoded|ends too early"
    ) as caught:
        row(name)
    assert caught.value.path == shipped(name)
    rejects = SkipRejects()
    assert len(table(dicom(shipped(name), rejects=rejects))) == 0
    assert rejects.count == 1


def with_raw(path: Path, keyword: str, stand_in: Any, value: bytes) -> Path:
    """Write a value that pydicom does not write, in the place of one that is as long."""
    make(path, **{keyword: stand_in})
    whole = path.read_bytes()
    assert whole.count(str(stand_in).encode()) == 1
    path.write_bytes(whole.replace(str(stand_in).encode(), value))
    return path


@pytest.mark.parametrize(
    ("keyword", "stand_in", "value"),
    [
        ("StudyDate", "20240101", b"canary12"),
        ("StudyDate", "20240101", b"20240230"),
        ("PatientBirthDate", "19310101", b"19310000"),
        ("StudyTime", "101112", b"canary"),
        ("AcquisitionDateTime", "20240101101112", b"canary at noon"),
        ("PatientAge", "063Y", b"cana"),
        ("SliceThickness", "1.0625", b"canary"),
        ("SliceThickness", "1.0625", b"   inf"),
        ("SeriesNumber", "471147", b"canary"),
        ("SeriesNumber", "471147", b"1_0000"),
        ("FrameOfReferenceUID", "1.2.3.4.5.6.77", b"canary canaryc"),
        ("Modality", "CT", b"\xff\xfe"),
    ],
)
def test_a_value_that_is_not_of_its_vr_is_null_and_counted_and_never_shown(
    keyword: str,
    stand_in: str,
    value: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    path = with_raw(tmp_path / "bad.dcm", keyword, stand_in, value)
    caplog.set_level(logging.DEBUG)
    source = dicom(path)
    (part,) = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    assert chunk.batch.to_pylist()[0][keyword] is None
    assert chunk.failed == {keyword: 1}
    assert source.left_out == {f"unreadable values of {keyword}": 1}
    assert "canary" not in f"{caplog.text}{chunk}{source.left_out}"
    assert not recwarn.list


def test_one_bad_item_of_a_list_leaves_the_others(tmp_path: Path) -> None:
    path = with_raw(tmp_path / "1.dcm", "PixelSpacing", "1.5\\22.5", b"1.5\\cana")
    source = dicom(path)
    (part,) = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    assert chunk.batch.to_pylist()[0]["PixelSpacing"] == [1.5, None]
    assert chunk.failed == {"PixelSpacing": 1}


def test_a_number_of_values_that_the_dictionary_does_not_allow_is_null_and_counted(
    tmp_path: Path,
) -> None:
    source = dicom(make(tmp_path / "1.dcm", Rows=[1, 2, 3, 4]))
    (part,) = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    assert chunk.batch.to_pylist()[0]["Rows"] is None
    assert chunk.failed == {"Rows": 1}


@pytest.mark.parametrize(
    ("keyword", "padded", "value"),
    [
        ("PatientID", " MRN4711", "MRN4711"),
        ("PatientID", "MRN4711 ", "MRN4711"),
        ("AccessionNumber", "  A 1  ", "A 1"),
        ("PatientName", " Doe^Jane ", "Doe^Jane"),
        ("SOPClassUID", "1.2.3\0", "1.2.3"),
        ("ImageType", [" A", "B "], ["A", "B"]),
        ("PatientID", "   ", None),
        # Spaces in front count in these (PS3.5 6.2).
        ("PatientComments", " a ", " a"),
        ("TextValue", " a ", " a"),
    ],
)
def test_what_pads_a_value_is_no_part_of_it(
    keyword: str, padded: Any, value: Any, tmp_path: Path
) -> None:
    assert row(make(tmp_path / "1.dcm", **{keyword: padded}))[keyword] == value


# --- without preamble and file meta information --------------------------------------------------


@pytest.mark.parametrize(
    ("implicit", "little"), [(True, True), (False, True), (False, False)]
)
def test_a_data_set_alone_is_read(implicit: bool, little: bool, tmp_path: Path) -> None:
    data = pydicom.dcmread(
        shipped("MR_small.dcm" if little else "MR_small_bigendian.dcm")
    )
    expected = data.pixel_array
    path = tmp_path / "bare.dcm"
    data.file_meta = FileMetaDataset()
    data.preamble = None
    pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=little)
    assert b"DICM" not in path.read_bytes()[:200]
    found = row(path)
    assert found["PatientName"] == "CompressedSamples^MR1"
    assert np.array_equal(pixels(found), expected)
    assert row(path, pixels=False)["Rows"] == 64
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 9, 311):
        path.write_bytes(whole[:size])
        with pytest.raises(SourceError):
            row(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\0\x05\0",
        b"\x08\0\x05\0\xff\xff\xff\x7f" + bytes(200),
        b"\x08\0\x05\0\x02\0\0\0ab",
        b"\x08\0\x05\0CS" + bytes(range(256)),
        b"\x00\x08\x00\x05CS\x00\x02ab",
    ],
)
def test_what_only_begins_like_a_data_set_is_no_dicom_file(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "1.dcm").write_bytes(content)
    with pytest.raises(SourceError):
        dicom(tmp_path / "1.dcm")


def test_a_file_that_gains_an_element_while_it_is_read_is_refused(
    tmp_path: Path,
) -> None:
    path = make(tmp_path / "1.dcm")
    source = dicom(path, rejects=SkipRejects())
    make(path, PatientID="x")
    with pytest.raises(SourceChanged):
        table(source)


def test_numbers_of_a_big_endian_file_are_kept_little_endian(tmp_path: Path) -> None:
    data = pydicom.dcmread(shipped("examples_palette.dcm"))
    little = row("examples_palette.dcm")
    table_bytes = data.RedPaletteColorLookupTableData
    assert little["RedPaletteColorLookupTableData"] == table_bytes
    swapped = np.frombuffer(table_bytes, "<u2").astype(">u2").tobytes()
    data.RedPaletteColorLookupTableData = swapped
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    path = tmp_path / "big.dcm"
    # Other words and the pixels are not swapped, which does not matter here.
    pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False)
    assert row(path, pixels=False)["RedPaletteColorLookupTableData"] == table_bytes


def test_every_file_that_pydicom_ships_is_read_or_rejected_without_a_word(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    kept = Kept()
    caplog.set_level(logging.INFO)
    source = dicom(shipped("CT_small.dcm").parent, rejects=kept)
    found = table(source)
    assert len(found) > 130
    assert len(kept.found) < 30
    assert [record.name for record in caplog.records if record.name != "sealift"] == []
    assert not recwarn.list
