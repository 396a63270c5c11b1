"""Maps errors to gRPC statuses with google.rpc.ErrorInfo, and back."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from sealift_protocol.errors import (
    BY_REASON,
    DOMAIN,
    NotAuthenticated,
    RelayBusy,
    RelayError,
    RelayTimeout,
    RelayUnavailable,
    SealiftError,
)

_BY_STATUS: dict[grpc.StatusCode, type[SealiftError]] = {
    grpc.StatusCode.UNAVAILABLE: RelayUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: RelayTimeout,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RelayBusy,
    grpc.StatusCode.UNAUTHENTICATED: NotAuthenticated,
}


def to_status(error: SealiftError, request_id: str) -> grpc.Status:
    """Return the status that carries the error to a client."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason or RelayError.reason,
        domain=DOMAIN,
        metadata={"request_id": request_id},
    )
    detail = Any()
    detail.Pack(info)
    code = code_pb2.Code.Value(error.status)
    status: grpc.Status = rpc_status.to_status(
        status_pb2.Status(code=code, message=error.what, details=[detail])
    )
    return status


def from_rpc_error(error: grpc.RpcError) -> SealiftError:
    """Return the named exception for a failed call."""
    info = _error_info(error)
    if info is not None and info.reason in BY_REASON:
        kind = BY_REASON[info.reason]
        request_id = info.metadata.get("request_id", "")
        hint = (
            f"{kind.default_hint} (request {request_id})"
            if issubclass(kind, RelayError) and request_id
            else None
        )
        return kind(error.details() or "the relay refused", hint=hint)
    code = error.code()
    kind = _BY_STATUS.get(code, RelayError)
    return kind(f"the call to the relay failed: {code.name.lower().replace('_', ' ')}")


def _error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    if not isinstance(error, grpc.Call):
        return None
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        # The trailing metadata contradicts the status: a middlebox or a dishonest relay.
        return None
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None
