"""What an opened payload holds, checked against the schema of its dataset."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sealift.history.records import read_batches
from sealift_protocol.errors import MalformedObject


def test_a_payload_of_another_schema_or_kind_is_refused() -> None:
    schema = pa.schema({"a": pa.int64()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema({"b": pa.int64()})):
        pass
    for payload in (sink.getvalue().to_pybytes(), b"", b"not arrow" * 10):
        with pytest.raises(MalformedObject):
            list(read_batches(memoryview(payload), schema))
