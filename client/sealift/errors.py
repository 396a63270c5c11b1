"""Every error that Sealift raises on purpose, under the name that people import it by."""

from sealift_protocol.errors import *  # noqa: F403
