from sealift_protocol.v1 import objects_pb2 as _objects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WhoAmIRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ("name", "role", "fingerprint", "time", "usage")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: str
    fingerprint: bytes
    time: int
    usage: Usage
    def __init__(self, name: _Optional[str] = ..., role: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., time: _Optional[int] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("bytes", "bytes_limit", "shards", "shards_limit", "calls_a_minute")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_LIMIT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    SHARDS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CALLS_A_MINUTE_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    bytes_limit: int
    shards: int
    shards_limit: int
    calls_a_minute: int
    def __init__(self, bytes: _Optional[int] = ..., bytes_limit: _Optional[int] = ..., shards: _Optional[int] = ..., shards_limit: _Optional[int] = ..., calls_a_minute: _Optional[int] = ...) -> None: ...

class GetCardRequest(_message.Message):
    __slots__ = ("name", "fingerprint")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    name: str
    fingerprint: bytes
    def __init__(self, name: _Optional[str] = ..., fingerprint: _Optional[bytes] = ...) -> None: ...

class GetCardResponse(_message.Message):
    __slots__ = ("card", "statements")
    CARD_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    card: _objects_pb2.Signed
    statements: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, card: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ..., statements: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class PutCardRequest(_message.Message):
    __slots__ = ("card",)
    CARD_FIELD_NUMBER: _ClassVar[int]
    card: _objects_pb2.Signed
    def __init__(self, card: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class PutCardResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PutStatementRequest(_message.Message):
    __slots__ = ("statement",)
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    statement: _objects_pb2.Signed
    def __init__(self, statement: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class PutStatementResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SucceedRequest(_message.Message):
    __slots__ = ("succession", "card")
    SUCCESSION_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    succession: _objects_pb2.Signed
    card: _objects_pb2.Signed
    def __init__(self, succession: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ..., card: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class SucceedResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("certificate_request",)
    CERTIFICATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    certificate_request: bytes
    def __init__(self, certificate_request: _Optional[bytes] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ("certificate",)
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    def __init__(self, certificate: _Optional[bytes] = ...) -> None: ...

class PutProbeRequest(_message.Message):
    __slots__ = ("probe",)
    PROBE_FIELD_NUMBER: _ClassVar[int]
    probe: _objects_pb2.Signed
    def __init__(self, probe: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class PutProbeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProbesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProbesResponse(_message.Message):
    __slots__ = ("probes", "answers")
    PROBES_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    probes: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    answers: _containers.RepeatedCompositeFieldContainer[_objects_pb2.Signed]
    def __init__(self, probes: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[_objects_pb2.Signed, _Mapping]]] = ...) -> None: ...

class AnswerProbeRequest(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: _objects_pb2.Signed
    def __init__(self, answer: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class AnswerProbeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
