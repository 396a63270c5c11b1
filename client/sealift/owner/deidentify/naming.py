"""The names of a leaf that a policy may use, and which rules name it.

Format 1 compares names as they are written; format 2 as `sealift.policy.names` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

import pyarrow as pa

from sealift.owner.deidentify.leaves import Leaf
from sealift.policy.file import Rule
from sealift.policy.headers import identifier_of
from sealift.policy.names import fold, indexed_steps_of, snake, steps_of
from sealift.process.extras import extra

DICOM_TAG = b"dicom.tag"
FHIR_PATH = b"fhir.path"
"""Keys of field metadata in which sources name a column's origin."""

ANY_RESOURCE = "resource"
"""What stands for every type of FHIR resource at the beginning of a pattern of format 2."""

_NO_MARKS = str.maketrans("", "", "(), |")


@dataclass(frozen=True, slots=True)
class Named:
    """A leaf under its names.

    Attributes:
        form: the policy's format.
        key: the path of the leaf, in the form in which names are compared.
        path: its FHIR path in that form; empty without one.
        around: the keys of the columns and fields around it, from the outside.
        around_paths: their FHIR paths.
        tag: its DICOM tag as eight hexadecimal digits; empty without one.
        identifiers: classes of identifiers of the leaf, and of what is around it.
        indexed: its path with the numbers of list items; no two leaves share it.
        words: its path as globs are compared with it.
        around_words: the paths of what is around it in that form.
        path_words: its FHIR path in that form.
        around_path_words: the FHIR paths of what is around it in that form.
    """

    form: int
    key: str = field(repr=False)
    path: str = field(repr=False)
    around: tuple[str, ...] = field(repr=False)
    around_paths: tuple[str, ...] = field(repr=False)
    tag: str
    identifiers: tuple[str, ...]
    indexed: tuple[str, ...] = field(repr=False)
    words: str = field(repr=False)
    around_words: tuple[str, ...] = field(repr=False)
    path_words: str = field(repr=False)
    around_path_words: tuple[str, ...] = field(repr=False)

    def fits(self, rule: Rule) -> bool:
        """Return whether a glob names the leaf, or drops something around it."""
        fits = self._fits_as_written if self.form == 1 else self._fits_folded
        return any(fits(rule, pattern) for pattern in rule.patterns)

    def has_tag(self, rule: Rule) -> bool:
        """Return whether a rule for DICOM tags names the leaf."""
        return bool(self.tag) and fnmatchcase(self.tag, rule.tag)

    def _fits_as_written(self, rule: Rule, pattern: str) -> bool:
        # A rule that keeps must not reach into columns that nobody looked at.
        deeper = self.words.count(".") != pattern.count(".") and not self.path
        if fnmatchcase(self.words, pattern) and not (rule.action == "keep" and deeper):
            return True
        if self.path_words and fnmatchcase(self.path_words, pattern):
            return True
        # Dropping something drops what is inside it.
        return rule.action == "drop" and any(
            fnmatchcase(name, pattern)
            for name in (*self.around_words, *self.around_path_words)
        )

    def _fits_folded(self, rule: Rule, pattern: str) -> bool:
        glob = _glob(pattern)
        # Most names lack it, and with them all that is around them.
        if glob.text not in self.words and glob.text not in self.path_words:
            return False
        if glob.fits(self.words) or (
            self.path_words and glob.fits_path(self.path_words)
        ):
            return True
        return rule.action == "drop" and (
            any(map(glob.fits, self.around_words))
            or any(map(glob.fits_path, self.around_path_words))
        )


class Namer:
    """Gives the leaves of a schema their names."""

    def __init__(self, schema: pa.Schema, form: int, *, with_tags: bool) -> None:
        """Look up where the columns come from.

        Args:
            schema: schema of the source.
            form: the policy's format.
            with_tags: whether the policy names DICOM tags.

        Raises:
            InvalidArgument: the policy names DICOM tags, the columns do not carry theirs, and
                pydicom is not installed.
        """
        self._form = form
        self._names: list[str] = list(schema.names)
        self._paths = [_fhir_path(column) for column in schema]
        self._tags = _tags_of(schema) if with_tags else [""] * len(schema)

    def key(self, name: str) -> str:
        """Return a name in the form in which names are compared."""
        return key_of(name, self._form)

    def kind(self, name: str) -> str:
        """Return the class of identifiers of a header; empty without one, and in format 1."""
        return "" if self._form == 1 else identifier_of(name)

    def named(self, leaf: Leaf) -> Named:
        """Return a leaf under its names."""
        column, path = self._names[leaf.place], self._paths[leaf.place]
        starts = [column]
        for step in leaf.steps:
            starts.append(f"{starts[-1]}.{step}")
        paths = [path]
        for step in leaf.steps if path else ():
            paths.append(f"{paths[-1]}.{step}")
        if self._form == 1:
            return Named(
                1,
                leaf.name,
                paths[-1],
                tuple(starts[:-1]),
                tuple(p for p in paths[:-1] if p),
                "" if leaf.steps else self._tags[leaf.place],
                (),
                (leaf.name,),
                leaf.name,
                tuple(starts[:-1]),
                paths[-1],
                tuple(p for p in paths[:-1] if p),
            )
        steps = [*steps_of(column), *leaf.steps]
        path_steps = paths[-1].split(".") if path else []
        return Named(
            self._form,
            _joined_steps(fold, steps),
            _joined_steps(fold, path_steps),
            _around(fold, steps),
            _around(fold, path_steps[1:], path_steps[:1]),
            "" if leaf.steps else self._tags[leaf.place],
            # The names of FHIR's elements are not headers.
            () if path else _classes(column, leaf.steps),
            tuple(map(fold, (*indexed_steps_of(column), *leaf.steps))),
            _joined_steps(snake, steps),
            _around(snake, steps),
            _joined_steps(snake, path_steps),
            _around(snake, path_steps[1:], path_steps[:1]),
        )


def _joined_steps(form: Callable[[str], str], steps: Sequence[str]) -> str:
    return ".".join(map(form, steps))


def _around(
    form: Callable[[str], str], steps: Sequence[str], before: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the paths of what is around the last of some steps, from the outside."""
    return tuple(
        _joined_steps(form, [*before, *steps[:end]]) for end in range(1, len(steps))
    )


@lru_cache(1 << 14)
def key_of(name: str, form: int) -> str:
    """Return a name in the form in which a format compares names."""
    return name if form == 1 else ".".join(map(fold, steps_of(name)))


def _classes(column: str, steps: Sequence[str]) -> tuple[str, ...]:
    """Return the class of a leaf, and those of what is around it."""
    flat = steps_of(column)
    own = [identifier_of(column)] if len(flat) == 1 or identifier_of(column) else []
    classes = [*(own or map(identifier_of, flat)), *map(identifier_of, steps)]
    return tuple(reversed(classes))


class _Glob:
    """A glob of format 2: `*` is within a step, `**` is any number of them.

    Attributes:
        text: stands in every name and path that it fits.
    """

    __slots__ = ("_path_steps", "_steps", "text")

    def __init__(self, pattern: str) -> None:
        self._steps = _glob_steps(pattern)
        first, *rest = self._steps
        self._path_steps: tuple[str, ...] | None = None
        # A path begins with a type of resource.
        if rest and pattern[:1].isupper():
            self._path_steps = ("*", *rest) if first == ANY_RESOURCE else self._steps
        named = self._path_steps or self._steps
        self.text: str = max(
            (part for step in named for part in re.split(r"[*?]|\[.*", step)), key=len
        )

    def fits(self, name: str) -> bool:
        return _fits_steps(tuple(name.split(".")), self._steps)

    def fits_path(self, path: str) -> bool:
        steps = self._path_steps
        return steps is not None and _fits_steps(tuple(path.split(".")), steps)


_glob = lru_cache(1 << 14)(_Glob)


def _glob_steps(pattern: str) -> tuple[str, ...]:
    """Return the steps of a glob of format 2 in the form in which names are compared."""
    return tuple(
        step if step == "**" else re.sub(r"[ _-]+", "_", _snaked(step))
        for step in pattern.split(".")
    )


def _snaked(step: str) -> str:
    """Return a step of a glob in the form of `snake`, with its stars and brackets."""
    parts = re.split(r"([*?]|\[[^\]]*\])", step)
    return "".join(
        part if place % 2 else _joined(part) for place, part in enumerate(parts)
    )


def _joined(part: str) -> str:
    first = "_" if part[:1] in ("_", "-", " ") else ""
    last = "_" if len(part) > 1 and part[-1:] in ("_", "-", " ") else ""
    return f"{first}{snake(part)}{last}"


def _fits_steps(steps: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not steps
    if pattern[0] == "**":
        return any(_fits_steps(steps[i:], pattern[1:]) for i in range(len(steps) + 1))
    return (
        bool(steps)
        and fnmatchcase(steps[0], pattern[0])
        and _fits_steps(steps[1:], pattern[1:])
    )


def _fhir_path(column: pa.Field) -> str:
    """Return the path that the FHIR source wrote; what others wrote there is not believed."""
    path = _metadata(column, FHIR_PATH)
    resource, _, rest = path.partition(".")
    return path if resource.isalpha() and rest == column.name else ""


def _metadata(column: pa.Field, key: bytes) -> str:
    text: str = (column.metadata or {}).get(key, b"").decode(errors="replace")
    return text


def _tags_of(schema: pa.Schema) -> list[str]:
    """Return the DICOM tag of each column as eight hexadecimal digits; empty without a tag."""
    tags = [
        _metadata(column, DICOM_TAG).upper().translate(_NO_MARKS) for column in schema
    ]
    if all(tags):
        return tags
    with extra("dicom", "a policy that names DICOM tags needs pydicom"):
        from pydicom.datadict import tag_for_keyword

    found = [
        tag or tag_for_keyword(name)
        for tag, name in zip(tags, schema.names, strict=True)
    ]
    return [f"{tag:08X}" if isinstance(tag, int) else tag or "" for tag in found]
