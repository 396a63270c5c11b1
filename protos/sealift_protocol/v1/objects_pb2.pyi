from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Signed(_message.Message):
    __slots__ = ("payload_type", "payload", "signer", "signature")
    PAYLOAD_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload_type: str
    payload: bytes
    signer: bytes
    signature: bytes
    def __init__(self, payload_type: _Optional[str] = ..., payload: _Optional[bytes] = ..., signer: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RecipientKey(_message.Message):
    __slots__ = ("key_id", "suite", "public_key", "not_before", "not_after")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    suite: int
    public_key: bytes
    not_before: int
    not_after: int
    def __init__(self, key_id: _Optional[bytes] = ..., suite: _Optional[int] = ..., public_key: _Optional[bytes] = ..., not_before: _Optional[int] = ..., not_after: _Optional[int] = ...) -> None: ...

class Card(_message.Message):
    __slots__ = ("name", "organisation", "version", "previous", "time", "recipient_keys")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_KEYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    organisation: str
    version: int
    previous: bytes
    time: int
    recipient_keys: _containers.RepeatedCompositeFieldContainer[RecipientKey]
    def __init__(self, name: _Optional[str] = ..., organisation: _Optional[str] = ..., version: _Optional[int] = ..., previous: _Optional[bytes] = ..., time: _Optional[int] = ..., recipient_keys: _Optional[_Iterable[_Union[RecipientKey, _Mapping]]] = ...) -> None: ...

class ShardEntry(_message.Message):
    __slots__ = ("shard_id", "key_epoch", "stored_size", "digest")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    shard_id: bytes
    key_epoch: int
    stored_size: int
    digest: bytes
    def __init__(self, shard_id: _Optional[bytes] = ..., key_epoch: _Optional[int] = ..., stored_size: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Genesis(_message.Message):
    __slots__ = ("salt", "owner", "co_owners")
    SALT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CO_OWNERS_FIELD_NUMBER: _ClassVar[int]
    salt: bytes
    owner: bytes
    co_owners: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, salt: _Optional[bytes] = ..., owner: _Optional[bytes] = ..., co_owners: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("dataset_id", "number", "parent", "time", "key_epoch", "added", "removed", "metadata", "genesis")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    number: int
    parent: bytes
    time: int
    key_epoch: int
    added: _containers.RepeatedCompositeFieldContainer[ShardEntry]
    removed: _containers.RepeatedScalarFieldContainer[bytes]
    metadata: bytes
    genesis: Genesis
    def __init__(self, dataset_id: _Optional[bytes] = ..., number: _Optional[int] = ..., parent: _Optional[bytes] = ..., time: _Optional[int] = ..., key_epoch: _Optional[int] = ..., added: _Optional[_Iterable[_Union[ShardEntry, _Mapping]]] = ..., removed: _Optional[_Iterable[bytes]] = ..., metadata: _Optional[bytes] = ..., genesis: _Optional[_Union[Genesis, _Mapping]] = ...) -> None: ...

class CommitMetadata(_message.Message):
    __slots__ = ("name", "description", "arrow_schema", "record_counts", "cursor")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ARROW_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    arrow_schema: bytes
    record_counts: _containers.RepeatedScalarFieldContainer[int]
    cursor: bytes
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., arrow_schema: _Optional[bytes] = ..., record_counts: _Optional[_Iterable[int]] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("dataset_id", "key_epoch", "owner", "recipient", "key_id", "suite", "wrapped_key", "not_before", "not_after", "purpose")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_KEY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    key_epoch: int
    owner: bytes
    recipient: bytes
    key_id: bytes
    suite: int
    wrapped_key: bytes
    not_before: int
    not_after: int
    purpose: str
    def __init__(self, dataset_id: _Optional[bytes] = ..., key_epoch: _Optional[int] = ..., owner: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., suite: _Optional[int] = ..., wrapped_key: _Optional[bytes] = ..., not_before: _Optional[int] = ..., not_after: _Optional[int] = ..., purpose: _Optional[str] = ...) -> None: ...

class MembershipRequest(_message.Message):
    __slots__ = ("token_secret", "certificate_request", "card")
    TOKEN_SECRET_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    token_secret: bytes
    certificate_request: bytes
    card: Signed
    def __init__(self, token_secret: _Optional[bytes] = ..., certificate_request: _Optional[bytes] = ..., card: _Optional[_Union[Signed, _Mapping]] = ...) -> None: ...

class JoinToken(_message.Message):
    __slots__ = ("address", "ca_fingerprint", "secret", "name", "role", "not_after")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    address: str
    ca_fingerprint: bytes
    secret: bytes
    name: str
    role: str
    not_after: int
    def __init__(self, address: _Optional[str] = ..., ca_fingerprint: _Optional[bytes] = ..., secret: _Optional[bytes] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., not_after: _Optional[int] = ...) -> None: ...
