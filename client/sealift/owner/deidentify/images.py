"""What a policy says of images: burned-in text looked for, hooks run on frames."""

from __future__ import annotations

import pyarrow as pa

from sealift.owner.deidentify.frames import FrameHooks
from sealift.owner.deidentify.pixels import PIXELS, BurnedIn, PixelInspector
from sealift.policy.file import Policy
from sealift_protocol.errors import PolicyViolation


class ImageSteps:
    """The tables [pixels] and [frames] of a policy, on batches of one schema."""

    def __init__(self, policy: Policy, source: pa.Schema, result: pa.Schema) -> None:
        """Plans.

        Args:
            policy: what is to be done.
            source: schema of the batches before de-identification.
            result: and after it; columns that are dropped need nothing.

        Raises:
            PolicyViolation: a hook is not there, or the frames' column is not, or holds none.
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
                hint='give that column the action "keep"; the hooks change it',
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
        """Columns of the result, those of images changed.

        Args:
            batch: before de-identification.
            arrays: after it, one for each column of the result.

        Raises:
            PolicyViolation: text is suspected and the policy refuses that; or a hook failed.
        """
        changed = list(arrays)
        if self._hooks is not None:
            changed[self._frames] = self._hooks.apply(batch)
        if self._inspector is not None:
            found = self._inspector.inspect(batch)
            changed[self._pixels] = self._judge(found, changed[self._pixels])
        return changed

    def take_notices(self) -> tuple[str, ...]:
        """Sentences about the images since the last call."""
        notices = self._inspector.take_notices() if self._inspector is not None else ()
        if self._burned_in == "drop":
            notices = tuple(
                f"{told}; pixels of suspected ones are left out" for told in notices
            )
        if self._without_frames:
            notices += (
                "the records have no column of the name in [frames]: no hook was run",
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
                hint='look at them; then clean or leave them out, or set burned_in = "drop" or '
                '"report" in [pixels] of a copy of the policy',
            )
        clean = [place for place, one in enumerate(found) if not one.suspected]
        places: list[int | None] = [None] * len(found)
        for place in clean:
            places[place] = place
        return pixels.take(pa.array(places, pa.int64()))
