"""Applies a policy to images: looks for burned-in text, and runs hooks on frames."""

from __future__ import annotations

import pyarrow as pa

from sealift.owner.deidentify import ocr
from sealift.owner.deidentify.frames import FrameHooks
from sealift.owner.deidentify.painting import paint_text
from sealift.owner.deidentify.pixels import (
    PIXELS,
    SHAPE,
    TYPE,
    BurnedIn,
    PixelInspector,
    as_image,
)
from sealift.policy.file import Policy
from sealift_protocol.errors import PolicyViolation


class ImageSteps:
    """Applies the tables [pixels] and [frames] of a policy to batches of one schema."""

    def __init__(self, policy: Policy, source: pa.Schema, result: pa.Schema) -> None:
        """Plan what happens to each image column.

        Args:
            policy: the policy to apply.
            source: schema of the batches before de-identification.
            result: schema after it; dropped columns are left alone.

        Raises:
            PolicyViolation: a hook or the frames' column is missing, or it does not hold frames.
        """
        self._burned_in = policy.pixels.burned_in
        self._of_frames = policy.pixels.frames
        self._images_painted = self._boxes = 0
        self._pixels = result.get_field_index(PIXELS)
        inspector = PixelInspector(source, frames=self._of_frames)
        self._inspector = inspector if self._pixels >= 0 and inspector.applies else None
        self._frames, self._hooks = -1, None
        frames = policy.frames
        self._without_frames = (
            frames is not None and source.get_field_index(frames.column) < 0
        )
        if frames is None:
            return
        self._frames = result.get_field_index(frames.column)
        if self._frames >= 0 and not source.field(frames.column).type.equals(
            result.field(self._frames).type
        ):
            raise PolicyViolation(
                "[frames] of the policy names a column that a rule changes",
                columns=(frames.column,),
                hint='give that column the action "keep": the hooks change it',
            )
        if self._frames >= 0:
            self._hooks = FrameHooks(frames.hooks, frames.column, source)
        elif policy.absent == "refuse" and source.get_field_index(frames.column) < 0:
            raise PolicyViolation(
                "[frames] of the policy names a column that the records do not have",
                columns=(frames.column,),
                hint='correct the name, or set absent = "ignore" in the policy',
            )

    def apply(self, batch: pa.RecordBatch, arrays: list[pa.Array]) -> list[pa.Array]:
        """Return the columns of the result, with the image columns changed.

        Args:
            batch: the batch before de-identification.
            arrays: the columns after it, one for each column of the result.

        Raises:
            PolicyViolation: text is suspected and the policy refuses it, or a hook failed.
        """
        changed = list(arrays)
        if self._hooks is not None:
            changed[self._frames] = self._hooks.apply(batch)
        if self._inspector is not None:
            found = self._inspector.inspect(batch)
            changed[self._pixels] = self._judge(batch, found, changed[self._pixels])
        return changed

    def take_notices(self) -> tuple[str, ...]:
        """Return sentences about the images since the last call."""
        notices = self._inspector.take_notices() if self._inspector is not None else ()
        if self._burned_in == "drop":
            notices = tuple(
                f"{told}; pixels of suspected images are left out" for told in notices
            )
        if self._images_painted:
            notices += (
                f"text was painted over in {self._images_painted} images, in {self._boxes} "
                "places; read again, they show none",
            )
            self._images_painted = self._boxes = 0
        if self._without_frames:
            notices += (
                "the records do not have the column that [frames] names: no hook was run",
            )
        return notices

    def _judge(
        self, batch: pa.RecordBatch, found: list[BurnedIn], pixels: pa.Array
    ) -> pa.Array:
        suspected = [place for place, one in enumerate(found) if one.suspected]
        if not suspected or self._burned_in == "report":
            return pixels
        match self._burned_in:
            case "paint":
                return self._painted(batch, suspected, found, pixels)
            case "drop":
                places = [
                    None if one.suspected else place for place, one in enumerate(found)
                ]
                return pixels.take(pa.array(places, pa.int64()))
            case _:
                ways = ", ".join(sorted({found[place].how for place in suspected}))
                raise PolicyViolation(
                    f"{len(suspected)} of the next {len(found)} images are suspected of "
                    f"burned-in text ({ways})",
                    hint="look at them, then clean or remove them, or set burned_in = "
                    '"paint", "drop" or "report" in [pixels] of a copy of the policy',
                )

    def _painted(
        self,
        batch: pa.RecordBatch,
        suspected: list[int],
        found: list[BurnedIn],
        pixels: pa.Array,
    ) -> pa.Array:
        if not ocr.is_installed():
            raise PolicyViolation(
                'burned_in = "paint" needs Tesseract, which reads the painted images again',
                hint="install tesseract-ocr, or set another burned_in in a copy of the policy",
            )
        pieces, begin = [], 0
        for place in suspected:
            image = as_image(
                pixels[place].as_buffer(),
                batch.column(SHAPE)[place].as_py(),
                batch.column(TYPE)[place].as_py(),
            )
            painted = None
            if image is not None:
                painted = paint_text(image, frames=self._of_frames)
            # Where only the header tells of text, what it tells of was not found.
            if painted is None or not painted.boxes:
                raise PolicyViolation(
                    "an image is suspected of burned-in text that cannot be painted over "
                    f"({found[place].how})",
                    hint='look at it, then clean or remove it, or set burned_in = "drop" in '
                    "[pixels] of a copy of the policy",
                )
            self._images_painted += 1
            self._boxes += painted.boxes
            little = painted.pixels.astype(
                painted.pixels.dtype.newbyteorder("<"), copy=False
            )
            pieces.append(pixels.slice(begin, place - begin))
            pieces.append(pa.array([little.tobytes()], pixels.type))
            begin = place + 1
        return pa.concat_arrays([*pieces, pixels.slice(begin)])
