"""Scores dicom-basic by the actions of the MIDI-B challenge, on files with identifiers put in.

The files are pydicom's test files.

    PYTHONPATH=tests python -m corpus.dicom_actions [--policy FILE] [--files N] [--missed]

Every attribute of table E.1-1 that can be written gets an identifier of its VR, texts that the
table does not name get a name added, sequences and private elements too, and pictures that are not
compressed get a name drawn into them at one of four angles. The files are read, de-identified and
compared with tests/vectors/dicom/actions.csv, which was committed before the first run. Text in
pictures is painted over (`burned_in = "paint"`), whatever the policy says, so that what stays of
the picture can be scored.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydicom
from corpus.dicom_expected import VECTORS, files
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from sealift.owner.deidentify import Deidentifier, Policy
from sealift.owner.sources import BEGINNING, SkipRejects, SourceOptions, open_source
from sealift.policy.file import PixelRules, load_policy
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

KINDS = (
    *("remove", "change", "consistent", "look", "inside", "pixels hidden"),
    *("keep", "pixels kept"),
)
IDENTIFIERS = KINDS[:6]
_NAME = "Zqxwood"
_SECRET = Secret(bytes(range(32)))
_TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_FACE = (60, 120)
"""The least rows and columns of a picture that gets a name."""
_WRITTEN_ON = (
    *("GDCMJ2K_TextGBR.dcm", "examples_jpeg2k.dcm", "examples_rgb_color.dcm"),
    *("examples_palette.dcm", "examples_ybr_color.dcm"),
)
"""Pictures that come with text, which is painted over, too."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An attribute and what must become of it."""

    keyword: str
    vr: str
    action: str


@dataclass
class Score:
    """How many actions were asked for and done, by kind; and what was not."""

    asked: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    pseudonyms: dict[str, set[str]] = field(default_factory=dict)

    def count(self, kind: str, what: str, *, done: bool) -> None:
        self.asked[kind] += 1
        if done:
            self.done[kind] += 1
        else:
            self.missed[f"{kind} {what}"] += 1

    def share(self, kinds: Sequence[str] = KINDS) -> float:
        asked = sum(self.asked[kind] for kind in kinds)
        return sum(self.done[kind] for kind in kinds) / asked if asked else 1.0

    def table(self) -> str:
        lines = ["| action | asked | done | share |", "|---|---|---|---|"]
        for kind in (*KINDS, "on identifiers", "all"):
            of = {"on identifiers": IDENTIFIERS, "all": KINDS}.get(kind, (kind,))
            asked, done = (sum(c[k] for k in of) for c in (self.asked, self.done))
            if asked:
                lines.append(f"| {kind} | {asked} | {done} | {self.share(of):.5f} |")
        return "\n".join(lines)


def expected() -> list[Expected]:
    """The actions, as they were committed."""
    with (VECTORS / "actions.csv").open(newline="") as file:
        return [
            Expected(row["keyword"], row["vr"], row["action"])
            for row in csv.DictReader(file)
        ]


# --- identifiers put in --------------------------------------------------------------------------


def _identifier(one: Expected, number: int) -> Any:
    """A value of an attribute's VR that identifies; None if its VR can hold none."""
    match one.vr:
        case "PN":
            return f"{_NAME}^J{number}"
        case "AE" | "CS" | "SH":
            return f"{_NAME} {number}"[:16].upper()
        case "DA":
            return "19310423"
        case "TM":
            return "031415"
        case "DT":
            return "19310423031415"
        case "AS":
            return "093Y"
        case "UI":
            return f"1.2.826.0.1.4711.{number}"
        case "IS" | "DS":
            return "47110"
        case _ if one.vr in _TEXTS:
            return f"{_NAME} born 1931 {number}"
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Planted:
    """A file with identifiers in it.

    Attributes:
        name: name of the file.
        put: the attributes that hold one.
        drawn: which pixels of each frame are of a name; None for a picture without.
    """

    name: str
    put: frozenset[str]
    drawn: np.ndarray[Any, Any] | None = field(repr=False)


def plant(path: Path, folder: Path, actions: Sequence[Expected]) -> Planted | None:
    """Write a copy of a file with identifiers; None if pydicom cannot read or write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(path)
            put = set()
            for number, one in enumerate(actions):
                value = _identifier(one, number)
                if one.action == "look" and one.keyword in data:
                    value = f"{data[one.keyword].value} {_NAME} {number}"[:60]
                elif one.action in ("keep", "look") or value is None:
                    continue
                if one.vr == "SQ":
                    continue
                setattr(data, one.keyword, value)
                put.add(one.keyword)
            inner = Dataset()
            inner.PatientName, inner.PatientID = f"{_NAME}^Inner", f"{_NAME}-9"
            data.OtherPatientIDsSequence = [inner]
            data.private_block(0x0011, _NAME, create=True).add_new(1, "LO", _NAME)
            drawn = _draw(data, number=len(path.name))
            pydicom.dcmwrite(folder / path.name, data)
        except Exception:  # noqa: BLE001  (some files are broken on purpose)
            return None
    return Planted(path.name, frozenset(put), drawn)


def _draw(data: Dataset, number: int) -> np.ndarray[Any, Any] | None:
    """Draw a name into each frame of a picture; return where."""
    if data.file_meta.TransferSyntaxUID not in _NATIVE or "PixelData" not in data:
        return None
    pixels = data.pixel_array.copy()
    coloured = pixels.shape[-1] == 3
    if (
        pixels.ndim != (3 if coloured else 2)
        or min(pixels.shape[:2]) < min(_FACE)
        or max(pixels.shape[:2]) < max(_FACE)
        or data.get("PlanarConfiguration")
        or data.BitsAllocated < 8
    ):
        return None
    turns = number % 4
    base = np.rot90(pixels, turns)
    mask = Image.new("1", (base.shape[1], base.shape[0]))
    ImageDraw.Draw(mask).text(
        (4, 12), "ZQXWOOD^J 1931", font=ImageFont.load_default(11), fill=1
    )
    drawn = np.rot90(np.asarray(mask), -turns)
    pixels[drawn] = pixels.max()
    data.PixelData = pixels.tobytes()
    return drawn


# --- and looked for ------------------------------------------------------------------------------


def score(paths: Sequence[Path], policy: Policy) -> Score:
    """De-identify copies of files with identifiers and count what was done."""
    actions = expected()
    result = Score()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in paths:
            one = plant(path, folder, actions)
            if one is None:
                continue
            before = _rows(folder / path.name)
            after = [_deidentified(policy, batch) for batch in before]
            for old, new in zip(before, after, strict=True):
                _count(result, actions, one, old, new)
    every = [one for given in result.pseudonyms.values() for one in given]
    for given in result.pseudonyms.values():
        alone = all(every.count(one) == 1 for one in given)
        result.count("consistent", "", done=len(given) == 1 and alone)
    return result


def _rows(path: Path) -> list[pa.RecordBatch]:
    options = SourceOptions(kind="dicom", rejects=SkipRejects())
    try:
        source = open_source(path, options)
    except Exception:  # noqa: BLE001  (files that are rejected are sent nowhere)
        return []
    return [c.batch for part in source.parts() for c in source.read(part, BEGINNING)]


def _deidentified(policy: Policy, batch: pa.RecordBatch) -> pa.RecordBatch:
    for rules in (PixelRules("paint"), PixelRules("drop")):
        try:
            with Deidentifier(
                replace(policy, pixels=rules), batch.schema, secret=_SECRET
            ) as work:
                return work.apply(batch)
        except PolicyViolation:
            if rules.burned_in == "drop":
                raise
    raise AssertionError


def _count(
    result: Score,
    actions: Sequence[Expected],
    planted: Planted,
    before: pa.RecordBatch,
    after: pa.RecordBatch,
) -> None:
    (old,), (new,) = before.to_pylist(), after.to_pylist()
    for one in actions:
        if one.vr == "SQ" or one.keyword not in old:
            continue
        was, now = old[one.keyword], new.get(one.keyword)
        match one.action:
            case "remove" if one.keyword in planted.put:
                result.count("remove", one.keyword, done=now is None)
            case "change" if one.keyword in planted.put:
                result.count("change", one.keyword, done=now not in (None, was))
                result.pseudonyms.setdefault(str(was), set()).add(str(now))
            case "look" if one.keyword in planted.put:
                result.count("look", one.keyword, done=_NAME not in str(now))
            case "keep" if was is not None:
                result.count("keep", one.keyword, done=_same(was, now))
    looked_at = {one.keyword for one in actions if one.action == "look"}
    schema = repr([(f.name, f.metadata) for f in after.schema])
    # What is in a text that is looked at is counted there.
    others = {k: v for k, v in new.items() if k not in looked_at and k != "pixels"}
    text = json.dumps(others, default=str) + schema
    result.count("inside", "", done=_NAME.lower() not in text.lower())
    _count_pixels(result, planted, old, new)


def _same(was: object, now: object) -> bool:
    return repr(was) == repr(now)


def _count_pixels(
    result: Score, planted: Planted, old: dict[str, Any], new: dict[str, Any]
) -> None:
    if old.get("pixels") is None:
        return
    kind = np.dtype(old["pixel_type"])
    was = np.frombuffer(old["pixels"], kind).reshape(old["pixel_shape"])
    if planted.drawn is None and planted.name in _WRITTEN_ON:
        return
    if planted.drawn is None:
        same = new.get("pixels") == old["pixels"]
        result.count("pixels kept", planted.name, done=same)
        return
    if new.get("pixels") is None:
        result.count("pixels hidden", planted.name, done=True)
        result.count("pixels kept", planted.name, done=False)
        return
    now = np.frombuffer(new["pixels"], kind).reshape(old["pixel_shape"])
    changed = (was != now).reshape(*planted.drawn.shape, -1).any(-1)
    # A letter is gone if none of its ink is seen; the ground may be as bright as the ink.
    hidden = changed[planted.drawn].mean() >= 0.99
    result.count("pixels hidden", planted.name, done=bool(hidden))
    kept = changed[~planted.drawn].mean() <= 0.35
    result.count("pixels kept", planted.name, done=bool(kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="dicom-basic")
    parser.add_argument("--files", type=int, default=0, help="only the first N")
    parser.add_argument("--missed", action="store_true", help="what was not done")
    options = parser.parse_args()
    paths = files()[: options.files or None]
    result = score(paths, load_policy(options.policy))
    sys.stdout.write(result.table() + "\n")
    if options.missed:
        for what, count in result.missed.most_common():
            sys.stdout.write(f"{count:6} {what}\n")


if __name__ == "__main__":
    main()
