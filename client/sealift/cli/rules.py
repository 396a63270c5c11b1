"""Rules for combining options: an option without effect is refused, with exit code 2.

A command declares its rules with `@rules(...)` below `@click.command`. A rule checks what was given
on the command line, not defaults.
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
    """Return a rule that refuses an option without another option or argument.

    Args:
        option: such as "--settle".
        other: such as "--follow", or "NAME" for an argument.
        instead: the hint; by default to add the other, or to leave the option out.
    """

    def check(context: click.Context) -> None:
        if _is_given(context, option) and not _is_given(context, other):
            raise InvalidArgument(
                f"{option} has no effect without {other}",
                hint=instead or f"add {other}, or leave {option} out",
            )

    return check


def excludes(option: str, *others: str, why: str = "", unless: str = "") -> Rule:
    """Return a rule that refuses an option together with any of the others.

    Args:
        option: such as "--at-once".
        others: the options that would have no effect.
        why: the message; by default that the two cannot be used together.
        unless: an option that makes the combination valid.
    """

    def check(context: click.Context) -> None:
        if not _is_given(context, option) or (unless and _is_given(context, unless)):
            return
        for other in others:
            if _is_given(context, other):
                raise InvalidArgument(
                    why or f"{option} and {other} cannot be used together",
                    hint=f"leave {option} or {other} out",
                )

    return check


def rules(*checks: Rule) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check rules before a command runs."""

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
