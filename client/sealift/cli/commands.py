"""Every command of `sealift`, with its module and its short help.

`sealift --help` and completion read this table, so they import no command. The short help is the
first sentence of the command's docstring; a test compares the two.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "join": (
        "people:join",
        'Join a relay with the TOKEN that its operator sent ("-" reads it from stdin).',
    ),
    "rejoin": (
        "people:rejoin",
        "Get a new certificate after yours has expired, with a TOKEN made with "
        "--again.",
    ),
    "renew": (
        "people:renew",
        "Get a new certificate before yours expires.",
    ),
    "identity": (
        "people:identity",
        "Show your name and your fingerprint, in groups and in words, for others "
        "to pin.",
    ),
    "key": (
        "people:key",
        "Manage your recipient keys, to which other members wrap what you may open.",
    ),
    "keystore": (
        "keystores:keystore",
        "Manage your keystore: the file, token or KMS that holds your private keys.",
    ),
    "profiles": (
        "people:profiles",
        "List the profiles on this machine.",
    ),
    "trust": (
        "people:trust",
        "Manage the pinned fingerprints of members you exchange data with.",
    ),
    "endorse": (
        "people:endorse",
        "Endorse, as an organisation, member NAME, which you have pinned.",
    ),
    "witness": (
        "people:witness",
        "Manage witnesses, who cosign the log so that the relay cannot show people "
        "different ones.",
    ),
    "recovery": (
        "people:recovery",
        "Manage a recovery identity that several people hold together on paper.",
    ),
    "relay": (
        "relays:relay",
        "Manage the addresses of your relay: if one is unreachable, the next is used.",
    ),
    "push": (
        "push:push",
        "Seal the records of SOURCE and append them to a dataset.",
    ),
    "sources": (
        "push:sources",
        "List the kinds of sources that `push` can read.",
    ),
    "deidentify": (
        "push:deidentify",
        "Show what a policy changes in SOURCE, side by side, with its report.",
    ),
    "policy": (
        "policies:policy",
        "List, show, check and replace de-identification policies.",
    ),
    "schema": (
        "schemas:schema",
        "Change the types of a dataset's columns.",
    ),
    "grant": (
        "sharing:grant",
        "Let members open DATASET: its records, and those pushed while the grant "
        "lasts.",
    ),
    "revoke": (
        "sharing:revoke",
        "End a member's access to DATASET, and report what that changes and what "
        "it does not.",
    ),
    "rotate": (
        "rotation:rotate",
        "Begin a new key epoch of DATASET: later pushes are sealed under a new key.",
    ),
    "status": (
        "rotation:status",
        "Show your certificate, your keystore, and which keys are due for rotation.",
    ),
    "access": (
        "sharing:access",
        "Show who can open DATASET, until when, for which purpose, and who granted it.",
    ),
    "co-owner": (
        "sharing:co_owner",
        "Manage the owners who may append to a dataset of yours.",
    ),
    "disclosures": (
        "sharing:disclosures",
        "Account for disclosures: who fetched what of DATASET, when, and for which "
        "purpose.",
    ),
    "delete": (
        "sharing:delete",
        "Destroy DATASET at the relay: its wrapped keys and shards.",
    ),
    "erase-subject": (
        "sharing:erase_subject",
        "Erase one person's records from DATASET, after consent was withdrawn.",
    ),
    "purge": (
        "sharing:purge",
        "Confirm that you deleted copies of records that the owner of DATASET has "
        "erased.",
    ),
    "log": (
        "sharing:log_group",
        "Audit the relay's append-only log of every signed object and every "
        "disclosure.",
    ),
    "bom": (
        "bill:bom",
        "Record what a training run read, in a signed document to keep with its "
        "checkpoint.",
    ),
    "doctor": (
        "sharing:doctor",
        "Check what could stop a transfer: relay, clock, certificate, log, keys, "
        "grants, members.",
    ),
    "ls": (
        "datasets:ls",
        "List the datasets that you own or were granted.",
    ),
    "show": (
        "datasets:show_dataset",
        "Show a dataset's content, its commits, and the terms of your access.",
    ),
    "head": (
        "datasets:head",
        "Show the first records of a dataset.",
    ),
    "pull": (
        "datasets:pull",
        "Open a dataset and write its records to files: one per shard, or the "
        "original files.",
    ),
}
