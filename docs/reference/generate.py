"""Write the reference: cli.md from the commands of the three programs, api.md from the API.

python docs/reference/generate.py            write the pages
python docs/reference/generate.py --check    fail if a page is not current
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import click

import sealift
import sealift_relay.cli as relay_cli
import sealift_witness.cli as witness_cli
from sealift import types
from sealift.cli.main import cli

FOLDER = Path(__file__).parent
PROGRAMS = {
    "sealift": cli,
    "sealift-relay": relay_cli.cli,
    "sealift-witness": witness_cli.cli,
}
WIDTH = 100
HEAD = """# Commands

This page is generated: `make docs` writes it from the programs' own help.
What `--json` prints is in [json.md](json.md).
"""


API_HEAD = """# The Python API

This page is generated: `make docs` writes it from the docstrings.
Functions are in `sealift`; what `Session` hands out and what they return is in `sealift.types`.
Every error is in `sealift.errors`.
"""
HANDED_OUT = ("RemoteDataset", "OwnKeys", "OwnIdentity", "People", "RelayLog")


def write_commands() -> str:
    """The page of commands."""
    parts = [HEAD]
    for name, program in PROGRAMS.items():
        parts += _sections(
            program,
            click.Context(program, info_name=name, **program.context_settings),
            2,
        )
    return "\n".join(parts)


def _sections(
    command: click.Command, context: click.Context, level: int
) -> Iterator[str]:
    context.terminal_width = context.max_content_width = WIDTH
    help_text = command.get_help(context)
    yield f"{'#' * level} {context.command_path}\n"
    yield f"```text\n{help_text.rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is None:
                continue
            child = click.Context(below, info_name=name, parent=context)
            yield from _sections(below, child, min(level + 1, 4))


def write_api() -> str:
    """The page of functions and classes."""
    parts = [API_HEAD]
    for name in sealift.__all__:
        parts += _describe(f"sealift.{name}", getattr(sealift, name), name)
        if name == "Session":
            for below in HANDED_OUT:
                parts += _describe(
                    f"sealift.types.{below}", getattr(types, below), below
                )
    others = [f"`{name}`" for name in types.__all__ if name not in HANDED_OUT]
    parts.append(f"## Other types of sealift.types\n\n{', '.join(others)}\n")
    return "\n".join(parts)


def _describe(path: str, value: object, name: str) -> Iterator[str]:
    if isinstance(value, FunctionType):
        yield f"## {path}\n"
        yield _signature(name, value)
        yield _text(value)
    elif inspect.isclass(value):
        yield f"## {path}\n"
        yield _text(value)
        for method, defined in vars(value).items():
            if method.startswith("_"):
                continue
            if isinstance(defined, FunctionType):
                yield f"### {name}.{method}\n"
                yield _signature(method, defined)
                yield _text(defined)
            elif isinstance(defined, property):
                yield f"### {name}.{method} (property)\n"
                yield _text(defined)


def _signature(name: str, function: Callable[..., object]) -> str:
    """As in the source, whose annotations are short; without `self`."""
    found = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(found, ast.FunctionDef):
        raise TypeError(f"{name} is not a function")
    if found.args.args and found.args.args[0].arg == "self":
        del found.args.args[0]
    returns = "" if found.returns is None else f" -> {ast.unparse(found.returns)}"
    return f"```python\n{name}({ast.unparse(found.args)}){returns}\n```\n"


def _text(value: object) -> str:
    text = inspect.getdoc(value) or ""
    return f"```text\n{text}\n```\n" if "\n" in text else f"{text}\n"


PAGES = {"cli.md": write_commands, "api.md": write_api}


def main() -> None:
    """Write the pages, or compare them."""
    for name, write in PAGES.items():
        page = FOLDER / name
        if "--check" not in sys.argv[1:]:
            page.write_text(write())
        elif page.read_text() != write():
            raise SystemExit(f"{name} is not current: run `make docs`")


if __name__ == "__main__":
    main()
