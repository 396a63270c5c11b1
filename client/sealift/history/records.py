"""The records of an opened shard: Arrow batches, views of the buffer that AES-GCM wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sealift.history.batchindex import without_index
from sealift.history.schemas import extends, fit
from sealift_protocol.errors import MalformedObject


def read_batches(payload: memoryview, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The record batches of an opened shard, checked, without a copy.

    The owner is authenticated, not trusted: lying offsets are refused before anybody uses them.
    Columns that were added to the dataset after the shard was sealed are null.

    Raises:
        MalformedObject: not an Arrow stream of that schema, or one that is not well-formed.
    """
    try:
        # Cast to unsigned bytes is what pyarrow's buffers take; no memory is copied.
        with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
            own = without_index(reader.schema)
            if not extends(own, schema):
                raise MalformedObject("a shard's schema is not the dataset's")
            same = own.equals(schema, check_metadata=True)
            for batch in reader:
                batch.validate(full=True)
                if same:
                    yield batch.replace_schema_metadata(schema.metadata)
                else:
                    yield fit(batch, schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise MalformedObject(
            "a shard's payload is not a well-formed Arrow stream"
        ) from None
