from sealift_protocol.v1 import objects_pb2 as _objects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProveRequest(_message.Message):
    __slots__ = ("old_size", "digests")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, old_size: _Optional[int] = ..., digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class InclusionProof(_message.Message):
    __slots__ = ("entry", "index", "hashes")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    entry: bytes
    index: int
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, entry: _Optional[bytes] = ..., index: _Optional[int] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ProveResponse(_message.Message):
    __slots__ = ("checkpoint", "consistency", "inclusions")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    INCLUSIONS_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    inclusions: _containers.RepeatedCompositeFieldContainer[InclusionProof]
    def __init__(self, checkpoint: _Optional[bytes] = ..., consistency: _Optional[_Iterable[bytes]] = ..., inclusions: _Optional[_Iterable[_Union[InclusionProof, _Mapping]]] = ...) -> None: ...

class GetTileRequest(_message.Message):
    __slots__ = ("level", "index")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    level: int
    index: int
    def __init__(self, level: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class GetTileResponse(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: bytes
    def __init__(self, hashes: _Optional[bytes] = ...) -> None: ...

class GetEntriesRequest(_message.Message):
    __slots__ = ("first", "count")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class GetEntriesResponse(_message.Message):
    __slots__ = ("entry", "object")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    entry: bytes
    object: _objects_pb2.Signed
    def __init__(self, entry: _Optional[bytes] = ..., object: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...
