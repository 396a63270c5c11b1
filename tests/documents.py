"""What the programs print with `--json`: docs/reference/json.md."""

from __future__ import annotations

import json
import re
from typing import Any


def refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is not JSON")


def document_of(text: str) -> dict[str, Any]:
    """The one document of an output, of the shape that all have."""
    [line] = text.splitlines()
    document: dict[str, Any] = json.loads(line, parse_constant=refuse)
    assert document["version"] == 1
    if document["ok"] is True:
        # Scripts for 0.1 find an object's fields at the top level.
        fields = document["data"] if isinstance(document["data"], dict) else {}
        assert document == {**fields, **document}
        assert set(document) == {"version", "ok", "data", *fields}
        return document
    assert document["ok"] is False
    assert set(document) - {"data"} == {"version", "ok", "error"}
    error = document["error"]
    assert set(error) == {"code", "message", "hint"}
    assert re.fullmatch("[A-Z0-9]+(_[A-Z0-9]+)*", error["code"])
    assert error["message"]
    assert isinstance(error["hint"], str)
    return document


def data_of(text: str) -> Any:
    """The data of a command that did its work."""
    document = document_of(text)
    assert document["ok"], document
    return document["data"]
