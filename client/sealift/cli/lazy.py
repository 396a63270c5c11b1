"""A group whose commands are imported when they are used, not with the group."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Entry = tuple[str, str]
"""A command's location, as `module:attribute` below this package, and its short help."""


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, each imported on first access."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            from importlib import import_module

            module, _, attribute = self.entries[name][0].partition(":")
            self._loaded[name] = getattr(
                import_module(f"{__package__}.{module}"), attribute
            )
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self.entries[name] = ("", command.get_short_help_str(200))
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.entries[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class LazyGroup(click.Group):
    """A group that lists its commands, for help and completion, without importing them."""

    def __init__(self, *, entries: dict[str, Entry], **settings: Any) -> None:
        super().__init__(commands=LazyCommands(entries), **settings)
        self._entries = entries

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - as click calls it
        formatter: click.HelpFormatter,
    ) -> None:
        """Write names and short help; click's version would import every command."""
        limit = formatter.width - 6 - max(map(len, self._entries))
        rows = [
            (name, click.Command(name, short_help=said).get_short_help_str(limit))
            for name, (_, said) in sorted(self._entries.items())
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Complete names of commands and options; click's version would import commands."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=said)
            for name, (_, said) in sorted(self._entries.items())
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]
