"""Ends uploads whose client has stopped sending, so that it cannot hold a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc

from sealift_protocol.errors import RelayTimeout


class IdleWatch:
    """One thread that cancels calls that wait too long for a message."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: dict[int, tuple[grpc.ServicerContext, float]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="relay-idle", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops watching."""
        self._stop.set()
        self._thread.join()

    def watch(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Yields the same messages, and watches the wait for each of them.

        Raises:
            RelayTimeout: the client went away, or sent nothing for too long.
        """
        key = id(context)
        try:
            while True:
                with self._lock:
                    self._calls[key] = (context, time.monotonic())
                try:
                    message = next(messages)
                except StopIteration:
                    return
                except grpc.RpcError:
                    raise RelayTimeout(
                        "the upload was interrupted or stalled"
                    ) from None
                # Time that the relay takes for a message is not held against the client.
                with self._lock:
                    del self._calls[key]
                yield message
        finally:
            with self._lock:
                self._calls.pop(key, None)

    def _run(self) -> None:
        while not self._stop.wait(min(1.0, self._seconds / 4)):
            limit = time.monotonic() - self._seconds
            with self._lock:
                stalled = [
                    context for context, since in self._calls.values() if since < limit
                ]
            for context in stalled:
                context.cancel()
