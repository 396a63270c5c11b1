"""Which options go together: an option that would do nothing is refused, with exit code 2.

The rules of a command stand at its definition, below `@click.command`, as `@rules(...)`. A rule
looks at what was given on the command line, not at defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from click.core import ParameterSource

from sealift_protocol.errors import InvalidArgument

_P = ParamSpec("_P")
_R = TypeVar("_R")
Rule = Callable[[click.Context], None]


def needs(option: str, other: str, *, instead: str = "") -> Rule:
    """A rule: an option does nothing without another option or argument.

    Args:
        option: as "--settle".
        other: as "--follow", or as "NAME" for an argument.
        instead: what else to do than to leave the option out.
    """

    def check(context: click.Context) -> None:
        if _is_given(context, option) and not _is_given(context, other):
            raise InvalidArgument(
                f"{option} does nothing without {other}",
                hint=instead or f"add {other}, or leave {option} out",
            )

    return check


def excludes(option: str, *others: str, why: str = "", unless: str = "") -> Rule:
    """A rule: an option makes others do nothing.

    Args:
        option: as "--at-once".
        others: which it leaves without an effect.
        why: what happened, if "do not go together" is too little.
        unless: an option with which they do go together.
    """

    def check(context: click.Context) -> None:
        if not _is_given(context, option) or (unless and _is_given(context, unless)):
            return
        for other in others:
            if _is_given(context, other):
                raise InvalidArgument(
                    why or f"{option} and {other} do not go together",
                    hint=f"leave {option} or {other} out",
                )

    return check


def never(option: str, why: str) -> Rule:
    """A rule: an option that does nothing at all, which earlier releases took."""

    def check(context: click.Context) -> None:
        if _is_given(context, option):
            raise InvalidArgument(
                f"{option} does nothing: {why}", hint=f"leave {option} out"
            )

    return check


def rules(*checks: Rule) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Checks rules before a command does anything."""

    def decorate(command: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(command)
        def checked(*arguments: _P.args, **options: _P.kwargs) -> _R:
            context = click.get_current_context()
            for check in checks:
                check(context)
            return command(*arguments, **options)

        return checked

    return decorate


def _is_given(context: click.Context, name: str) -> bool:
    """Whether an option, or an argument by its metavar, is on the command line."""
    for parameter in context.command.params:
        if name in parameter.opts or (
            isinstance(parameter, click.Argument)
            and parameter.make_metavar(context).strip("[].") == name
        ):
            source = context.get_parameter_source(parameter.name or "")
            return source is ParameterSource.COMMANDLINE and bool(
                context.params.get(parameter.name or "") not in (None, (), "")
            )
    raise LookupError(f"the command has no {name}")
