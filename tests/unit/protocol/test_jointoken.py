"""The text form of an enrolment token."""

from __future__ import annotations

import pytest

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.jointoken import format_token, parse_token
from sealift_protocol.v1 import objects_pb2

TOKEN = objects_pb2.JoinToken(
    address="relay.example.org:7444",
    ca_fingerprint=b"f" * 32,
    secret=b"s" * 16,
    name="hospital",
    role="owner",
    not_after=1 << 31,
    log_key=b"k" * 32,
)


def changed(**fields: object) -> str:
    token = objects_pb2.JoinToken()
    token.CopyFrom(TOKEN)
    for name, value in fields.items():
        setattr(token, name, value)
    return format_token(token)


def test_a_token_is_read_back_from_its_text_with_or_without_white_space() -> None:
    text = format_token(TOKEN)
    assert text.startswith("sealift-join-1.")
    assert "=" not in text
    assert parse_token(text) == TOKEN
    assert parse_token(f"  {text[:20]}\n{text[20:]} \n") == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("sealift-join-1.", id="prefix"),
        pytest.param(
            format_token(TOKEN).removeprefix("sealift-join-1."), id="no-prefix"
        ),
        pytest.param(format_token(TOKEN).replace("-1.", "-2."), id="version"),
        pytest.param(format_token(TOKEN)[:-10], id="cut"),
        pytest.param(format_token(TOKEN)[:-1] + "!", id="not-base64"),
        pytest.param(changed(address=""), id="no-address"),
        pytest.param(changed(secret=b""), id="no-secret"),
        pytest.param(changed(ca_fingerprint=b"f" * 31), id="short-fingerprint"),
        pytest.param(changed(log_key=b""), id="no-log-key"),
    ],
)
def test_half_a_token_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidArgument, match="not a complete enrolment token"
    ) as caught:
        parse_token(text)
    assert "begins with sealift-join-1." in caught.value.hint
