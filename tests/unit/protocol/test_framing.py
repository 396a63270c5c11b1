"""Segments on the wire, read and written without a copy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealift_protocol import framing
from sealift_protocol.errors import MalformedObject
from sealift_protocol.v1 import shards_pb2


@given(st.binary(min_size=1, max_size=70_000))
def test_segments_are_read_by_the_generated_classes_and_back(segment: bytes) -> None:
    message = framing.segment_message(segment)
    assert shards_pb2.GetResponse.FromString(message).segment == segment
    assert shards_pb2.PutRequest.FromString(message).segment == segment
    assert message == shards_pb2.GetResponse(segment=segment).SerializeToString()
    view = framing.parse_get(message)
    assert isinstance(view, memoryview)
    assert view == segment
    assert view.obj is message


def test_a_segment_in_another_valid_form_is_read_too() -> None:
    # The same field twice: the last one counts (protobuf encoding guide).
    twice = framing.segment_message(b"first") + framing.segment_message(b"second")
    assert framing.parse_put(twice) == b"second"


@given(st.binary(max_size=64))
def test_any_message_is_a_part_or_a_named_error(message: bytes) -> None:
    for parse in (framing.parse_put, framing.parse_get):
        try:
            parse(message)
        except MalformedObject:
            continue
