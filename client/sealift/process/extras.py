"""The package behind the extra `metrics`."""

from __future__ import annotations

from typing import Any

from sealift_protocol.errors import InvalidArgument


def import_prometheus() -> Any:
    """The package prometheus_client.

    Raises:
        InvalidArgument: it is not installed.
    """
    try:
        import prometheus_client
    except ImportError:
        raise InvalidArgument(
            "prometheus_client is not installed",
            hint="install it with: pip install 'sealift[metrics]'",
        ) from None
    return prometheus_client
