"""Burned-in text: found by header, shape and reading; and hooks that change frames."""

from __future__ import annotations

import io
import itertools
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

from sealift.owner.deidentify import Deidentifier, frames, ocr, parse_policy
from sealift.owner.deidentify.painting import paint_text
from sealift.owner.deidentify.pixels import (
    HEADER_RULES,
    BurnedIn,
    PixelInspector,
    detect_text,
    suspects_by_header,
)
from sealift.owner.deidentify.textlines import Line, find_lines
from sealift.policy.file import PixelRules
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyInvalid, PolicyViolation

SECRET = Secret(bytes(range(32)))
Pixels = np.ndarray[Any, Any]

# Images of pydicom without a letter on them.
CLEAN = (
    *("693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "CT_small.dcm", "MR_small.dcm"),
    *("examples_overlay.dcm", "JPEG2000.dcm", "image_dfl.dcm", "liver_1frame.dcm"),
    *("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_rle_2frame.dcm", "rtdose.dcm"),
)
# And with: names of colours, and the overlays of ultrasound devices.
WRITTEN_ON = (
    *("GDCMJ2K_TextGBR.dcm", "examples_jpeg2k.dcm", "examples_rgb_color.dcm"),
    *("examples_palette.dcm", "examples_ybr_color.dcm"),
)


def pixels_of(name: str) -> Pixels:
    array: Pixels = pydicom.dcmread(get_testdata_file(name), force=True).pixel_array
    return array


def drawn(
    base: Pixels, text: str, size: int, *, at: tuple[int, int], level: float
) -> Pixels:
    """An image with text at a brightness from 0, its darkest, to 1, its brightest."""
    mask = Image.new("L", (base.shape[1], base.shape[0]))
    ImageDraw.Draw(mask).text(at, text, font=ImageFont.load_default(size), fill=255)
    share = np.asarray(mask) / 255
    low, high = float(base.min()), float(base.max())
    return (base * (1 - share) + (low + (high - low) * level) * share).astype(
        base.dtype
    )


# --- by shape ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLEAN)
def test_images_without_text_are_not_suspected(name: str) -> None:
    assert detect_text(pixels_of(name), with_ocr=False) == BurnedIn(suspected=False)


@pytest.mark.parametrize("name", WRITTEN_ON)
def test_text_that_devices_wrote_is_found(name: str) -> None:
    found = detect_text(pixels_of(name), with_ocr=False)
    assert found.suspected
    assert found.how == "edges"
    assert found.boxes > 0


NAMES = (
    "DOE^JANE",
    "SMITH, JOHN A",
    "MRN 00482913",
    "1961-04-23",
    "Maria Gonzales",
    "F 045Y",
)


def cases() -> Iterator[Pixels]:
    """48 images: eight sizes of letters on CT, MR and ultrasound, at two levels of grey."""
    texts = itertools.cycle(NAMES)
    places = itertools.cycle([(8, 8), (60, 100), (100, 170), (20, 195)])
    scan = pixels_of("examples_rgb_color.dcm")[90:160, 100:150, 0]
    ultrasound = np.kron(scan, np.ones((4, 6), scan.dtype))
    bases = (
        pixels_of("J2K_pixelrep_mismatch.dcm"),
        pixels_of("examples_overlay.dcm"),
        ultrasound,
    )
    for base, size in itertools.product(bases, (9, 10, 12, 14, 16, 20, 24, 28)):
        for level in (1.0, 0.8):
            yield drawn(base, next(texts), size, at=next(places), level=level)


def test_at_least_nine_of_ten_texts_drawn_onto_scans_are_found_by_shape() -> None:
    found = [detect_text(image, with_ocr=False).suspected for image in cases()]
    assert len(found) == 48
    assert sum(found) >= 0.9 * len(found), f"{sum(found)} of {len(found)}"


def test_dark_text_on_a_bright_image_is_found() -> None:
    image = np.full((200, 300), 225, np.uint8)
    image[0, 0] = 0
    assert not detect_text(image, with_ocr=False).suspected
    dark = drawn(image, "DOE^JANE", 16, at=(20, 20), level=0)
    assert detect_text(dark, with_ocr=False).suspected


def test_text_in_a_corner_of_a_large_image_is_found_though_it_is_looked_at_in_pieces() -> (
    None
):
    image = np.zeros((2300, 2500), np.uint16)
    image += np.linspace(400, 0, 2500).astype(np.uint16)
    assert not detect_text(image, with_ocr=False).suspected
    assert detect_text(
        drawn(image, "DOE^JANE", 20, at=(2350, 2250), level=1), with_ocr=False
    ).suspected


def test_text_in_the_last_frame_of_many_is_found() -> None:
    frames_ = np.zeros((40, 120, 200), np.uint8)
    frames_[-1] = drawn(
        np.eye(120, 200, dtype=np.uint8) * 255, "DOE^JANE", 16, at=(60, 20), level=1
    )
    assert detect_text(frames_, with_ocr=False).suspected
    assert not detect_text(frames_[:-1], with_ocr=False).suspected


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("size", [12, 40])
def test_text_in_any_of_four_directions_is_found(turns: int, size: int) -> None:
    base = np.rot90(pixels_of("J2K_pixelrep_mismatch.dcm"), -turns)
    image = np.rot90(drawn(base, "DOE^JANE 1931", size, at=(60, 200), level=1), turns)
    assert detect_text(image, with_ocr=False).suspected


def test_letters_of_a_third_of_the_image_are_found() -> None:
    image = np.tile(np.linspace(0, 90, 600), (300, 1)).astype(np.int16)
    assert not detect_text(image, with_ocr=False).suspected
    image[0, 0] = 255
    large = drawn(image, "DOEJAN", 150, at=(10, 60), level=1)
    assert detect_text(large, with_ocr=False).suspected
    assert detect_text(large.T, with_ocr=False).suspected


@pytest.mark.parametrize(
    ("ground", "ink"), [(238, 255), (20, 26), (120, 112)], ids=["white", "dark", "grey"]
)
def test_text_that_hardly_differs_from_what_is_behind_it_is_found(
    ground: int, ink: int
) -> None:
    image = np.full((200, 300), ground, np.uint8)
    image[50:80, 200:260] = 0
    image[50:80, 260:290] = 255
    assert not detect_text(image, with_ocr=False).suspected
    faint = drawn(image, "DOE^JANE", 18, at=(20, 120), level=ink / 255)
    assert detect_text(faint, with_ocr=False).suspected


def test_text_in_a_colour_of_the_same_brightness_is_found() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[...] = (120, 90, 60)
    assert not detect_text(image, with_ocr=False).suspected
    shape = drawn(
        np.eye(100, 200, dtype=np.uint8), "DOE^JANE", 18, at=(20, 30), level=1
    )
    image[shape > 0] = (84, 90, 158)
    assert detect_text(image, with_ocr=False).suspected


def test_text_in_a_colour_of_the_palette_next_to_that_of_the_ground_is_found() -> None:
    ramp = np.tile(np.arange(0, 240, 12, np.uint8).repeat(10), (100, 1))
    assert not detect_text(ramp, with_ocr=False).suspected
    mask = Image.new("1", (200, 100))
    ImageDraw.Draw(mask).text(
        (20, 30), "DOE^JANE", font=ImageFont.load_default(18), fill=1
    )
    ramp[np.asarray(mask)] = 101
    assert detect_text(ramp, with_ocr=False).suspected


def test_every_frame_is_examined_unless_a_sample_is_asked_for() -> None:
    frames_ = np.zeros((40, 120, 200), np.uint8)
    frames_ += np.arange(40, dtype=np.uint8)[:, None, None]
    frames_[17] = WITH_TEXT
    assert detect_text(frames_, with_ocr=False).suspected
    assert not detect_text(frames_, with_ocr=False, frames=3).suspected
    frames_[39] = WITH_TEXT
    assert detect_text(frames_, with_ocr=False, frames=3).suspected


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int16, np.uint32, np.float32, np.float64, np.bool_]
)
def test_images_of_every_type_are_looked_at(kind: type) -> None:
    image = WITH_TEXT > 120 if kind is np.bool_ else WITH_TEXT.astype(kind)
    assert detect_text(image, with_ocr=False).suspected
    assert not detect_text(np.zeros((20, 20), kind), with_ocr=False).suspected


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2, 2), (3, 3, 3)])
def test_tiny_images_are_no_text(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    assert not detect_text(image, with_ocr=False).suspected


# --- by reading -----------------------------------------------------------------------------------

tesseract = pytest.mark.skipif(not ocr.is_installed(), reason="needs tesseract-ocr")


# Three letters are too few to be text by their shape alone.
_DARK = np.full((90, 160), 20, np.uint8)
_DARK[0, 0] = 220
FEW = drawn(_DARK, "DOE", 40, at=(20, 20), level=1)


@tesseract
@pytest.mark.parametrize("turns", range(4))
def test_what_may_be_text_is_read_in_every_direction(turns: int) -> None:
    image = np.rot90(FEW, turns)
    lines = list(find_lines(image))
    assert lines
    assert not any(line.sure for line in lines)
    assert detect_text(image).how == "ocr"
    assert not detect_text(image, with_ocr=False).suspected


@tesseract
def test_what_may_be_text_and_has_no_word_is_not_suspected() -> None:
    dots = np.zeros((90, 160), np.uint8)
    for column in (20, 50, 80):
        dots[30:50, column : column + 14] = 200
        dots[34:46, column + 4 : column + 10] = 0
    lines = list(find_lines(dots))
    assert lines
    assert not any(line.sure for line in lines)
    assert ocr.read_lines(dots, lines) == []


@tesseract
def test_an_image_full_of_what_may_be_text_is_read_whole() -> None:
    image = pixels_of("examples_jpeg2k.dcm")[..., 0]
    spread = [
        Line(4 * n, 4 * n + 4, 40 * (n % 7), 40 * (n % 7) + 8, upright=True, sure=False)
        for n in range(55)
    ]
    assert len(ocr.read_lines(image, spread) or []) >= 3


@tesseract
@pytest.mark.parametrize("turns", range(4))
def test_a_words_box_is_where_the_word_is(turns: int) -> None:
    image = np.rot90(FEW, turns)
    rows, columns = np.nonzero(image > 100)
    words = ocr.read_lines(image, list(find_lines(image))) or []
    assert words
    for word in words:
        box = np.array((word.top, word.bottom, word.left, word.right))
        # Except for the one pixel in the corner of the image.
        ink = (
            rows[(rows > 0) & (rows < len(image) - 1)],
            columns[(columns > 0) & (columns < image.shape[1] - 1)],
        )
        there = (ink[0].min(), ink[0].max() + 1, ink[1].min(), ink[1].max() + 1)
        assert np.abs(box - there).max() <= 4
        assert word.upright == (turns % 2 == 0)


@tesseract
def test_an_image_is_read_without_a_byte_written_to_a_file() -> None:
    # Under this limit a process that writes to a file is killed; pipes are not files.
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sealift.owner.deidentify import ocr
from sealift.owner.deidentify.textlines import find_lines
image = Image.new("L", (300, 100))
ImageDraw.Draw(image).text((20, 20), "DOE JANE", font=ImageFont.load_default(32), fill=255)
shown = np.asarray(image)
print(len(ocr.read_lines(shown, list(find_lines(shown)))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 1


def test_an_image_that_tesseract_fails_on_is_suspected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ocr, "PROGRAM", "false")
    assert detect_text(FEW, with_ocr=True) == BurnedIn(suspected=True, how="unreadable")
    assert paint_text(FEW) is None


def test_png_that_goes_to_tesseract_is_the_image() -> None:
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(ocr.as_png(image)))), image)


# --- by header, and in batches --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("BurnedInAnnotation", "YES"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7.4"),
        ("ConversionType", "WSD"),
        ("Modality", "US"),
        ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"]),
        ("SeriesDescription", "Dose Report"),
        ("Manufacturer", "Vital Images"),
    ],
)
def test_a_header_that_tells_of_text_is_enough(keyword: str, value: object) -> None:
    clean = [["ORIGINAL", "PRIMARY"] if isinstance(value, list) else "NO", None]
    batch = pa.RecordBatch.from_pydict({keyword: [clean[0], value, clean[1]]})
    expected = [keyword == "ConversionType", True, False]
    assert suspects_by_header(batch).tolist() == expected


def test_every_header_rule_names_an_element_that_the_source_has_as_a_column() -> None:
    from sealift.owner.sources.dicomelements import known_element

    assert all(known_element(rule.keyword) for rule in HEADER_RULES)


def test_ordinary_scans_are_not_suspected_by_their_header() -> None:
    row = {
        "Modality": "CT",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "BurnedInAnnotation": "NO",
    }
    assert suspects_by_header(pa.RecordBatch.from_pylist([row])).tolist() == [False]


def batch_of(*images: Pixels | None, **columns: list[Any]) -> pa.RecordBatch:
    def little(image: Pixels) -> bytes:
        return image.astype(image.dtype.newbyteorder("<")).tobytes()

    shapes = [None if image is None else list(image.shape) for image in images]
    return pa.RecordBatch.from_pydict(
        {
            "PatientName": ["Zxqv^Wq"] * len(images),
            "pixels": pa.array(
                [None if image is None else little(image) for image in images],
                pa.large_binary(),
            ),
            "pixel_shape": pa.array(shapes, pa.list_(pa.int32())),
            "pixel_type": [
                None if image is None else image.dtype.name for image in images
            ],
            **columns,
        }
    )


WITH_TEXT = drawn(
    np.eye(120, 200, dtype=np.uint8) * 255, "DOE^JANE", 16, at=(60, 20), level=1
)
NO_TEXT = np.eye(120, 200, dtype=np.int16)


def test_an_inspector_counts_images_and_how_text_was_found() -> None:
    batch = batch_of(
        WITH_TEXT, NO_TEXT, None, NO_TEXT, Modality=["CT", "CT", "CT", "US"]
    )
    inspector = PixelInspector(batch.schema, with_ocr=False)
    found = inspector.inspect(batch)
    assert [one.how for one in found] == ["edges", "", "", "header"]
    assert inspector.take_notices() == (
        "2 of 3 images are suspected of burned-in text (1 by edges, 1 by header)",
    )
    assert inspector.take_notices() == ()


def test_an_image_whose_bytes_do_not_fit_its_shape_is_suspected() -> None:
    good = batch_of(NO_TEXT)
    for column, value in (
        ("pixel_shape", [7, 7]),
        ("pixel_type", "int99"),
        ("pixel_type", "O"),
    ):
        row = good.to_pylist()[0] | {column: value}
        batch = pa.RecordBatch.from_pylist([row], schema=good.schema)
        (found,) = PixelInspector(batch.schema, with_ocr=False).inspect(batch)
        assert found == BurnedIn(suspected=True, how="unreadable")


@pytest.mark.parametrize("left", [["pixels"], ["pixels", "pixel_shape"]])
def test_pixels_that_cannot_be_looked_at_are_suspected(left: list[str]) -> None:
    batch = batch_of(NO_TEXT).select(left)
    (found,) = PixelInspector(batch.schema, with_ocr=False).inspect(batch)
    assert found == BurnedIn(suspected=True, how="unreadable")


def test_pixels_in_another_type_than_bytes_are_suspected() -> None:
    row = batch_of(NO_TEXT).to_pylist()[0]
    for pixels in ([*row["pixels"]], 1.5):
        batch = pa.RecordBatch.from_pylist([row | {"pixels": pixels}])
        (found,) = PixelInspector(batch.schema, with_ocr=False).inspect(batch)
        assert found == BurnedIn(suspected=True, how="unreadable")


def policy_of(*tables: str, columns: str = 'PatientName = "drop"') -> Any:
    head = 'format = 1\nname = "x"\nversion = "1"\nunlisted = "keep"\n'
    return parse_policy(
        (head + "\n".join(tables) + f"\n[columns]\n{columns}\n").encode()
    )


def run(policy: Any, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, tuple[str, ...]]:
    with Deidentifier(policy, batch.schema, secret=SECRET) as work:
        after = work.apply(batch)
        return after, work.take_report().all_notices


def test_a_policy_that_says_nothing_reports_burned_in_text() -> None:
    batch = batch_of(WITH_TEXT, NO_TEXT)
    after, notices = run(policy_of(), batch)
    assert after.column("pixels").equals(batch.column("pixels"))
    assert notices == ("1 of 2 images are suspected of burned-in text (1 by edges)",)


def test_a_policy_can_drop_the_pixels_of_suspected_images() -> None:
    batch = batch_of(WITH_TEXT, NO_TEXT)
    after, notices = run(policy_of('[pixels]\nburned_in = "drop"'), batch)
    assert after.column("pixels").to_pylist() == [
        None,
        batch.column("pixels")[1].as_py(),
    ]
    assert notices[0].endswith("(1 by edges); pixels of suspected images are left out")


def test_a_policy_can_refuse_them() -> None:
    policy = policy_of('[pixels]\nburned_in = "refuse"')
    with pytest.raises(PolicyViolation, match="1 of the next 2 images") as caught:
        run(policy, batch_of(WITH_TEXT, NO_TEXT))
    assert "Zxqv" not in str(caught.value) + caught.value.hint
    after, _ = run(policy, batch_of(NO_TEXT))
    assert after.num_rows == 1


def test_pixels_that_are_dropped_are_not_looked_at() -> None:
    policy = policy_of('[pixels]\nburned_in = "refuse"', columns='pixels = "drop"')
    after, notices = run(policy, batch_of(WITH_TEXT))
    assert "pixels" not in after.schema.names
    assert notices == ()


# --- painted over ---------------------------------------------------------------------------------


def painting(frames_: int = 0) -> Any:
    return replace(policy_of(), pixels=PixelRules("paint", frames_))


@tesseract
@pytest.mark.parametrize("turns", [0, 3])
def test_text_is_painted_over_in_every_frame_and_nothing_else(turns: int) -> None:
    plain = np.tile(np.linspace(10, 90, 200), (120, 1)).astype(np.uint8)
    frames_ = np.stack([plain] * 5)
    frames_[3] = drawn(plain, "DOE^JANE 1931", 16, at=(30, 50), level=1)
    frames_ = np.rot90(frames_, turns, axes=(1, 2))
    before = frames_.copy()
    painted = paint_text(frames_)
    assert painted is not None
    assert painted.boxes
    assert np.array_equal(frames_, before)
    assert not detect_text(painted.pixels).suspected
    changed = np.rot90(painted.pixels, -turns, axes=(1, 2)) != np.stack([plain] * 5)
    rows = np.flatnonzero(changed.any((0, 2)))
    assert rows.min() > 35
    assert rows.max() < 85
    assert changed.any((1, 2)).all()


@tesseract
def test_a_policy_can_paint_over_text_and_says_so() -> None:
    batch = batch_of(NO_TEXT, WITH_TEXT, None, WITH_TEXT, NO_TEXT)
    after, notices = run(painting(), batch)
    after.validate(full=True)
    before = batch.column("pixels").to_pylist()
    pixels = after.column("pixels").to_pylist()
    assert [pixels[place] for place in (0, 2, 4)] == [before[0], None, before[4]]
    assert pixels[1] == pixels[3] != before[1]
    assert len(pixels[1]) == len(before[1])
    clean = np.frombuffer(pixels[1], np.uint8).reshape(WITH_TEXT.shape)
    assert not detect_text(clean).suspected
    assert notices[0].startswith("2 of 4 images are suspected")
    assert "painted over in 2 images" in notices[1]


@tesseract
def test_text_that_only_the_header_tells_of_is_refused_where_it_is_not_found() -> None:
    batch = batch_of(NO_TEXT, BurnedInAnnotation=["YES"])
    with pytest.raises(PolicyViolation, match="cannot be painted over"):
        run(painting(), batch)


@pytest.mark.parametrize("program", ["false", "no-such-program"])
def test_nothing_is_painted_where_it_cannot_be_read_again(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "PROGRAM", program)
    batch = batch_of(FEW, BurnedInAnnotation=["YES"])
    with pytest.raises(PolicyViolation):
        run(painting(), batch)


def test_text_that_is_still_found_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sealift.owner.deidentify.painting.widened",
        lambda line, *_, **__: replace(line, top=0, bottom=0),
    )
    assert paint_text(WITH_TEXT) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[pixels]\nburned_in = "maybe"', 6),
        ("[pixels]\nburned_in = 1", 6),
        ('[pixels]\nburned_in = "paint"', 6),
        ("[pixels]\nframes = 8", 6),
        ('[pixels]\nocr = "yes"', 6),
        ('[frames]\nhooks = ["a"]', 5),
        ('[frames]\ncolumn = ""\nhooks = ["a"]', 6),
        ('[frames]\ncolumn = "image"\nhooks = []', 7),
        ('[frames]\ncolumn = "image"\nhooks = "a"', 7),
        ('[frames]\ncolumn = "image"\nhooks = ["a"]\nsize = 1', 8),
    ],
)
def test_a_mistake_in_these_tables_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        policy_of(text)
    assert caught.value.line == line


# --- hooks on frames ------------------------------------------------------------------------------

FRAMES = policy_of(
    '[frames]\ncolumn = "image"\nhooks = ["invert", "halve"]', columns='x = "keep"'
)


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> dict[str, frames.FrameHook]:
    known: dict[str, frames.FrameHook] = {}
    monkeypatch.setattr(frames, "_registered", known)
    frames.register_frame_hook("invert", lambda frame: 255 - frame)
    frames.register_frame_hook("halve", lambda frame: frame // 2)
    return known


def frame_batch(image: pa.Array, **columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"x": [1] * len(image), "image": image, **columns}
    )


IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_hooks_run_in_their_order_on_tensors_and_change_nothing_of_the_source() -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([IMAGE, IMAGE + 1]))
    batch = frame_batch(tensors)
    after, _ = run(FRAMES, batch)
    assert after.schema.field("image").type == tensors.type
    assert np.array_equal(
        after.column("image").to_numpy_ndarray()[1], (254 - IMAGE) // 2
    )
    assert np.array_equal(tensors.to_numpy_ndarray()[0], IMAGE)
    assert run(FRAMES, batch.slice(0, 0))[0].num_rows == 0


def test_hooks_run_on_raw_bytes_beside_their_shape_and_type() -> None:
    batch = frame_batch(
        pa.array([IMAGE.tobytes(), None], pa.large_binary()),
        image_shape=pa.array([[4, 6, 3], None], pa.list_(pa.int32())),
        image_type=["uint8", None],
    )
    after, _ = run(FRAMES, batch)
    assert after.column("image").to_pylist() == [((255 - IMAGE) // 2).tobytes(), None]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_hooks_run_on_image_files_which_lose_their_metadata(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    written = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "Zxqv at 48.2N"
    Image.fromarray(np.full((16, 16, 3), 55, np.uint8)).save(written, form, exif=exif)
    assert b"Zxqv" in written.getvalue()
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    after, _ = run(
        FRAMES, frame_batch(pa.array([written.getvalue(), None], pa.binary()))
    )
    changed, nothing = after.column("image").to_pylist()
    assert nothing is None
    assert b"Zxqv" not in changed
    assert "Zxqv" not in caplog.text
    image = Image.open(io.BytesIO(changed))
    assert image.format == form
    assert np.abs(np.asarray(image).astype(int) - 100).max() <= 2


def test_a_hook_that_is_not_there_refuses_the_records(hooks: dict[str, Any]) -> None:
    del hooks["halve"]
    with pytest.raises(PolicyViolation, match="not installed"):
        Deidentifier(
            FRAMES, frame_batch(pa.array([b""], pa.binary())).schema, secret=SECRET
        ).close()


def test_hooks_of_installed_packages_are_found(
    hooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    points = {
        "good": EntryPoint("good", "numpy:negative", frames.GROUP),
        "bad": EntryPoint("bad", "zqzq_not_there:hook", frames.GROUP),
    }
    monkeypatch.setattr(
        frames,
        "entry_points",
        lambda *, group, name: [points[name]] if name in points else [],
    )
    assert frames.find_frame_hook("good") is np.negative
    with pytest.raises(PolicyViolation, match="cannot be loaded"):
        frames.find_frame_hook("bad")


def secret_in_error(frame: Pixels) -> Pixels:
    raise ValueError(f"Zxqv {frame}")


@pytest.mark.parametrize(
    "hook",
    [
        secret_in_error,
        lambda frame: frame[:1],
        lambda frame: frame.astype(float),
        lambda _: None,
    ],
)
def test_a_hook_that_fails_or_returns_something_else_refuses_without_quoting(
    hooks: dict[str, Any], hook: Any
) -> None:
    hooks["halve"] = hook
    batch = frame_batch(pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([IMAGE])))
    with pytest.raises(PolicyViolation) as caught:
        run(FRAMES, batch)
    assert "Zxqv" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "image",
    [
        pa.array([b"no image"], pa.binary()),
        pa.array(["text"]),
        pa.array([[1, 2]]),
    ],
)
def test_a_column_that_holds_no_frames_is_refused(image: pa.Array) -> None:
    with pytest.raises(PolicyViolation):
        run(FRAMES, frame_batch(image))


def test_a_frame_column_that_a_rule_changes_or_that_is_absent_is_refused() -> None:
    table = '[frames]\ncolumn = "image"\nhooks = ["invert"]'
    batch = frame_batch(pa.array([b"x"], pa.binary()))
    with pytest.raises(PolicyViolation, match="a rule changes"):
        run(policy_of(table, columns='image = "hash"'), batch)
    with pytest.raises(PolicyViolation, match="do not have"):
        run(policy_of(table, columns='x = "keep"'), batch.select(["x"]))
    assert run(policy_of(table, columns='image = "drop"'), batch)[0].schema.names == [
        "x"
    ]
