"""Applies a policy to images: looks for burned-in text, and runs hooks on frames."""

from __future__ import annotations

import pyarrow as pa

from sealift.owner.deidentify.frames import FrameHooks
from sealift.owner.deidentify.pixels import PIXELS, BurnedIn, PixelInspector
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
        self._pixels = result.get_field_index(PIXELS)
        inspector = PixelInspector(source)
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
            changed[self._pixels] = self._judge(found, changed[self._pixels])
        return changed

    def take_notices(self) -> tuple[str, ...]:
        """Return sentences about the images since the last call."""
        notices = self._inspector.take_notices() if self._inspector is not None else ()
        if self._burned_in == "drop":
            notices = tuple(
                f"{told}; pixels of suspected images are left out" for told in notices
            )
        if self._without_frames:
            notices += (
                "the records do not have the column that [frames] names: no hook was run",
            )
        return notices

    def _judge(self, found: list[BurnedIn], pixels: pa.Array) -> pa.Array:
        count = sum(one.suspected for one in found)
        if not count or self._burned_in == "report":
            return pixels
        if self._burned_in == "refuse":
            ways = ", ".join(sorted({one.how for one in found if one.suspected}))
            raise PolicyViolation(
                f"{count} of the next {len(found)} images are suspected of burned-in text ({ways})",
                hint='look at them, then clean or remove them, or set burned_in = "drop" or '
                '"report" in [pixels] of a copy of the policy',
            )
        clean = [place for place, one in enumerate(found) if not one.suspected]
        places: list[int | None] = [None] * len(found)
        for place in clean:
            places[place] = place
        return pixels.take(pa.array(places, pa.int64()))
