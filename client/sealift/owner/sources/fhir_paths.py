"""FHIRPath expressions of a view, evaluated by `fhirpathpy`.

That library goes on over syntax errors, prints what `trace()` is given, and quotes values in its
errors. So an expression is parsed strictly here, may call the functions of a list only, and every
error at run time is one that names no value.

https://build.fhir.org/ig/FHIR/sql-on-fhir-v2/StructureDefinition-ViewDefinition.html (the subset
of FHIRPath that views use).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pyarrow as pa

from sealift.process.extras import extra
from sealift_protocol.errors import InvalidArgument

FUNCTIONS = frozenset(
    {
        *("where", "exists", "empty", "extension", "ofType", "first", "last", "join"),
        *("not", "count", "all", "iif", "select", "distinct", "as", "is", "single"),
        *("contains", "startsWith", "endsWith", "replace", "substring", "length"),
        *("upper", "lower", "toString", "toInteger", "toDecimal", "abs", "round"),
        *("getResourceKey", "getReferenceKey"),
    }
)
"""What a path may call. `now()` gives another answer each time, `trace()` prints records."""
_MAX_LENGTH = 2000
_SIMPLE = re.compile(r"[a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*")
_OPERATORS = frozenset({"and", "or", "xor", "implies", "in", "div", "mod"})
_ALSO_CALLS = frozenset({"is", "as", "contains"})
_UNSUPPORTED = frozenset({"$index", "$total"})
_LITERALS = frozenset({"true", "false"})
_REFERENCE = re.compile(
    r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]+)?"
)
_VERSION = "r4"

ROW_INDEX = "rowIndex"
Path = Callable[[Any, int], list[Any]]
"""Returns the values of an expression at a node: nodes of the library, or scalars.

The number is the place of the node among those of its forEach, which is `%rowIndex`.
"""


class PathFailedError(pa.ArrowInvalid):  # type: ignore[misc]
    """An expression cannot be evaluated for a resource."""

    def __init__(self) -> None:
        super().__init__("a path of the view cannot be evaluated")


def compile_path(
    text: str, constants: Mapping[str, Any], *, nodes: bool = False
) -> Path:
    """Compile an expression.

    Args:
        text: the expression.
        constants: values of the view's constants, by name.
        nodes: whether other expressions begin at what it finds, for which the library has to know
            the types of it.

    Raises:
        InvalidArgument: it is not FHIRPath, or calls what views cannot.
    """
    with extra("fhirpath", "views of FHIR need the package fhirpathpy"):
        import fhirpathpy
    text = text.strip()
    _check(text, constants)
    if text == "$this":
        return lambda node, _: [node]
    evaluate = fhirpathpy.compile(
        text,
        model=dict(_model()),
        options={"returnRawData": True, "userInvocationTable": _KEYS},
    )
    values = dict(constants)

    def found(node: Any, index: int) -> list[Any]:
        try:
            result = evaluate(node, {**values, ROW_INDEX: index})
        except Exception:  # noqa: BLE001  (the library raises Exception, and quotes values)
            raise PathFailedError from None
        return result if isinstance(result, list) else [result]

    return found if nodes or not is_simple(text) else _shortened(text, found)


def data_of(node: Any) -> Any:
    """Return the JSON at a node."""
    return getattr(node, "data", node)


def type_of_path(resource: str, path: str) -> str:
    """Return the FHIR type of a simple path; empty if it cannot be told."""
    known = _model()["path2Type"]
    place = f"{resource}.{path}"
    found = known.get(place, "") if _SIMPLE.fullmatch(path) else ""
    return found if isinstance(found, str) else ""


def _check(text: str, constants: Mapping[str, Any]) -> None:
    from antlr4 import CommonTokenStream, InputStream
    from antlr4.error.ErrorListener import ErrorListener
    from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
    from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

    class Strict(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, *_: object) -> None:  # noqa: N802  (the library's name)
            raise _refused("is not FHIRPath", text)

    if len(text) > _MAX_LENGTH:
        raise _refused("is too long", text[:40])
    lexer = FHIRPathLexer(InputStream(text))
    stream = CommonTokenStream(lexer)
    parser = FHIRPathParser(stream)
    for each in (lexer, parser):
        each.removeErrorListeners()
        each.addErrorListener(Strict())
    parser.entireExpression()  # type: ignore[no-untyped-call]
    words = [token.text for token in stream.tokens if token.channel == 0]
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        called = (
            word if after == "(" and (word[:1].isalpha() or word[:1] == "`") else ""
        )
        operator = called in _OPERATORS or (called in _ALSO_CALLS and before != ".")
        if called and not operator and called not in FUNCTIONS:
            raise _refused(f"calls {called}(), which is not supported", text)
        name = after if word == "%" else word[1:] if word[:1] == "%" else ""
        if name and name != ROW_INDEX and name not in constants:
            raise _refused(f"uses %{name}, which is no constant of the view", text)
        if word in _UNSUPPORTED:
            raise _refused(f"uses {word}, which is not supported", text)


def _refused(what: str, text: str) -> InvalidArgument:
    return InvalidArgument(
        f"a path of the view {what}: {text}",
        hint=f"correct the view; paths may call {', '.join(sorted(FUNCTIONS))}",
    )


@cache
def _model() -> Mapping[str, Any]:
    from fhirpathpy.models import models

    found: Mapping[str, Any] = models[_VERSION]
    return found


@cache
def _choices() -> frozenset[str]:
    """Return the names of elements with several types, such as `value`."""
    return frozenset(path.rpartition(".")[2] for path in _model()["choiceTypePaths"])


def is_simple(text: str) -> bool:
    """Return whether an expression only goes down by names."""
    return _SIMPLE.fullmatch(text) is not None and text not in _LITERALS


def _shortened(text: str, found: Path) -> Path:
    """Return a path that does the same as the library's, many times faster.

    Where a name is missing that may be of several types (`value`, which JSON has as `valueCode`),
    the library is asked.
    """
    steps = text.split(".")
    several = _choices().intersection(steps)

    def short(node: Any, index: int) -> list[Any]:
        values: list[Any] = [data_of(node)]
        for step in steps:
            below: list[Any] = []
            for value in values:
                inner = value.get(step) if isinstance(value, dict) else None
                if inner is None and step in several:
                    return found(node, index)
                if isinstance(inner, list):
                    below += [one for one in inner if one is not None]
                elif inner is not None:
                    below.append(inner)
            values = below
        return values

    return short


def _resource_keys(nodes: list[Any]) -> list[Any]:
    return [node["id"] for node in nodes if isinstance(node, dict) and "id" in node]


def _reference_keys(nodes: list[Any], kind: Any = None) -> list[Any]:
    """Return the ids in references, which `getResourceKey()` gives for their targets."""
    wanted = str(getattr(kind, "name", "") or "")
    keys = []
    for node in nodes:
        text = node.get("reference") if isinstance(node, dict) else None
        found = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
        if found is not None and wanted in ("", found[1]):
            keys.append(found[2])
    return keys


_KEYS = {
    "getResourceKey": {"fn": _resource_keys, "arity": {0: []}},
    "getReferenceKey": {
        "fn": _reference_keys,
        "arity": {0: [], 1: ["TypeSpecifier"]},
    },
}
