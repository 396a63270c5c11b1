"""Arrow files (Feather) and ORC files, batch by batch and stripe by stripe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

_ROWS = 32_768


class ArrowFiles:
    """Arrow IPC files (Feather version 2)."""

    kind = "feather"
    what = "Arrow file (Feather 2)"
    errors: tuple[type[Exception], ...] = (pa.ArrowException, OSError, ValueError)

    def schema(self, path: Path) -> pa.Schema:
        """Return a file's columns."""
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            return reader.schema

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read a file's batches, in slices."""
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                for row in range(0, batch.num_rows, _ROWS):
                    yield batch.slice(row, _ROWS)


class OrcFiles:
    """Apache ORC files."""

    kind = "orc"
    what = "ORC file"
    errors: tuple[type[Exception], ...] = (pa.ArrowException, OSError, ValueError)

    def schema(self, path: Path) -> pa.Schema:
        """Return a file's columns."""
        # It takes time to import, and few need it.
        from pyarrow import orc

        return orc.ORCFile(path).schema

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read a file's stripes, in slices."""
        from pyarrow import orc

        file = orc.ORCFile(path)
        for number in range(file.nstripes):
            stripe = file.read_stripe(number)
            for row in range(0, stripe.num_rows, _ROWS):
                yield stripe.slice(row, _ROWS)
