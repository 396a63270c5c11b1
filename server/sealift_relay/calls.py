"""Wraps every call with a request id, a deadline, an error mapper and a log line."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
import structlog

from sealift_protocol.errors import InvalidArgument, RelayError, SealiftError
from sealift_protocol.status import to_status
from sealift_relay.log import log

_OURS = "/sealift.v1."
# gRPC's own class is generic in its stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


if TYPE_CHECKING:
    _Interceptor = grpc.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.ServerInterceptor


class CallInterceptor(_Interceptor):
    """Wraps every method of the sealift.v1 services."""

    def __init__(self, call_seconds: int) -> None:
        self._call_seconds = call_seconds

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Called by gRPC for each call."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        name = method.removeprefix(_OURS)
        make = _FACTORIES[handler.request_streaming, handler.response_streaming]
        behaviour: Any = (
            handler.unary_unary or handler.stream_unary or handler.unary_stream
        )
        wrap = self._stream if handler.response_streaming else self._unary
        made: Handler = make(
            wrap(name, behaviour),
            handler.request_deserializer,
            handler.response_serializer,
        )
        return made

    def _unary(self, name: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            outcome = _Outcome(name)
            try:
                self._check_deadline(context)
                response = behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - mapped to a status, and logged by type
                outcome.fail(error, context)
            outcome.succeed()
            return response

        return call

    def _stream(self, name: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            outcome = _Outcome(name)
            try:
                self._check_deadline(context)
                yield from behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - mapped to a status, and logged by type
                outcome.fail(error, context)
            outcome.succeed()

        return call

    def _check_deadline(self, context: grpc.ServicerContext) -> None:
        remaining = context.time_remaining()
        # A client without a deadline shows as a very distant one, or as None.
        if remaining is None or remaining > self._call_seconds + 1:
            raise InvalidArgument(
                f"a call needs a deadline of at most {self._call_seconds} seconds"
            )


class _Outcome:
    """The outcome of a call, for the log and the client."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._request_id = uuid.uuid4().hex
        self._started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=self._request_id, method=method
        )

    def succeed(self) -> None:
        log.info("answer_call", seconds=self._seconds())

    def fail(self, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        if not isinstance(error, SealiftError):
            # The text of a foreign exception may quote what a member sent.
            log.error("fail_call", error=type(error).__name__, seconds=self._seconds())
            error = RelayError("the relay failed")
        else:
            log.warning("refuse_call", reason=error.reason, seconds=self._seconds())
        context.abort_with_status(to_status(error, self._request_id))
        raise AssertionError("abort_with_status returned")

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 4)


_FACTORIES: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
}
