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
    __slots__ = ("name", "organisation", "version", "previous", "time", "recipient_keys", "not_after")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_KEYS_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    organisation: str
    version: int
    previous: bytes
    time: int
    recipient_keys: _containers.RepeatedCompositeFieldContainer[RecipientKey]
    not_after: int
    def __init__(self, name: _Optional[str] = ..., organisation: _Optional[str] = ..., version: _Optional[int] = ..., previous: _Optional[bytes] = ..., time: _Optional[int] = ..., recipient_keys: _Optional[_Iterable[_Union[RecipientKey, _Mapping]]] = ..., not_after: _Optional[int] = ...) -> None: ...

class ShardEntry(_message.Message):
    __slots__ = ("shard_id", "key_epoch", "stored_size", "digest", "not_after")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    shard_id: bytes
    key_epoch: int
    stored_size: int
    digest: bytes
    not_after: int
    def __init__(self, shard_id: _Optional[bytes] = ..., key_epoch: _Optional[int] = ..., stored_size: _Optional[int] = ..., digest: _Optional[bytes] = ..., not_after: _Optional[int] = ...) -> None: ...

class GrantEntry(_message.Message):
    __slots__ = ("digest", "recipient", "key_epoch", "not_before", "not_after")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    recipient: bytes
    key_epoch: int
    not_before: int
    not_after: int
    def __init__(self, digest: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., key_epoch: _Optional[int] = ..., not_before: _Optional[int] = ..., not_after: _Optional[int] = ...) -> None: ...

class CoOwners(_message.Message):
    __slots__ = ("fingerprints", "successor")
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    fingerprints: _containers.RepeatedScalarFieldContainer[bytes]
    successor: bytes
    def __init__(self, fingerprints: _Optional[_Iterable[bytes]] = ..., successor: _Optional[bytes] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("genesis", "owner", "co_owners", "pages", "grants")
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CO_OWNERS_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    genesis: Genesis
    owner: bytes
    co_owners: _containers.RepeatedScalarFieldContainer[bytes]
    pages: _containers.RepeatedScalarFieldContainer[bytes]
    grants: _containers.RepeatedCompositeFieldContainer[GrantEntry]
    def __init__(self, genesis: _Optional[_Union[Genesis, _Mapping]] = ..., owner: _Optional[bytes] = ..., co_owners: _Optional[_Iterable[bytes]] = ..., pages: _Optional[_Iterable[bytes]] = ..., grants: _Optional[_Iterable[_Union[GrantEntry, _Mapping]]] = ...) -> None: ...

class SnapshotPage(_message.Message):
    __slots__ = ("shards", "key_epoch", "record_counts")
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNTS_FIELD_NUMBER: _ClassVar[int]
    shards: _containers.RepeatedCompositeFieldContainer[ShardEntry]
    key_epoch: int
    record_counts: bytes
    def __init__(self, shards: _Optional[_Iterable[_Union[ShardEntry, _Mapping]]] = ..., key_epoch: _Optional[int] = ..., record_counts: _Optional[bytes] = ...) -> None: ...

class RecordCounts(_message.Message):
    __slots__ = ("counts",)
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, counts: _Optional[_Iterable[int]] = ...) -> None: ...

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
    __slots__ = ("dataset_id", "number", "parent", "time", "key_epoch", "added", "removed", "metadata", "genesis", "granted", "revoked", "co_owners", "snapshot", "erasure", "deletion")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    CO_OWNERS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    DELETION_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    number: int
    parent: bytes
    time: int
    key_epoch: int
    added: _containers.RepeatedCompositeFieldContainer[ShardEntry]
    removed: _containers.RepeatedScalarFieldContainer[bytes]
    metadata: bytes
    genesis: Genesis
    granted: _containers.RepeatedCompositeFieldContainer[GrantEntry]
    revoked: _containers.RepeatedScalarFieldContainer[bytes]
    co_owners: CoOwners
    snapshot: Snapshot
    erasure: bool
    deletion: bool
    def __init__(self, dataset_id: _Optional[bytes] = ..., number: _Optional[int] = ..., parent: _Optional[bytes] = ..., time: _Optional[int] = ..., key_epoch: _Optional[int] = ..., added: _Optional[_Iterable[_Union[ShardEntry, _Mapping]]] = ..., removed: _Optional[_Iterable[bytes]] = ..., metadata: _Optional[bytes] = ..., genesis: _Optional[_Union[Genesis, _Mapping]] = ..., granted: _Optional[_Iterable[_Union[GrantEntry, _Mapping]]] = ..., revoked: _Optional[_Iterable[bytes]] = ..., co_owners: _Optional[_Union[CoOwners, _Mapping]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., erasure: _Optional[bool] = ..., deletion: _Optional[bool] = ...) -> None: ...

class CommitMetadata(_message.Message):
    __slots__ = ("name", "description", "arrow_schema", "record_counts", "cursor", "retain_seconds", "subjects", "subject_column", "policies", "policy_report", "required_policies", "live_policies")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ARROW_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    RETAIN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_COLUMN_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    POLICY_REPORT_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    LIVE_POLICIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    arrow_schema: bytes
    record_counts: _containers.RepeatedScalarFieldContainer[int]
    cursor: bytes
    retain_seconds: int
    subjects: _containers.RepeatedCompositeFieldContainer[SubjectTags]
    subject_column: str
    policies: _containers.RepeatedScalarFieldContainer[bytes]
    policy_report: str
    required_policies: _containers.RepeatedScalarFieldContainer[bytes]
    live_policies: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., arrow_schema: _Optional[bytes] = ..., record_counts: _Optional[_Iterable[int]] = ..., cursor: _Optional[bytes] = ..., retain_seconds: _Optional[int] = ..., subjects: _Optional[_Iterable[_Union[SubjectTags, _Mapping]]] = ..., subject_column: _Optional[str] = ..., policies: _Optional[_Iterable[bytes]] = ..., policy_report: _Optional[str] = ..., required_policies: _Optional[_Iterable[bytes]] = ..., live_policies: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SourceCursor(_message.Message):
    __slots__ = ("parts", "previous_number", "previous_commit", "depth", "arrow_schema")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_COMMIT_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    ARROW_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[SourcePart]
    previous_number: int
    previous_commit: bytes
    depth: int
    arrow_schema: bytes
    def __init__(self, parts: _Optional[_Iterable[_Union[SourcePart, _Mapping]]] = ..., previous_number: _Optional[int] = ..., previous_commit: _Optional[bytes] = ..., depth: _Optional[int] = ..., arrow_schema: _Optional[bytes] = ...) -> None: ...

class SourcePart(_message.Message):
    __slots__ = ("name", "size", "modified", "digest", "mark", "complete")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    size: int
    modified: int
    digest: bytes
    mark: str
    complete: bool
    def __init__(self, name: _Optional[bytes] = ..., size: _Optional[int] = ..., modified: _Optional[int] = ..., digest: _Optional[bytes] = ..., mark: _Optional[str] = ..., complete: _Optional[bool] = ...) -> None: ...

class SubjectTags(_message.Message):
    __slots__ = ("tags", "search", "key_check")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    KEY_CHECK_FIELD_NUMBER: _ClassVar[int]
    tags: bytes
    search: bool
    key_check: bytes
    def __init__(self, tags: _Optional[bytes] = ..., search: _Optional[bool] = ..., key_check: _Optional[bytes] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("dataset_id", "key_epoch", "grantor", "recipient", "key_id", "suite", "wrapped_key", "not_before", "not_after", "purpose")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_EPOCH_FIELD_NUMBER: _ClassVar[int]
    GRANTOR_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_KEY_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    key_epoch: int
    grantor: bytes
    recipient: bytes
    key_id: bytes
    suite: int
    wrapped_key: bytes
    not_before: int
    not_after: int
    purpose: str
    def __init__(self, dataset_id: _Optional[bytes] = ..., key_epoch: _Optional[int] = ..., grantor: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., suite: _Optional[int] = ..., wrapped_key: _Optional[bytes] = ..., not_before: _Optional[int] = ..., not_after: _Optional[int] = ..., purpose: _Optional[str] = ...) -> None: ...

class Rewrap(_message.Message):
    __slots__ = ("grant", "dataset_id", "key_id", "suite", "wrapped_key")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_KEY_FIELD_NUMBER: _ClassVar[int]
    grant: bytes
    dataset_id: bytes
    key_id: bytes
    suite: int
    wrapped_key: bytes
    def __init__(self, grant: _Optional[bytes] = ..., dataset_id: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., suite: _Optional[int] = ..., wrapped_key: _Optional[bytes] = ...) -> None: ...

class Endorsement(_message.Message):
    __slots__ = ("member", "name", "time", "not_after")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    member: bytes
    name: str
    time: int
    not_after: int
    def __init__(self, member: _Optional[bytes] = ..., name: _Optional[str] = ..., time: _Optional[int] = ..., not_after: _Optional[int] = ...) -> None: ...

class Succession(_message.Message):
    __slots__ = ("name", "successor", "time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    successor: bytes
    time: int
    def __init__(self, name: _Optional[str] = ..., successor: _Optional[bytes] = ..., time: _Optional[int] = ...) -> None: ...

class IdentityRevocation(_message.Message):
    __slots__ = ("name", "time", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    time: int
    reason: str
    def __init__(self, name: _Optional[str] = ..., time: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Disclosure(_message.Message):
    __slots__ = ("dataset_id", "number", "commit", "shard_ids", "shard_count", "purpose", "time", "nonce")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    SHARD_IDS_FIELD_NUMBER: _ClassVar[int]
    SHARD_COUNT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    number: int
    commit: bytes
    shard_ids: bytes
    shard_count: int
    purpose: str
    time: int
    nonce: bytes
    def __init__(self, dataset_id: _Optional[bytes] = ..., number: _Optional[int] = ..., commit: _Optional[bytes] = ..., shard_ids: _Optional[bytes] = ..., shard_count: _Optional[int] = ..., purpose: _Optional[str] = ..., time: _Optional[int] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class Accounting(_message.Message):
    __slots__ = ("dataset_id", "time", "nonce")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    time: int
    nonce: bytes
    def __init__(self, dataset_id: _Optional[bytes] = ..., time: _Optional[int] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class PurgeReceipt(_message.Message):
    __slots__ = ("dataset_id", "number", "commit", "time")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    number: int
    commit: bytes
    time: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., number: _Optional[int] = ..., commit: _Optional[bytes] = ..., time: _Optional[int] = ...) -> None: ...

class DeletionReceipt(_message.Message):
    __slots__ = ("dataset_id", "commit", "shards", "bytes", "grants", "time")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    dataset_id: bytes
    commit: bytes
    shards: int
    bytes: int
    grants: int
    time: int
    def __init__(self, dataset_id: _Optional[bytes] = ..., commit: _Optional[bytes] = ..., shards: _Optional[int] = ..., bytes: _Optional[int] = ..., grants: _Optional[int] = ..., time: _Optional[int] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("recipient", "key_id", "suite", "wrapped_key", "sealed", "time")
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_KEY_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    recipient: bytes
    key_id: bytes
    suite: int
    wrapped_key: bytes
    sealed: bytes
    time: int
    def __init__(self, recipient: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., suite: _Optional[int] = ..., wrapped_key: _Optional[bytes] = ..., sealed: _Optional[bytes] = ..., time: _Optional[int] = ...) -> None: ...

class ProbeAnswer(_message.Message):
    __slots__ = ("probe", "opened", "time")
    PROBE_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    probe: bytes
    opened: bytes
    time: int
    def __init__(self, probe: _Optional[bytes] = ..., opened: _Optional[bytes] = ..., time: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("address", "ca_fingerprint", "secret", "name", "role", "not_after", "log_key")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CA_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    LOG_KEY_FIELD_NUMBER: _ClassVar[int]
    address: str
    ca_fingerprint: bytes
    secret: bytes
    name: str
    role: str
    not_after: int
    log_key: bytes
    def __init__(self, address: _Optional[str] = ..., ca_fingerprint: _Optional[bytes] = ..., secret: _Optional[bytes] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., not_after: _Optional[int] = ..., log_key: _Optional[bytes] = ...) -> None: ...
