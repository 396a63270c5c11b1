"""Read the records of an opened shard: Arrow batches that view the decrypted buffer."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sealift.formats.soundness import is_sound
from sealift.history.batchindex import without_index
from sealift.history.schemas import fit, follows
from sealift_protocol.errors import MalformedObject

_NOT_WELL_FORMED = "a shard's payload is not a well-formed Arrow stream"


def read_batches(payload: memoryview, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of an opened shard, validated, without a copy.

    The owner is authenticated, not trusted: invalid offsets are refused before they are
    used. Columns that were added to the dataset after the shard was sealed are null.

    Raises:
        MalformedObject: it is not an Arrow stream of that schema, or is not well-formed.
    """
    try:
        # pyarrow's buffers need a cast to unsigned bytes; no memory is copied.
        with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
            own = without_index(reader.schema)
            if not follows(own, schema):
                raise MalformedObject("a shard's schema is not the dataset's")
            same = own.equals(schema, check_metadata=True)
            for batch in reader:
                if not is_sound(batch):
                    raise MalformedObject(_NOT_WELL_FORMED)
                if same:
                    yield batch.replace_schema_metadata(schema.metadata)
                else:
                    yield fit(batch, schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise MalformedObject(_NOT_WELL_FORMED) from None
