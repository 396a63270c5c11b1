from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PutHead(_message.Message):
    __slots__ = ("dataset_id", "header", "stored_size")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    header: bytes
    stored_size: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., header: _Optional[bytes] = ..., stored_size: _Optional[int] = ...) -> None: ...

class PutTail(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    def __init__(self, digest: _Optional[bytes] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("head", "segment", "tail")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    head: PutHead
    segment: bytes
    tail: PutTail
    def __init__(self, head: _Optional[_Union[PutHead, _Mapping]] = ..., segment: _Optional[bytes] = ..., tail: _Optional[_Union[PutTail, _Mapping]] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    def __init__(self, digest: _Optional[bytes] = ...) -> None: ...

class SegmentRange(_message.Message):
    __slots__ = ("shard_id", "first", "count")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    shard_id: bytes
    first: int
    count: int
    def __init__(self, shard_id: _Optional[bytes] = ..., first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("dataset_id", "ranges", "disclosure")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    ranges: _containers.RepeatedCompositeFieldContainer[SegmentRange]
    disclosure: bytes
    def __init__(self, dataset_id: _Optional[bytes] = ..., ranges: _Optional[_Iterable[_Union[SegmentRange, _Mapping]]] = ..., disclosure: _Optional[bytes] = ...) -> None: ...

class ShardHead(_message.Message):
    __slots__ = ("header", "segment_digests", "stored_size")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    segment_digests: bytes
    stored_size: int
    def __init__(self, header: _Optional[bytes] = ..., segment_digests: _Optional[bytes] = ..., stored_size: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("head", "segment")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    head: ShardHead
    segment: bytes
    def __init__(self, head: _Optional[_Union[ShardHead, _Mapping]] = ..., segment: _Optional[bytes] = ...) -> None: ...

class StatRequest(_message.Message):
    __slots__ = ("dataset_id", "shard_ids")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    SHARD_IDS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    shard_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, dataset_id: _Optional[bytes] = ..., shard_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ShardStatus(_message.Message):
    __slots__ = ("shard_id", "stored_size", "digest", "committed")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    shard_id: bytes
    stored_size: int
    digest: bytes
    committed: bool
    def __init__(self, shard_id: _Optional[bytes] = ..., stored_size: _Optional[int] = ..., digest: _Optional[bytes] = ..., committed: _Optional[bool] = ...) -> None: ...

class StatResponse(_message.Message):
    __slots__ = ("shards",)
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    shards: _containers.RepeatedCompositeFieldContainer[ShardStatus]
    def __init__(self, shards: _Optional[_Iterable[_Union[ShardStatus, _Mapping]]] = ...) -> None: ...
