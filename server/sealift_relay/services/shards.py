"""Shards: put, get and stat, without a protobuf copy of any segment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from sealift_protocol import framing
from sealift_protocol.errors import (
    ContextMismatch,
    CorruptShard,
    DisclosureRequired,
    InvalidArgument,
    MalformedObject,
    MissingShard,
    QuotaExceeded,
    RelayBusy,
)
from sealift_protocol.ids import ID_SIZE
from sealift_protocol.layout import (
    TAG_SIZE,
    ShardHead,
    ShardHeader,
    plaintext_size,
    segment_count,
    segment_digest,
    segment_plaintext_size,
)
from sealift_protocol.objects.accounting import Disclosure, verify_disclosure
from sealift_protocol.v1 import objects_pb2, shards_pb2
from sealift_protocol.wire import MAX_RANGES, SHARDS_SERVICE
from sealift_relay.access import require_reader, require_uploader
from sealift_relay.clock import unix_now
from sealift_relay.idle import IdleWatch
from sealift_relay.log import log
from sealift_relay.peer import Callers
from sealift_relay.store.blobs import Blobs
from sealift_relay.store.members import Member
from sealift_relay.store.shards import ShardIndex, StoredShard, check_quota
from sealift_relay.store.statements import Statements


class Shards:
    """The service sealift.v1.Shards."""

    def __init__(
        self,
        callers: Callers,
        shards: ShardIndex,
        blobs: Blobs,
        idle: IdleWatch,
        disclosure_seconds: int,
    ) -> None:
        self._callers = callers
        self._shards = shards
        self._blobs = blobs
        self._idle = idle
        self._disclosure_seconds = disclosure_seconds
        self._uploading: set[tuple[bytes, bytes]] = set()
        self._lock = threading.Lock()

    def handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The methods, with identity serializers where segments pass."""
        return grpc.method_handlers_generic_handler(
            SHARDS_SERVICE,
            {
                "Put": grpc.stream_unary_rpc_method_handler(
                    self.put, None, shards_pb2.PutResponse.SerializeToString
                ),
                "Get": grpc.unary_stream_rpc_method_handler(
                    self.get, shards_pb2.GetRequest.FromString, None
                ),
                "Stat": grpc.unary_unary_rpc_method_handler(
                    self.stat,
                    shards_pb2.StatRequest.FromString,
                    shards_pb2.StatResponse.SerializeToString,
                ),
            },
        )

    def put(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> shards_pb2.PutResponse:
        """Stores one shard, durable when this returns; sending it again is harmless."""
        self._callers.expect(context)
        watched = self._idle.watch(messages, context)
        upload = _Upload(_read_head(watched), watched)
        dataset_id, shard_id = upload.header.dataset_id, upload.header.shard_id
        with self._only_upload(dataset_id, shard_id):
            with self._callers.reading(context, counted=True) as (member, seen):
                require_uploader(seen.histories, dataset_id, member)
                known = seen.shards.find(dataset_id, shard_id)
            # Checked before a byte is stored, and once more when the shard is added.
            used = member.used_bytes + upload.stored_size, member.used_shards + 1
            check_quota(*used, self._callers.limits(member))
            head = self._store(upload, member, known)
        return shards_pb2.PutResponse(digest=head.digest)

    @contextmanager
    def _only_upload(self, dataset_id: bytes, shard_id: bytes) -> Iterator[None]:
        """Keeps other calls from storing the same shard until the block ends.

        Raises:
            RelayBusy: another call is storing it.
        """
        key = (dataset_id, shard_id)
        with self._lock:
            if key in self._uploading:
                raise RelayBusy("the same shard is being stored by another call")
            self._uploading.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._uploading.discard(key)

    def _store(
        self, upload: _Upload, member: Member, known: StoredShard | None
    ) -> ShardHead:
        dataset_id, shard_id = upload.header.dataset_id, upload.header.shard_id
        if known is not None:
            for _ in upload.pieces():
                pass
            if upload.head().digest != known.digest:
                raise CorruptShard("another shard with that id is already stored")
            return known.head
        staged = self._blobs.stage(upload.pieces())
        head = upload.head()
        self._blobs.publish(staged, dataset_id, shard_id)
        # The shard becomes visible only now that it is durable.
        limits = self._callers.limits(member)
        try:
            self._shards.add(dataset_id, head, member.fingerprint, limits, unix_now())
        except QuotaExceeded:
            self._blobs.destroy(dataset_id, shard_id)
            raise
        log.info("put_shard", bytes=head.stored_size)
        return head

    def get(
        self, request: shards_pb2.GetRequest, context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Streams segment ranges, each after its shard's head."""
        with self._callers.reading(context) as (member, seen):
            require_reader(seen.histories, request.dataset_id, member)
            if not 1 <= len(request.ranges) <= MAX_RANGES:
                raise InvalidArgument(f"a request has 1 to {MAX_RANGES} ranges")
            disclosure = self._disclosure(seen.statements, request, member)
            wanted = [item.shard_id for item in request.ranges]
            known = seen.shards.find_all(request.dataset_id, wanted)
        sent = 0
        for item in request.ranges:
            shard = known.get(item.shard_id)
            if shard is None or not _is_there(shard):
                raise MissingShard("a requested shard is not stored")
            if not _covers(disclosure, item.shard_id, shard):
                raise DisclosureRequired(
                    "the disclosure does not cover a requested shard"
                )
            first, last = _segment_range(item, shard.head)
            yield _head_message(shard.head)
            ranges = [
                (
                    shard.head.segment_offset(index),
                    shard.head.sealed_segment_size(index),
                )
                for index in range(first, last)
            ]
            for segment in self._blobs.read(request.dataset_id, item.shard_id, ranges):
                sent += len(segment)
                yield framing.segment_message(segment)
        log.info("get_shards", bytes=sent, shards=len(request.ranges))

    def _disclosure(
        self, statements: Statements, request: shards_pb2.GetRequest, member: Member
    ) -> Disclosure:
        """The caller's logged disclosure that the request names; no byte is sent without one."""
        signed = statements.find(request.disclosure)
        if signed is None:
            raise DisclosureRequired(
                "no disclosure was logged for the requested shards"
            )
        disclosure = verify_disclosure(objects_pb2.Signed.FromString(signed))
        if (
            disclosure.signer != member.fingerprint
            or disclosure.dataset_id != request.dataset_id
        ):
            raise DisclosureRequired(
                "the disclosure is by another member or for another dataset"
            )
        if unix_now() - disclosure.time > self._disclosure_seconds:
            raise DisclosureRequired("the disclosure is too old")
        return disclosure

    def stat(
        self, request: shards_pb2.StatRequest, context: grpc.ServicerContext
    ) -> shards_pb2.StatResponse:
        """Returns the status of those shards that the relay holds."""
        with self._callers.reading(context) as (member, seen):
            require_reader(seen.histories, request.dataset_id, member)
            if len(request.shard_ids) > MAX_RANGES:
                raise InvalidArgument(f"a request has at most {MAX_RANGES} shard ids")
            known = seen.shards.find_all(request.dataset_id, request.shard_ids)
        found = [(i, known[i]) for i in request.shard_ids if i in known]
        return shards_pb2.StatResponse(
            shards=[
                shards_pb2.ShardStatus(
                    shard_id=shard_id,
                    stored_size=shard.head.stored_size,
                    digest=shard.digest,
                    committed=shard.committed,
                )
                for shard_id, shard in found
                if _may_see(shard, member)
            ]
        )


class _Upload:
    """One shard as it arrives: every segment's size is checked before it is stored."""

    def __init__(self, put_head: shards_pb2.PutHead, messages: Iterator[bytes]) -> None:
        self.header = ShardHeader.unpack(put_head.header)
        if (
            len(put_head.dataset_id) != ID_SIZE
            or put_head.dataset_id != self.header.dataset_id
        ):
            raise ContextMismatch(
                "a shard's header names another dataset than its upload"
            )
        self._header_bytes = put_head.header
        self.stored_size = put_head.stored_size
        self._plaintext_size = plaintext_size(
            put_head.stored_size, self.header.segment_size
        )
        self._messages = messages
        self._digests: list[bytes] = []

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Header and segments, as they arrive, then the check against the owner's digest.

        Raises:
            CorruptShard: a segment is missing, too many, of the wrong size, or changed.
        """
        yield self._header_bytes
        size = self.header.segment_size
        for index in range(segment_count(self._plaintext_size, size)):
            segment = framing.parse_put(next(self._messages, b""))
            if not isinstance(segment, memoryview):
                raise CorruptShard("an upload ended before its last segment")
            expected = (
                segment_plaintext_size(index, self._plaintext_size, size) + TAG_SIZE
            )
            if len(segment) != expected:
                raise CorruptShard(f"segment {index} of an upload has the wrong size")
            self._digests.append(segment_digest(segment))
            yield segment
        tail = framing.parse_put(next(self._messages, b""))
        if isinstance(tail, memoryview) or tail.WhichOneof("part") != "tail":
            raise CorruptShard("an upload has more segments than its size allows")
        if next(self._messages, None) is not None:
            raise MalformedObject("an upload continues after its tail")
        if tail.tail.digest != self.head().digest:
            raise CorruptShard("an upload does not match its digest")

    def head(self) -> ShardHead:
        """Header and digest list, when every piece has arrived."""
        return ShardHead.parse(
            self._header_bytes, b"".join(self._digests), self.stored_size
        )


def _read_head(messages: Iterator[bytes]) -> shards_pb2.PutHead:
    message = framing.parse_put(next(messages, b""))
    if isinstance(message, memoryview) or message.WhichOneof("part") != "head":
        raise MalformedObject("an upload does not begin with a head")
    return message.head


def _head_message(head: ShardHead) -> bytes:
    return shards_pb2.GetResponse(
        head=shards_pb2.ShardHead(
            header=head.header_bytes,
            segment_digests=head.segment_digests,
            stored_size=head.stored_size,
        )
    ).SerializeToString()


def _segment_range(item: shards_pb2.SegmentRange, head: ShardHead) -> tuple[int, int]:
    last = item.first + item.count if item.count else head.segment_count
    if not item.first < last <= head.segment_count:
        raise InvalidArgument("a range is outside its shard")
    return item.first, last


def _covers(disclosure: Disclosure, shard_id: bytes, shard: StoredShard) -> bool:
    if disclosure.shard_ids:
        return shard_id in disclosure.shard_ids
    return shard.committed_by is not None and shard.committed_by <= disclosure.number


def _is_there(shard: StoredShard) -> bool:
    return shard.committed and (shard.not_after == 0 or unix_now() < shard.not_after)


def _may_see(shard: StoredShard, member: Member) -> bool:
    return shard.committed or shard.uploaded_by == member.fingerprint.digest
