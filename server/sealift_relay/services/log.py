"""Log: checkpoints and proofs for members, entries and objects for auditors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import grpc

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.logentry import LogEntry
from sealift_protocol.v1 import log_pb2, log_pb2_grpc, objects_pb2
from sealift_relay.access import require_auditor
from sealift_relay.checkpoints import Publisher
from sealift_relay.peer import Callers
from sealift_relay.store.metadata import Metadata

_MAX_DIGESTS = 1024
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
        """The newest checkpoint, and proofs towards it. Who knows a digest knows its object."""
        self._callers.member(context)
        if len(request.digests) > _MAX_DIGESTS:
            raise InvalidArgument(f"a request has at most {_MAX_DIGESTS} digests")
        note, head = self._publisher.checkpoint()
        consistency = []
        if request.old_size <= head.size:
            consistency = self._metadata.log.consistency(request.old_size, head.size)
        found = self._metadata.log.inclusions(request.digests, head.size)
        return log_pb2.ProveResponse(
            checkpoint=bytes(note),
            consistency=consistency,
            inclusions=[
                log_pb2.InclusionProof(
                    entry=item.entry, index=item.index, hashes=item.hashes
                )
                for item in found
            ],
        )

    def GetTile(  # noqa: N802 - gRPC's name
        self, request: log_pb2.GetTileRequest, context: grpc.ServicerContext
    ) -> log_pb2.GetTileResponse:
        """A tile of hashes, which say nothing about what was hashed."""
        self._callers.member(context)
        return log_pb2.GetTileResponse(
            hashes=self._metadata.log.tile(request.level, request.index)
        )

    def GetEntries(  # noqa: N802 - gRPC's name
        self, request: log_pb2.GetEntriesRequest, context: grpc.ServicerContext
    ) -> Iterator[log_pb2.GetEntriesResponse]:
        """Entries with their objects."""
        require_auditor(self._callers.member(context))
        entries = self._metadata.log.entries(request.first, request.count)
        while page := list(islice(entries, _PAGE)):
            digests = [LogEntry.unpack(item.entry).digest for item in page]
            objects = self._metadata.histories.objects(digests)
            for item, digest in zip(page, digests, strict=True):
                response = log_pb2.GetEntriesResponse(entry=item.entry)
                if digest in objects:
                    response.object.CopyFrom(
                        objects_pb2.Signed.FromString(objects[digest])
                    )
                yield response
