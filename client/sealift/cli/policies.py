"""`sealift policy`: list, show, check and replace de-identification policies."""

from __future__ import annotations

import sys

import click

from sealift.cli.options import Options, as_json, confirm, pass_options, yes
from sealift.cli.output import count, show
from sealift.cli.reversing import reversals, reverse

FINDINGS = 9


@click.group()
def policy() -> None:
    """List, show, check and replace de-identification policies."""


policy.add_command(reverse)
policy.add_command(reversals)


@policy.command("ls")
@as_json
def policy_ls(as_json: bool) -> None:
    """List the ready policies."""
    from sealift.policy.file import ready_policies

    found = ready_policies()
    width = max(len(name) for name in found)
    show(
        "\n".join(
            f"{name:<{width}}  {entry.version}  {entry.digest.hex()[:16]}  {entry.description}"
            for name, entry in found.items()
        ),
        [
            {
                "name": name,
                "version": entry.version,
                "digest": entry.digest.hex(),
                "description": entry.description,
            }
            for name, entry in found.items()
        ],
        as_json,
    )


@policy.command("show")
@click.argument("name")
def policy_show(name: str) -> None:
    """Print a policy, to read or as a start for your own."""
    from sealift.policy.file import load_policy

    click.echo(load_policy(name).source.decode(), nl=False)


@policy.command("check")
@click.argument("file")
@as_json
def policy_check(file: str, as_json: bool) -> None:
    """Check a policy file, and print the digest that commits carry.

    Each rule that could let free text, dates or nested values through is named, and why. Exits
    with 9 if there is one.
    """
    from sealift.cli.values import printable
    from sealift.policy.file import load_policy
    from sealift.policy.lint import lint

    found = load_policy(file)
    findings = lint(found)
    lines = [
        f"{found.name} {found.version}: {count(len(found.rules), 'rule')}, "
        f"SHA-256 {found.digest.hex()}"
    ]
    for finding in findings:
        where = f"line {finding.line}, " if finding.line else ""
        lines.append(f"{where}{printable(finding.pattern)}: {finding.why}")
    show(
        "\n".join(lines),
        {
            "name": found.name,
            "version": found.version,
            "rules": len(found.rules),
            "digest": found.digest.hex(),
            "findings": [
                {"line": f.line, "rule": f.pattern, "why": f.why} for f in findings
            ],
        },
        as_json,
    )
    if findings:
        sys.exit(FINDINGS)


@policy.command("upgrade")
@click.argument("dataset")
@click.option(
    "--policy",
    "replacement",
    metavar="FILE",
    help="Policy that replaces all that DATASET requires: a file, or the name of a ready policy "
    "(default: each withdrawn one is replaced by its new version).",
)
@yes
@as_json
@pass_options
def policy_upgrade(
    options: Options, dataset: str, replacement: str | None, yes: bool, as_json: bool
) -> None:
    """Replace the policy that DATASET requires, by a commit that you sign.

    Records that are there stay as they are.
    """
    confirm("replace the policy that the dataset requires?", yes=yes)
    with options.connect() as session:
        upgrade = session.dataset(dataset).upgrade_policy(replacement)
    if upgrade.committed is None:
        told = "nothing to replace: the dataset requires the new policy"
    else:
        number = upgrade.committed.commit.number
        told = (
            f"the dataset requires {_digests(upgrade.required)} from commit {number} on"
        )
    if upgrade.live:
        told += (
            f"\nrecords stay that were pushed under {_digests(upgrade.live)}, and trainers have "
            "what they fetched: push their source again into a new dataset, and delete this one"
        )
    show(
        told,
        {
            "commit": upgrade.committed.commit.number if upgrade.committed else None,
            "required": [digest.hex() for digest in sorted(upgrade.required)],
            "replaced": [digest.hex() for digest in sorted(upgrade.replaced)],
            "live": [digest.hex() for digest in sorted(upgrade.live)],
        },
        as_json,
    )


def _digests(policies: frozenset[bytes]) -> str:
    return ", ".join(digest.hex()[:16] for digest in sorted(policies))
