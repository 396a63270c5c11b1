from sealift_protocol.v1 import objects_pb2 as _objects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRequest(_message.Message):
    __slots__ = ("include_future",)
    INCLUDE_FUTURE_FIELD_NUMBER: _ClassVar[int]
    include_future: bool
    def __init__(self, include_future: _Optional[bool] = ...) -> None: ...

class DatasetSummary(_message.Message):
    __slots__ = ("dataset_id", "owner", "head_number", "author")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    HEAD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    owner: bytes
    head_number: int
    author: bool
    def __init__(self, dataset_id: _Optional[bytes] = ..., owner: _Optional[bytes] = ..., head_number: _Optional[int] = ..., author: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("head_number", "receipt")
    HEAD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    head_number: int
    receipt: _objects_pb2.Signed
    def __init__(self, head_number: _Optional[int] = ..., receipt: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class PutPagesRequest(_message.Message):
    __slots__ = ("dataset_id", "pages")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    pages: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, dataset_id: _Optional[bytes] = ..., pages: _Optional[_Iterable[bytes]] = ...) -> None: ...

class PutPagesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCommitsRequest(_message.Message):
    __slots__ = ("dataset_id", "first", "from_snapshot", "last")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    FROM_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    first: int
    from_snapshot: bool
    last: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., first: _Optional[int] = ..., from_snapshot: _Optional[bool] = ..., last: _Optional[int] = ...) -> None: ...

class GetCommitsResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: _objects_pb2.Signed
    def __init__(self, commit: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class GetPagesRequest(_message.Message):
    __slots__ = ("dataset_id", "digests")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, dataset_id: _Optional[bytes] = ..., digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetPagesResponse(_message.Message):
    __slots__ = ("page",)
    PAGE_FIELD_NUMBER: _ClassVar[int]
    page: bytes
    def __init__(self, page: _Optional[bytes] = ...) -> None: ...

class GetGrantsRequest(_message.Message):
    __slots__ = ("dataset_id", "everybody")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    EVERYBODY_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    everybody: bool
    def __init__(self, dataset_id: _Optional[bytes] = ..., everybody: _Optional[bool] = ...) -> None: ...

class GetGrantsResponse(_message.Message):
    __slots__ = ("grants", "rewraps")
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    REWRAPS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    rewraps: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, grants: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ..., rewraps: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class PutRewrapsRequest(_message.Message):
    __slots__ = ("rewraps",)
    REWRAPS_FIELD_NUMBER: _ClassVar[int]
    rewraps: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, rewraps: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class PutRewrapsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DiscloseRequest(_message.Message):
    __slots__ = ("disclosure",)
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    disclosure: _objects_pb2.Signed
    def __init__(self, disclosure: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class DiscloseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ConfirmPurgeRequest(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _objects_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class ConfirmPurgeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccountRequest(_message.Message):
    __slots__ = ("accounting",)
    ACCOUNTING_FIELD_NUMBER: _ClassVar[int]
    accounting: _objects_pb2.Signed
    def __init__(self, accounting: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class AccountResponse(_message.Message):
    __slots__ = ("entry", "index", "object")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    entry: bytes
    index: int
    object: _objects_pb2.Signed
    def __init__(self, entry: _Optional[bytes] = ..., index: _Optional[int] = ..., object: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...
