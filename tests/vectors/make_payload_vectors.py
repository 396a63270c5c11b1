"""Write tests/vectors/payload/listed.json: three record batches, listed in the stream's schema.

python tests/vectors/make_payload_vectors.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from sealift.history.batchindex import ListedBatch, with_index

PATH = Path(__file__).with_name("payload") / "listed.json"
SCHEMA = pa.schema({"number": pa.int64(), "text": pa.string()})
BATCHES = [
    pa.record_batch([[1, 2, 3], ["a", "bc", None]], schema=SCHEMA),
    pa.record_batch([[4], ["d"]], schema=SCHEMA),
    pa.record_batch([list(range(5, 9)), ["e", "f", "", "g"]], schema=SCHEMA),
]
# One slot more than there are record batches.
SLOTS = 4


def stream(schema: pa.Schema) -> tuple[bytes, list[ListedBatch]]:
    """An IPC stream under a schema, and where its record batches are."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in BATCHES:
            writer.write_batch(batch)
    payload = sink.getvalue().to_pybytes()
    reader = pa.BufferReader(payload)
    pa.ipc.read_schema(reader)
    listed = []
    for batch in BATCHES:
        begin = reader.tell()
        pa.ipc.read_message(reader)
        listed.append(ListedBatch(batch.num_rows, reader.tell() - begin))
    return payload, listed


def vector() -> dict[str, object]:
    """The vector."""
    _, listed = stream(SCHEMA)
    payload, again = stream(with_index(SCHEMA, listed, SLOTS))
    if again != listed:
        raise SystemExit("the list changes the record batches")
    return {
        "comment": "three record batches and one unused slot (docs/spec/payload.md)",
        "payload": payload.hex(),
        "batches": [{"rows": batch.rows, "bytes": batch.size} for batch in listed],
        "records": pa.Table.from_batches(BATCHES).to_pylist(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vector(), indent=1) + "\n")
