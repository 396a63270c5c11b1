from sealift_protocol.v1 import objects_pb2 as _objects_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetAuthorityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAuthorityResponse(_message.Message):
    __slots__ = ("ca_certificate",)
    CA_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ca_certificate: bytes
    def __init__(self, ca_certificate: _Optional[bytes] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("membership_request",)
    MEMBERSHIP_REQUEST_FIELD_NUMBER: _ClassVar[int]
    membership_request: _objects_pb2.Signed
    def __init__(self, membership_request: _Optional[_Union[_objects_pb2.Signed, _Mapping]] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("certificate", "address", "time")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    address: str
    time: int
    def __init__(self, certificate: _Optional[bytes] = ..., address: _Optional[str] = ..., time: _Optional[int] = ...) -> None: ...
