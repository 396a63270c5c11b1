from sealift_protocol.v1 import objects_pb2 as _objects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DatasetSummary(_message.Message):
    __slots__ = ("dataset_id", "owner", "head_number")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    HEAD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    owner: bytes
    head_number: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., owner: _Optional[bytes] = ..., head_number: _Optional[int] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("datasets",)
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetSummary]
    def __init__(self, datasets: _Optional[_Iterable[_Union[DatasetSummary, _Mapping]]] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("commit", "grants")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    commit: _objects_pb2.Signed
    grants: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, commit: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ..., grants: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("head_number",)
    HEAD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    head_number: int
    def __init__(self, head_number: _Optional[int] = ...) -> None: ...

class AddGrantsRequest(_message.Message):
    __slots__ = ("grants",)
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, grants: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class AddGrantsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCommitsRequest(_message.Message):
    __slots__ = ("dataset_id", "first")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    first: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., first: _Optional[int] = ...) -> None: ...

class GetCommitsResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: _objects_pb2.Signed
    def __init__(self, commit: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class GetGrantsRequest(_message.Message):
    __slots__ = ("dataset_id",)
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    def __init__(self, dataset_id: _Optional[bytes] = ...) -> None: ...

class GetGrantsResponse(_message.Message):
    __slots__ = ("grants",)
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, grants: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...
