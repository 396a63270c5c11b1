"""Images and DICOM files in a column become pixels; a header cannot make a decoder fill memory."""

from __future__ import annotations

import io
import logging
import multiprocessing
import pickle
import struct
import sys
import warnings
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sealift.errors import InvalidArgument, MalformedObject
from sealift.trainer.decode.images import (
    _find_torchvision,
    decode_dicom,
    decode_images,
    decode_pixels,
)
from sealift.trainer.forms.batches import as_numpy

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
pydicom = pytest.importorskip("pydicom")

CANARY = b"canary-7d1f"
needs_torchvision = pytest.mark.skipif(
    _find_torchvision() is None,
    reason="torchvision does not work with the torch that is installed",
)
BACKENDS = ["pillow", pytest.param("torchvision", marks=needs_torchvision)]


def picture(height: int = 6, width: int = 4, samples: int = 3, seed: int = 0) -> Any:
    shape = (height, width, samples) if samples > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(pixels: Any, form: str = "PNG", **options: Any) -> memoryview:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return memoryview(stream.getvalue())


def announcing(width: int, height: int) -> memoryview:
    """A PNG of one pixel whose header announces others."""
    content = bytearray(encoded(picture(1, 1)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return memoryview(content)


@pytest.fixture
def nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object, **__: object) -> None:
        pytest.fail("a decoder was called")

    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    monkeypatch.setattr("pydicom.pixels.utils.pixel_array", decode)


# --- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP"])
def test_images_of_one_size_become_one_tensor(form: str, backend: Any) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    pictures = [picture(seed=seed) for seed in range(3)]
    batch = {
        "image": [encoded(p, form, **options) for p in pictures],
        "label": [1, 2, 3],
    }
    decoded = decode_images("image", backend=backend)(batch)
    assert decoded["image"].dtype == torch.uint8
    assert decoded["image"].shape == (3, 6, 4, 3)
    assert torch.equal(decoded["image"], torch.tensor(np.stack(pictures)))
    assert decoded["label"] == [1, 2, 3]
    # The batch that was given is as it was.
    assert isinstance(batch["image"][0], memoryview)


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_of_several_sizes_stay_a_list(backend: Any) -> None:
    pictures = [picture(6, 4), picture(2, 9)]
    decoded = decode_images("image", backend=backend)(
        {"image": [encoded(p) for p in pictures]}
    )
    assert [tuple(image.shape) for image in decoded["image"]] == [(6, 4, 3), (2, 9, 3)]
    assert all(
        np.array_equal(image, p)
        for image, p in zip(decoded["image"], pictures, strict=True)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_of_several_sizes_are_resized_to_height_and_width(backend: Any) -> None:
    halves = np.zeros((8, 20, 3), np.uint8)
    halves[:, 10:] = 200
    pictures = [halves, np.full((3, 3, 3), 77, np.uint8)]
    batch = {"image": [encoded(p) for p in pictures]}
    image = decode_images("image", size=(4, 10), backend=backend)(batch)["image"]
    assert image.shape == (2, 4, 10, 3)
    assert image[0, :, :3].max() == 0
    assert image[0, :, 7:].min() == 200
    assert (image[1] == 77).all()


def test_a_batch_without_records_keeps_the_shape_of_images() -> None:
    assert decode_images("image", size=(4, 5), mode="L")({"image": []})[
        "image"
    ].shape == (*(0, 4, 5, 1),)
    assert decode_images("image")({"image": []})["image"] == []


@pytest.mark.parametrize(("mode", "samples"), [("RGB", 3), ("L", 1), ("RGBA", 4)])
def test_samples_are_those_of_the_mode(mode: Any, samples: int) -> None:
    batch = {
        "image": [encoded(picture()), encoded(picture(samples=1)), encoded(picture())]
    }
    image = decode_images("image", mode=mode)(batch)["image"]
    assert image.shape == (3, 6, 4, samples)
    grey = image[1].numpy()
    assert (grey[:, :, 0] == picture(samples=1)).all()
    if mode == "RGBA":
        assert (grey[:, :, 3] == 255).all()


def test_arrays_need_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    batch = {"image": [encoded(picture())]}
    image = decode_images("image", output="array")(batch)["image"]
    assert isinstance(image, np.ndarray)
    assert np.array_equal(image[0], picture())
    with pytest.raises(InvalidArgument) as caught:
        decode_images("image")
    assert "sealift[torch]" in caught.value.hint


def test_one_record_is_decoded_alone() -> None:
    record = {"image": encoded(picture()), "label": 4}
    assert decode_images("image")(record)["image"].shape == (6, 4, 3)


def test_bytes_of_a_batch_are_decoded_as_numpy_yields_them() -> None:
    column = pa.array(
        [bytes(encoded(picture(seed=seed))) for seed in range(3)], pa.large_binary()
    )
    batch = as_numpy(pa.record_batch({"image": column}).slice(1))
    image = decode_images("image", output="array")(batch)["image"]
    assert np.array_equal(image, np.stack([picture(seed=1), picture(seed=2)]))


def test_only_the_first_of_moving_pictures_is_taken() -> None:
    frames = [
        Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (0, 255)
    ]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    image = decode_images("image")({"image": [stream.getvalue()]})["image"]
    assert image.shape == (1, 4, 4, 3)
    assert image.max() == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_orientation_in_exif_data_is_not_applied(backend: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(picture(8, 16), "JPEG", exif=exif)
    image = decode_images("image", backend=backend)({"image": [turned]})["image"]
    assert image.shape == (1, 8, 16, 3)


def test_exif_values_stay_out_of_debug_logs(caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    content = encoded(picture(), "JPEG", exif=exif)
    assert CANARY in bytes(content)
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    decode_images("image")({"image": [content]})
    assert CANARY.decode() not in caplog.text


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_is_decoded")
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_image_that_announces_too_many_pixels_is_refused_before_it_is_decoded(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "torchvision":
        monkeypatch.setattr(
            "torchvision.io.decode_image", lambda *_: pytest.fail("decoded")
        )
    batch = {"image": [announcing(8193, 8192)]}
    with pytest.raises(MalformedObject, match="more than 67108864 pixels"):
        decode_images("image", backend=backend)(batch)


def test_the_limit_is_on_pixels_and_belongs_to_the_caller() -> None:
    batch = {"image": [encoded(picture(10, 10))]}
    assert decode_images("image", max_pixels=100)(batch)["image"].shape == (
        1,
        10,
        10,
        3,
    )
    with pytest.raises(MalformedObject, match="more than 99 pixels"):
        decode_images("image", max_pixels=99)(batch)


@pytest.mark.usefixtures("nothing_is_decoded")
def test_pillows_own_limit_on_pixels_is_an_error_of_ours() -> None:
    with pytest.raises(MalformedObject):
        decode_images("image", max_pixels=1 << 40)(
            {"image": [announcing(1 << 15, 1 << 15)]}
        )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_an_image_that_is_cut_anywhere_is_refused_and_its_place_is_told(
    form: str, backend: Any
) -> None:
    whole = encoded(picture(16, 16), form)
    decode = decode_images("image", backend=backend)
    last = len(whole) - (16 if form == "PNG" else 3)
    for cut in range(0, last, max(1, last // 40)):
        with pytest.raises(MalformedObject, match=r"record 1 of the batch") as caught:
            decode({"image": [whole, whole[:cut], whole]})
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_no_value_is_in_the_message() -> None:
    for content in (CANARY, CANARY * 100, bytes(encoded(picture()))[:-60] + CANARY):
        with pytest.raises(MalformedObject) as caught:
            decode_images("image")({"image": [content], CANARY.decode(): []})
        assert CANARY.decode() not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("form", ["TIFF", "EPS", "PPM", "TGA", "ICO", "PDF"])
def test_formats_that_are_not_decoded_are_refused(form: str) -> None:
    with pytest.raises(MalformedObject):
        decode_images("image")({"image": [encoded(picture(16, 16), form)]})


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_than_eight_bits_a_sample_are_refused_rather_than_cut(
    backend: Any,
) -> None:
    grey = encoded(np.full((4, 4), 4000, np.uint16))
    rows = b"".join(b"\0" + struct.pack(">12H", *range(12)) for _ in range(4))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    ]
    colours = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*parts, (b"IEND", b"")]
    )
    for content in (grey, colours):
        with pytest.raises(MalformedObject, match="8 bits"):
            decode_images("image", backend=backend)({"image": [content]})


def test_what_holds_no_bytes_cannot_be_decoded() -> None:
    decode = decode_images("image")
    with pytest.raises(InvalidArgument, match="null"):
        decode({"image": [encoded(picture()), None]})
    with pytest.raises(InvalidArgument, match="does not hold bytes"):
        decode({"image": [1, 2]})
    with pytest.raises(InvalidArgument, match="does not have the column"):
        decode({"picture": []})


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "P"},
        {"size": (0, 4)},
        {"max_pixels": 0},
        {"backend": "opencv"},
        {"output": "list"},
        {"backend": "torchvision", "mode": "RGBA"},
    ],
)
def test_arguments_are_checked_before_the_first_batch(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        decode_images("image", **wrong)


def test_missing_packages_are_named_with_their_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InvalidArgument) as caught:
        decode_images("image")
    assert "sealift[images]" in caught.value.hint
    with pytest.raises(InvalidArgument) as caught:
        decode_dicom("file")
    assert "sealift[dicom]" in caught.value.hint


# --- torchvision ---------------------------------------------------------------------------------


def test_pillow_decodes_where_torchvision_does_not_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert decode_images("image").backend == "pillow"
    with pytest.raises(InvalidArgument, match="torchvision"):
        decode_images("image", backend="torchvision")


@needs_torchvision
def test_torchvision_decodes_what_pillow_does_and_is_chosen_where_it_works() -> None:
    assert decode_images("image").backend == "torchvision"
    assert decode_images("image", mode="RGBA").backend == "pillow"
    smooth = (
        np.add.outer(np.arange(64), np.arange(48))[:, :, None]
        .repeat(3, 2)
        .astype(np.uint8)
    )
    batch = {
        "image": [
            encoded(smooth, "JPEG"),
            encoded(smooth[:, :, 0], "JPEG"),
            encoded(smooth),
        ]
    }
    for options in ({}, {"mode": "L"}, {"size": (32, 24)}):
        ours, theirs = (
            decode_images("image", backend=backend, **options)(batch)["image"].int()
            for backend in ("torchvision", "pillow")
        )
        assert (ours - theirs).abs().max() <= 2


# --- worker processes ----------------------------------------------------------------------------


def test_transforms_work_in_a_spawned_process() -> None:
    content, scan = encoded(picture()), shipped("CT_small.dcm")
    raw = {"pixels": [b"\1\2"], "pixel_shape": [[2]], "pixel_type": ["uint8"]}
    work = [
        (decode_images("image", output="array"), {"image": [bytes(content)]}),
        (decode_dicom("file", output="array"), {"file": [scan]}),
        (decode_pixels(output="array"), raw),
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        images, scans, pixels = [pool.submit(*each) for each in work]
        assert np.array_equal(images.result()["image"][0], picture())
        assert scans.result()["file"].shape == (1, 128, 128)
        assert pixels.result()["pixels"].tolist() == [[1, 2]]
    for transform, _ in work:
        assert pickle.loads(pickle.dumps(transform)) == transform


# --- DICOM ---------------------------------------------------------------------------------------


def shipped(name: str) -> bytes:
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file(name))).read_bytes()


def rewritten(name: str, **elements: Any) -> bytes:
    """A file of pydicom's with other elements; `frame` replaces its compressed pixels."""
    from pydicom.encaps import encapsulate

    data = pydicom.dcmread(io.BytesIO(shipped(name)))
    frame = elements.pop("frame", None)
    if frame is not None:
        data.PixelData = encapsulate([frame])
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in elements.items():
            setattr(data, keyword, value)
        data.save_as(stream)
    return stream.getvalue()


def jpeg2000(side: int) -> bytes:
    from openjpeg.utils import encode_array

    content: bytes = encode_array(
        np.zeros((side, side), np.int16), photometric_interpretation=2
    )
    return content


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "GDCMJ2K_TextGBR.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "examples_rgb_color.dcm",
        "SC_rgb_rle_2frame.dcm",
        "rtdose.dcm",
    ],
)
def test_scans_are_those_that_pydicom_decodes(name: str) -> None:
    expected = pydicom.dcmread(io.BytesIO(shipped(name))).pixel_array
    scans = decode_dicom("file")({"file": [memoryview(shipped(name))] * 2})["file"]
    assert scans.shape == (2, *expected.shape)
    assert np.array_equal(scans[1].numpy(), expected)
    assert scans.numpy().dtype == expected.dtype.newbyteorder("=")


def test_scans_of_several_shapes_stay_a_list() -> None:
    names = ["CT_small.dcm", "MR_small.dcm"]
    scans = decode_dicom("file", output="array")(
        {"file": [shipped(name) for name in names]}
    )["file"]
    assert [scan.shape for scan in scans] == [(128, 128), (64, 64)]


def test_a_scan_is_rescaled_to_hounsfield_units_when_asked() -> None:
    header = pydicom.dcmread(io.BytesIO(shipped("CT_small.dcm")))
    expected = header.pixel_array * float(header.RescaleSlope) + float(
        header.RescaleIntercept
    )
    scan = decode_dicom("file", rescale=True)({"file": shipped("CT_small.dcm")})["file"]
    assert scan.dtype == torch.float32
    assert np.array_equal(scan.numpy(), expected.astype(np.float32))
    assert header.RescaleIntercept != 0


@pytest.mark.usefixtures("nothing_is_decoded")
@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": 60000, "Columns": 60000},
        {"NumberOfFrames": 1 << 30},
        {"Rows": 32768, "Columns": 8192, "NumberOfFrames": 2},
    ],
)
def test_a_scan_that_announces_too_many_pixels_is_refused_before_it_is_decoded(
    elements: dict[str, Any],
) -> None:
    with pytest.raises(MalformedObject, match="more than 268435456 pixels"):
        decode_dicom("file")({"file": [rewritten("CT_small.dcm", **elements)]})


@pytest.mark.usefixtures("nothing_is_decoded")
@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_a_compressed_frame_that_is_larger_than_its_file_says_is_refused_before_it_is_decoded(
    name: str,
) -> None:
    large = (
        jpeg2000(2000)
        if "jp2k" in name
        else bytes(encoded(picture(2000, 2000), "JPEG"))
    )
    with pytest.raises(MalformedObject, match="broken"):
        decode_dicom("file")({"file": [rewritten(name, frame=large)]})


@pytest.mark.usefixtures("nothing_is_decoded")
def test_a_small_header_before_the_one_that_counts_hides_nothing() -> None:
    # As a file of its own, with a small image's beginning in a box that decoders pass over.
    large = jpeg2000(2000)
    box = struct.pack(">I4s", 8 + 60, b"free") + jpeg2000(64)[:60]
    signature = b"\0\0\0\x0cjP  \r\n\x87\n"
    boxed = signature + box + struct.pack(">I4s", 8 + len(large), b"jp2c") + large
    # Two frame headers in one JPEG.
    small, big = (bytes(encoded(picture(side, side), "JPEG")) for side in (100, 2000))
    doubled = small.replace(
        _frame_header(small), _frame_header(big) + _frame_header(small)
    )
    for name, frame in [
        ("MR_small_jp2klossless", boxed),
        ("SC_rgb_jpeg_dcmtk", doubled),
    ]:
        content = rewritten(f"{name}.dcm", frame=frame)
        with pytest.raises(MalformedObject, match="broken"):
            decode_dicom("file")({"file": [content]})


def _frame_header(content: bytes) -> bytes:
    place = content.index(b"\xff\xc0")
    return content[
        place : place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    ]


@pytest.mark.usefixtures("nothing_is_decoded")
def test_runs_that_unpack_to_more_than_a_frame_are_refused_before_they_are_unpacked() -> (
    None
):
    header = struct.pack("<16I", 2, 64, 100_064, *[0] * 13)
    frame = header + b"\x81\0" * 100_000
    with pytest.raises(MalformedObject, match="broken"):
        decode_dicom("file")({"file": [rewritten("MR_small_RLE.dcm", frame=frame)]})


@pytest.mark.usefixtures("nothing_is_decoded")
def test_a_deflated_file_is_refused_before_it_is_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zlib.decompress", lambda *_: pytest.fail("inflated"))
    with pytest.raises(MalformedObject, match="deflated"):
        decode_dicom("file")({"file": [shipped("image_dfl.dcm")]})


@pytest.mark.parametrize(
    "content",
    [
        CANARY,
        b"\0" * 128 + b"DICM" + CANARY,
        shipped("CT_small.dcm")[:4000],
        shipped("rtplan.dcm"),
        shipped("CT_small.dcm").replace(
            b"\x28\x00\x02\x00US\x02\x00", b"\x28\x00\x02\x00US\x03\x00"
        ),
        rewritten("MR_small_jp2klossless.dcm", frame=jpeg2000(64)[:90] + CANARY),
    ],
    ids=[
        "not one",
        "only its beginning",
        "cut",
        "without pixels",
        "odd length",
        "bad frame",
    ],
)
def test_a_file_that_is_not_decoded_is_refused_without_a_word_of_what_it_holds(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MalformedObject) as caught:
            decode_dicom("file")({"file": [content]})
    assert caught.value.what.endswith("(record 0 of the batch)")
    for text in (caught.value.what, caught.value.hint, caplog.text):
        assert "canary" not in text
        assert "b'" not in text
    assert caught.value.__suppress_context__
    assert not [
        record for record in caplog.records if record.name.startswith("pydicom")
    ]


# --- raw pixels ----------------------------------------------------------------------------------


def pushed(*pixels: Any) -> dict[str, Any]:
    """A batch of raw pixels as a DICOM source pushes them and `numpy()` yields them."""
    return as_numpy(
        pa.record_batch(
            {
                "pixels": pa.array([p.tobytes() for p in pixels], pa.large_binary()),
                "pixel_shape": pa.array(
                    [p.shape for p in pixels], pa.list_(pa.int32())
                ),
                "pixel_type": [p.dtype.name for p in pixels],
            }
        )
    )


def test_raw_pixels_get_their_shape_and_type() -> None:
    scans = [np.arange(20, dtype=np.int16).reshape(4, 5) + n for n in range(3)]
    pixels = decode_pixels()(pushed(*scans))["pixels"]
    assert pixels.dtype == torch.int16
    assert np.array_equal(pixels.numpy(), np.stack(scans))
    mixed = decode_pixels(output="array")(pushed(scans[0], scans[1][:2]))["pixels"]
    assert [scan.shape for scan in mixed] == [(4, 5), (2, 5)]


def test_raw_pixels_do_not_keep_the_shards_memory() -> None:
    batch = pushed(np.arange(4, dtype=np.uint8), np.arange(5, dtype=np.uint8))
    view = np.frombuffer(batch["pixels"][0], np.uint8)
    decoded = decode_pixels(output="array")(batch)["pixels"]
    assert not np.shares_memory(view, decoded[0])


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ([2, 2], "int16"),
        ([-2, -2], "uint8"),
        ([4], "object"),
        ([4], "V1"),
        (None, "uint8"),
    ],
)
def test_raw_pixels_that_do_not_fit_their_shape_and_type_are_refused(
    shape: Any, kind: str
) -> None:
    batch = {"pixels": [b"1234"], "pixel_shape": [shape], "pixel_type": [kind]}
    with pytest.raises(MalformedObject, match="record 0"):
        decode_pixels()(batch)
