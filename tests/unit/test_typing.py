"""What type checkers say of calls of the public API, and whether its types can be named.

A call of tests/typing/ that is marked `# wrong: why` has one error, every other line none. To try
a call, add it to right_calls.py or wrong_calls.py.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import sealift
from sealift import types

ROOT = Path(__file__).parents[2]
CALLS = ROOT / "tests" / "typing"
OURS = ("sealift", "sealift_protocol")


# --- right and wrong calls -----------------------------------------------------------------------


def mypy() -> Iterator[tuple[str, str]]:
    """Places of errors, FILE:LINE, and what they say. Uses the cache of `make lint`."""
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json"]
    done = run([*command, *map(str, sorted(CALLS.glob("*.py")))])
    for line in done.splitlines():
        if not line.startswith("{"):
            raise AssertionError(done)
        found = json.loads(line)
        if found["severity"] == "error":
            yield f"{Path(found['file']).name}:{found['line']}", found["message"]


def basedpyright() -> Iterator[tuple[str, str]]:
    """The same; its settings are next to the calls."""
    program = Path(sys.executable).with_name("basedpyright")
    done = run(
        [program, "--project", CALLS, "--pythonpath", sys.executable, "--outputjson"]
    )
    found = json.loads(done)
    assert found["summary"]["filesAnalyzed"] == len(list(CALLS.glob("*.py")))
    for one in found["generalDiagnostics"]:
        if one["severity"] == "error":
            line = one["range"]["start"]["line"] + 1
            yield f"{Path(one['file']).name}:{line}", one["message"]


def run(command: list[Any]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    # 0 and 1: the calls were checked.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def marked() -> dict[str, list[str]]:
    """For the first line of each statement that is marked as wrong, all of its lines."""
    found = {}
    for file in sorted(CALLS.glob("*.py")):
        text = file.read_text("utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr):
                span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                if any("  # wrong: " in lines[number - 1] for number in span):
                    places = [f"{file.name}:{number}" for number in span]
                    found[places[0]] = places
    marks = sum(
        file.read_text("utf-8").count("  # wrong: ") for file in CALLS.iterdir()
    )
    assert len(found) == marks > 0
    return found


@pytest.mark.parametrize("checker", [mypy, basedpyright])
def test_type_checkers_find_the_wrong_calls_and_no_other(
    checker: Callable[[], Iterator[tuple[str, str]]],
) -> None:
    said: dict[str, list[str]] = {}
    for place, message in checker():
        said.setdefault(place, []).append(message)
    problems = []
    for first, places in marked().items():
        errors = [message for place in places for message in said.pop(place, [])]
        if len(errors) != 1:
            problems.append(f"{first}: {len(errors)} errors, not one {errors}")
    problems += [f"{place}: {message}" for place, message in said.items()]
    assert not problems, "\n".join(problems)


# --- the types of public signatures --------------------------------------------------------------


HANDED_OUT = ("OwnIdentity", "OwnKeys", "People", "RelayLog", "RemoteDataset")


def test_every_type_of_a_public_signature_is_exported() -> None:
    """Also those of the fields of what is returned, down to the last."""
    front = {name: getattr(sealift, name) for name in sealift.__all__}
    front |= {name: getattr(types, name) for name in HANDED_OUT}
    exported = set(filter(inspect.isclass, front.values()))
    exported |= set(filter(inspect.isclass, vars(sealift.errors).values()))
    exported |= {getattr(types, name) for name in types.__all__}
    seen: set[type] = set()
    hidden: dict[str, set[str]] = {}
    waiting = [
        found for name, value in front.items() for found in signatures(name, value)
    ]
    while waiting:
        where, annotation = waiting.pop()
        for found in own_types(annotation):
            if found not in exported:
                place = f"{found.__module__}.{found.__qualname__}"
                hidden.setdefault(place, set()).add(where)
            if found not in seen:
                seen.add(found)
                waiting += fields_of(found.__name__, found)
    lines = [f"{name}: {', '.join(sorted(hidden[name]))}" for name in sorted(hidden)]
    assert not lines, "\n".join(lines)


def test_types_are_loaded_from_where_type_checkers_see_them() -> None:
    source = inspect.getsource(types)
    for name, home in vars(types)["_HOMES"].items():
        assert getattr(types, name).__module__ == home
        assert re.search(rf"from {re.escape(home)} import [^)]*\b{name}\b", source)
    assert sorted(vars(types)["_HOMES"]) == sorted(types.__all__)


def fields_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value) or typing.is_typeddict(value):
        for field, annotation in hints(value, value.__module__).items():
            if not field.startswith("_"):
                yield f"{name}.{field}", annotation


def signatures(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The annotations of a public function, or of a class's public methods and fields."""
    if isinstance(value, FunctionType):
        for annotation in hints(value, value.__module__).values():
            yield name, annotation
    elif inspect.isclass(value):
        yield from fields_of(name, value)
        for method, defined in vars(value).items():
            function = function_of(defined)
            if function is not None and not method.startswith("_"):
                for annotation in hints(function, value.__module__).values():
                    yield f"{name}.{method}", annotation


def function_of(defined: object) -> FunctionType | None:
    if isinstance(defined, property):
        defined = defined.fget
    if isinstance(defined, classmethod | staticmethod):
        defined = defined.__func__
    return defined if isinstance(defined, FunctionType) else None


def hints(value: Any, module: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(value)
    except NameError:
        names = names_for_type_checkers(importlib.import_module(module))
        return typing.get_type_hints(value, localns=names)


def names_for_type_checkers(module: ModuleType) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING`."""
    found: dict[str, Any] = {}
    for block in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test):
            body = ast.Module(block.body, type_ignores=[])
            exec(compile(body, module.__name__, "exec"), found)
    return found


def own_types(annotation: Any) -> Iterator[type]:
    """Classes of ours that an annotation is made of."""
    if isinstance(annotation, list | tuple):
        for part in annotation:
            yield from own_types(part)
    for part in typing.get_args(annotation):
        yield from own_types(part)
    if isinstance(annotation, type) and annotation.__module__.partition(".")[0] in OURS:
        yield annotation
        if typing.is_typeddict(annotation):
            for part in hints(annotation, annotation.__module__).values():
                yield from own_types(part)


def test_a_type_that_is_not_exported_would_be_found() -> None:
    def public(given: dict[str, list[Callable[[Hidden], None]]] | None) -> None: ...

    class Hidden: ...

    Hidden.__module__ = "sealift.hidden"
    annotation = typing.get_type_hints(public, localns={"Hidden": Hidden})["given"]
    assert list(own_types(annotation)) == [Hidden]
