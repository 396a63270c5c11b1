"""Log: checkpoints and proofs for members, entries and objects for auditors."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.logentry import LogEntry
from sealift_protocol.v1 import log_pb2, log_pb2_grpc, objects_pb2
from sealift_protocol.wire import MAX_DIGESTS
from sealift_relay.access import require_auditor
from sealift_relay.checkpoints import Publisher
from sealift_relay.peer import Callers
from sealift_relay.store.log import LogStore
from sealift_relay.store.metadata import Metadata, Stores

_PAGE = 256


class Log(log_pb2_grpc.LogServicer):
    """The service sealift.v1.Log."""

    def __init__(
        self, callers: Callers, metadata: Metadata, publisher: Publisher
    ) -> None:
        self._callers = callers
        self._metadata = metadata
        self._publisher = publisher

    def Prove(  # noqa: N802 - gRPC's name
        self, request: log_pb2.ProveRequest, context: grpc.ServicerContext
    ) -> log_pb2.ProveResponse:
        """The newest checkpoint and proofs for it. To know a digest is to know its object."""
        with self._callers.reading(context) as (_, seen):
            if len(request.digests) > MAX_DIGESTS:
                raise InvalidArgument(f"a request has at most {MAX_DIGESTS} digests")
            log = seen.log.head()
            answer = _proofs(seen.log, request, log.size)
        note, head = self._publisher.checkpoint(log)
        if head.size != log.size:
            # Another call has published a larger log since.
            answer = _proofs(self._metadata.log, request, head.size)
        answer.checkpoint = bytes(note)
        return answer

    def GetTile(  # noqa: N802 - gRPC's name
        self, request: log_pb2.GetTileRequest, context: grpc.ServicerContext
    ) -> log_pb2.GetTileResponse:
        """A tile of hashes, which do not show what was hashed."""
        with self._callers.reading(context) as (_, seen):
            hashes = seen.log.tile(request.level, request.index)
        return log_pb2.GetTileResponse(hashes=hashes)

    def GetEntries(  # noqa: N802 - gRPC's name
        self, request: log_pb2.GetEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[log_pb2.GetEntriesResponse]:
        """Entries with their objects."""
        first, left = request.first, request.count
        with self._callers.reading(context) as (member, seen):
            require_auditor(member)
            page = _page(seen, first, left)
        while page:
            yield from page
            if len(page) < _PAGE:
                return
            first, left = first + len(page), left - len(page)
            with self._metadata.reading() as seen:
                page = _page(seen, first, left)


def _proofs(
    log: LogStore, request: log_pb2.ProveRequest, size: int
) -> log_pb2.ProveResponse:
    """Consistency and inclusion proofs for the log's first `size` entries."""
    consistency = []
    if request.old_size <= size:
        consistency = log.consistency(request.old_size, size)
    return log_pb2.ProveResponse(
        consistency=consistency,
        inclusions=[
            log_pb2.InclusionProof(
                entry=item.entry, index=item.index, hashes=item.hashes
            )
            for item in log.inclusions(request.digests, size)
        ],
    )


def _page(seen: Stores, first: int, left: int) -> list[log_pb2.GetEntriesResponse]:
    """The next entries with their objects."""
    entries = seen.log.entries(first, min(left, _PAGE))
    digests = [LogEntry.unpack(item.entry).digest for item in entries]
    objects = seen.histories.objects(digests)
    page = []
    for item, digest in zip(entries, digests, strict=True):
        response = log_pb2.GetEntriesResponse(entry=item.entry)
        if digest in objects:
            response.object.CopyFrom(objects_pb2.Signed.FromString(objects[digest]))
        page.append(response)
    return page
