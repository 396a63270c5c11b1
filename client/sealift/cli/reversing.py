"""`sealift policy reverse` and `policy reversals`: from a pseudonym back to its person."""

from __future__ import annotations

import sys

import click

from sealift.cli.options import Options, as_json, pass_options, show_time
from sealift.cli.output import count, show
from sealift.cli.rules import needs, rules

_NOT_FOUND = "not found: not made by this owner under this policy and column"


@click.command("reverse")
@rules(needs("--format", "--source"))
@click.argument("values", metavar="VALUE...", nargs=-1, required=True)
@click.option(
    "--policy",
    required=True,
    metavar="FILE",
    help="Policy that the records were pushed under.",
)
@click.option(
    "--column", required=True, metavar="COLUMN", help="Column that the values are from."
)
@click.option(
    "--why", required=True, metavar="REASON", help="Reason, kept in the journal."
)
@click.option(
    "--source",
    default="",
    metavar="SOURCE",
    help="For hashes: records with the people's numbers, which are hashed again and compared.",
)
@click.option(
    "--format",
    "kind",
    default="",
    metavar="KIND",
    help="Kind of source, if its suffix does not tell.",
)
@as_json
@pass_options
def reverse(
    options: Options,
    values: tuple[str, ...],
    policy: str,
    column: str,
    why: str,
    source: str,
    kind: str,
    as_json: bool,
) -> None:
    """Lead pseudonyms or tokens back to the people they stand for ("-" reads VALUEs from stdin).

    Tokens are deciphered with your secret. Hashes have no way back: name the SOURCE whose numbers
    are hashed again, in memory. The passphrase is asked for each time, at the terminal or from
    --passphrase-fd. An entry without values goes into this profile's journal; nothing is sent.
    """
    from sealift.api import reversing
    from sealift.home.passphrase import ask_anew

    named = sys.stdin.read().split() if values == ("-",) else values
    wanted = reversing.Wanted(named, policy, column, why, source, kind)
    found = reversing.reverse(
        options.found(), lambda what: ask_anew(what, fd=options.passphrase_fd), wanted
    )
    lines = [f"{value}  {found.get(value, _NOT_FOUND)}" for value in named]
    show(
        "\n".join(lines),
        {"found": dict(found), "missing": [v for v in named if v not in found]},
        as_json,
    )


@click.command("reversals")
@as_json
@pass_options
def reversals(options: Options, as_json: bool) -> None:
    """List who led pseudonyms back to people on this profile, when and why."""
    from msgspec.structs import asdict

    from sealift.api import reversing

    keychain = options.keychain()
    try:
        entries = reversing.reversals(options.found(), keychain.owner_secret())
    finally:
        keychain.close()
    lines = [
        f"{show_time(entry.time)}  {entry.who}  {entry.found} of "
        f"{count(entry.asked, 'value')}  {entry.policy[:16]}  {entry.why}"
        for entry in entries
    ]
    show(
        "\n".join(lines) or "no pseudonym was led back",
        [asdict(entry) for entry in entries],
        as_json,
    )
