"""FHIR R4 Bulk Data files: one resource a line, as columns by its type or kept whole.

https://hl7.org/fhir/uv/bulkdata/export.html; the columns are in docs/owner/sources/fhir.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.sources.bisection import bad_places, first_bad
from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.fhir_bundles import is_document, with_documents
from sealift.owner.sources.fhir_columns import Flattener, read_objects
from sealift.owner.sources.fhir_dates import MOMENT, parse_instants
from sealift.owner.sources.fhir_lines import (
    KEEP_WHOLE,
    first_lines,
    is_typed,
    lines_of,
    not_a_resource,
    not_of_view,
    not_understood,
    of_another_type,
    only_type,
    types_of,
)
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.fhir_modifiers import UnknownModifierError
from sealift.owner.sources.fhir_paths import PathFailedError
from sealift.owner.sources.fhir_tree import column_name
from sealift.owner.sources.fhir_viewing import MisfitError, ViewReader
from sealift.owner.sources.fhir_views import View
from sealift.owner.sources.fileset import Fileset, offset_of, path_of
from sealift.owner.sources.interface import (
    Chunk,
    LeftOut,
    Part,
    Rejects,
    SkipRejects,
    Source,
)
from sealift.owner.sources.lines import BLOCK, Block, TextFormat, chunk_of, read_blocks
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError

_PATIENT = "Patient"


class FhirSource:
    """Files of FHIR resources.

    Attributes:
        resource: type of the resources; empty if they are kept whole and all types are read.
        left_out: number of elements without a column, by their path, in everything read so far;
            `extension[others]` counts extensions. A caller that reads the source twice clears it
            in between.
    """

    kind = "fhir"
    rereadable = True

    def __init__(
        self,
        files: Fileset,
        *,
        rejects: Rejects,
        resource: str = "",
        whole: bool = False,
        modifiers: Sequence[str] = (),
        view: View | None = None,
        told: Mapping[str, int] | None = None,
        export: object = None,
        block_size: int = BLOCK,
    ) -> None:
        """Read the first lines of each file.

        Args:
            files: the files to read.
            rejects: receives lines that cannot be read.
            resource: type of the resources to read; those of other types are left out. Empty for
                the only type, or for all types if they are kept whole.
            whole: whether resources are kept as they are instead of becoming columns.
            modifiers: the patterns of a policy that name `modifierExtension`. Without one, a
                resource that has such an extension cannot be read, unless it is kept whole.
            view: the columns, instead of those that a type has.
            told: how many files of an export have no records, by the reason.
            export: what the files were downloaded for, and are removed with. Nothing is remembered
                of them: a push is one commit.
            block_size: approximate bytes to read at a time.

        Raises:
            EmptySource: no file holds a resource.
            SourceError: a file cannot be read.
            InvalidArgument: there are several types of resources, or a type without columns.
        """
        files = with_documents(files)
        self._files = files
        self._export = export
        self.resumable = export is None
        self._rejects = rejects
        self._form = TextFormat(strict=rejects.stops)
        self._block_size = block_size
        self.size: int | None = files.size
        self.left_out: Counter[str] = LeftOut(told)
        if view is not None:
            resource = _resource_of(view, resource, whole=whole)
        self._selects = bool(resource)
        self._sorts = False
        if not whole and view is None:
            resource = resource or only_type(files)
            if resource not in MAPPING:
                raise InvalidArgument(
                    "there are no columns for resources of that type",
                    hint=f"choose one of {', '.join(MAPPING)}; {KEEP_WHOLE}",
                )
        elif not any(first_lines(path_of(part), files.opener) for part in files.parts):
            raise EmptySource("no file holds a record", path=files.first)
        self.resource = resource
        self._modifiers = modifiers
        self._reader: ResourceReader
        if view is not None:
            self._reader = ViewReader(view, modifiers)
        elif whole:
            self._reader = WholeReader()
        else:
            self._reader = Flattener(resource, MAPPING[resource], modifiers)
        self.schema: pa.Schema = self._reader.schema

    def parts(self) -> Iterator[Part]:
        """Return the files; those of a server's export have no name to be known by."""
        if self._export is None:
            return iter(self._files.parts)
        return (replace(part, name="") for part in self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's resources from an offset on.

        Raises:
            SourceChanged: the file is not what it was when the mark was made.
            SourceError: a line is not a resource of the source's type.
        """
        path, opener = path_of(part), self._files.opener
        blocks = read_blocks(
            path, opener, self._form, offset_of(mark), size=self._block_size
        )
        for block in blocks:
            batch = self._parse(path, block)
            yield chunk_of(batch, block, path)

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the bytes before an offset; of the whole file if it is a document."""
        whole = is_document(path_of(part))
        return self._files.digest(part, None if whole else offset_of(mark))

    def continues(self, part: Part) -> bool:
        """Return whether the file is plain, and so may have grown."""
        return not is_packed(path_of(part)) and not is_document(path_of(part))

    def beside(self) -> Source | None:
        """Return the patients in the same files, if resources of another type are chosen."""
        if not self._selects or self.resource in ("", _PATIENT):
            return None
        return FhirSource(
            self._files,
            rejects=SkipRejects(),
            resource=_PATIENT,
            # An extension may change what a resource means, not whose name it has.
            modifiers=("Resource.**.modifierExtension.**",),
        )

    # --- parsing ---------------------------------------------------------------------------------

    def _parse(self, path: Path, block: Block) -> pa.RecordBatch:
        numbered = list(lines_of(block))
        if block.sound and not self._sorts:
            try:
                return self._convert([text for _, text in numbered])
            except (pa.ArrowInvalid, _OtherTypesError):
                pass
        return self._convert([text for _, text in self._sift(path, numbered)])

    def _convert(self, lines: Sequence[bytes]) -> pa.RecordBatch:
        if not lines:
            return pa.RecordBatch.from_pylist([], schema=self.schema)
        batch, types, left_out = self._reader.flatten(lines)
        if types.null_count or (
            self.resource and pc.any(pc.not_equal(types, self.resource)).as_py()
        ):
            raise _OtherTypesError
        self.left_out += left_out
        return batch

    def _sift(
        self, path: Path, numbered: Sequence[tuple[int, bytes]]
    ) -> list[tuple[int, bytes]]:
        """Return the lines with resources of the wanted type; others are rejected or left out."""
        bad: dict[int, SourceError] = {}
        texts = [text for _, text in numbered]
        for place in bad_places(texts, is_typed):
            bad[place] = not_a_resource(path, *numbered[place])
        typed = [place for place in range(len(texts)) if place not in bad]
        wanted = []
        types = types_of([texts[place] for place in typed]).to_pylist() if typed else []
        for place, found in zip(typed, types, strict=True):
            if found == self.resource or not self.resource:
                wanted.append(place)
            elif self._selects:
                # Resources of other types usually continue: check types first from now on.
                self._sorts = True
            else:
                bad[place] = of_another_type(path, numbered[place][0])
        candidates = [texts[place] for place in wanted]
        for misfit in bad_places(candidates, lambda some: _takes(self._reader, some)):
            bad[wanted[misfit]] = self._bad_value(path, *numbered[wanted[misfit]])
        for place in sorted(bad):
            self._rejects.reject(bad[place], texts[place] + b"\n")
        return [numbered[place] for place in wanted if place not in bad]

    def _bad_value(self, path: Path, line: int, text: bytes) -> SourceError:
        try:
            self._reader.flatten([text])
        except UnknownModifierError as error:
            return not_understood(path, line, error)
        except (MisfitError, PathFailedError) as error:
            return not_of_view(path, line, self.schema, error)
        except pa.ArrowInvalid:
            pass
        elements = MAPPING[self.resource] if isinstance(self._reader, Flattener) else ()
        first = first_bad(
            elements,
            lambda some: _takes(
                Flattener(self.resource, some, self._modifiers), [text]
            ),
        )
        column, where = None, f"line {line}"
        if first is not None:
            column = self.schema.get_field_index(column_name(elements[first])) + 1
            where += f", column {column}"
        return SourceError(
            f"{where}: a value is not of the type that FHIR gives it",
            path=path,
            line=line,
            column=column,
            hint=f'correct the export, skip such lines with `on_error="skip"`, {KEEP_WHOLE}',
        )


def _resource_of(view: View, resource: str, *, whole: bool) -> str:
    """Return the type that a view is of.

    Raises:
        InvalidArgument: another is asked for, or resources are kept whole.
    """
    if whole:
        raise InvalidArgument(
            "resources that are kept whole have no columns", hint="leave out `view`"
        )
    if resource not in ("", view.resource):
        raise InvalidArgument(
            f"the view is of resources of type {view.resource}",
            hint="leave out `resource`",
        )
    return view.resource


class ResourceReader(Protocol):
    """Turns resources into rows.

    Attributes:
        schema: schema of the rows.
    """

    schema: pa.Schema

    def flatten(
        self, lines: Sequence[bytes]
    ) -> tuple[pa.RecordBatch, pa.Array, Counter[str]]:
        """Return rows, the resources' types, and the number of elements without a column."""


class WholeReader:
    """Keeps resources as text, with columns for type, id and time of the last change."""

    schema: pa.Schema = pa.schema(
        [
            pa.field(
                "resourceType",
                pa.string(),
                metadata={"fhir.path": "Resource.resourceType"},
            ),
            pa.field("id", pa.string(), metadata={"fhir.path": "Resource.id"}),
            pa.field(
                "lastUpdated",
                MOMENT,
                metadata={"fhir.path": "Resource.meta.lastUpdated"},
            ),
            pa.field("resource", pa.string(), metadata={"fhir.path": "Resource"}),
        ]
    )
    _read_as = pa.schema(
        [
            ("resourceType", pa.string()),
            ("id", pa.string()),
            ("meta", pa.struct([("lastUpdated", pa.string())])),
        ]
    )

    def flatten(
        self, lines: Sequence[bytes]
    ) -> tuple[pa.RecordBatch, pa.Array, Counter[str]]:
        """Turn lines into rows.

        Raises:
            pa.ArrowInvalid: a line does not hold exactly one resource.
        """
        table = read_objects(b"\n".join(lines), self._read_as)
        if len(table) != len(lines):
            raise pa.ArrowInvalid("not one object on each line")
        types, ids, meta = (column.combine_chunks() for column in table.columns)
        changed = parse_instants(pc.struct_field(meta, "lastUpdated"))
        texts = pa.array([line.strip() for line in lines], pa.binary()).cast(
            pa.string()
        )
        batch = pa.RecordBatch.from_arrays(
            [types, ids, changed, texts], schema=self.schema
        )
        return batch, types, Counter()


def _takes(reader: ResourceReader, lines: Sequence[bytes]) -> bool:
    """Return whether all of some lines can become rows."""
    try:
        reader.flatten(lines)
    except pa.ArrowInvalid:
        return False
    return True


class _OtherTypesError(Exception):
    """Some of the resources are of another type."""
