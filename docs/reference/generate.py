"""Writes docs/reference/cli.md from the commands of the three programs.

python docs/reference/generate.py            write the page
python docs/reference/generate.py --check    fail if the page is not current
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

import sealift_relay.cli as relay_cli
import sealift_witness.cli as witness_cli
from sealift.cli.main import cli

PAGE = Path(__file__).with_name("cli.md")
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


def write_page() -> str:
    """The page."""
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


def main() -> None:
    """Writes the page, or compares it."""
    page = write_page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page)
    elif PAGE.read_text() != page:
        raise SystemExit(f"{PAGE.name} is not current: run `make docs`")


if __name__ == "__main__":
    main()
