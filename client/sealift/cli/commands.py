"""Every command of `sealift`: in which module it is, and its short help.

`sealift --help` and completion read this table, so that they import no command. The short help is
the first sentence of the command's docstring; a test compares the two.
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
    "renew": ("people:renew", "Get a new certificate before yours expires."),
    "identity": (
        "people:identity",
        "Show your name and your fingerprint, in groups and in words, for others to "
        "pin.",
    ),
    "key": (
        "people:key",
        "Your recipient keys, to which others wrap what you may open.",
    ),
    "keystore": (
        "keystores:keystore",
        "The place where your private keys live: a file, a token, a KMS.",
    ),
    "profiles": ("people:profiles", "List the identities on this machine."),
    "trust": (
        "people:trust",
        "Pin the fingerprints of the people you exchange data with.",
    ),
    "endorse": (
        "people:endorse",
        "Vouch, as an organisation, for member NAME, whom you have pinned.",
    ),
    "witness": (
        "people:witness",
        "Witnesses who cosign the relay's log, so that it cannot show people "
        "different logs.",
    ),
    "recovery": (
        "people:recovery",
        "A recovery identity that several people hold together on paper.",
    ),
    "relay": (
        "relays:relay",
        "The addresses of your relay: when one cannot be reached, the next is used.",
    ),
    "push": ("push:push", "Seal the records of SOURCE and append them to a dataset."),
    "sources": ("push:sources", "List what `push` can read."),
    "deidentify": (
        "push:deidentify",
        "Show what a policy changes in SOURCE, side by side, with its report.",
    ),
    "policy": ("push:policy", "Look at policies of de-identification."),
    "grant": (
        "sharing:grant",
        "Let members open DATASET: what is in it, and what is pushed while the "
        "grant lasts.",
    ),
    "revoke": (
        "sharing:revoke",
        "End a member's access to DATASET, and say honestly what that changes.",
    ),
    "rotate": (
        "rotation:rotate",
        "Begin a new key epoch of DATASET: what is pushed next is sealed under a "
        "new key.",
    ),
    "status": (
        "rotation:status",
        "Show how you stand: your certificate, your keystore, and which keys are "
        "due for rotation.",
    ),
    "access": (
        "sharing:access",
        "Show who can open DATASET, until when, for what, and who granted it.",
    ),
    "co-owner": ("sharing:co_owner", "Owners who may append to a dataset of yours."),
    "disclosures": (
        "sharing:disclosures",
        "Account for disclosures: who fetched what of DATASET, when, and what for.",
    ),
    "delete": (
        "sharing:delete",
        "Destroy DATASET at the relay: its wrapped keys and its shards.",
    ),
    "erase-subject": (
        "sharing:erase_subject",
        "Take one person out of DATASET, after a consent was withdrawn.",
    ),
    "purge": (
        "sharing:purge",
        "Confirm that you deleted copies of records that the owner of DATASET has "
        "erased.",
    ),
    "log": (
        "sharing:log_group",
        "The relay's append-only log of every signed object and every disclosure.",
    ),
    "bom": (
        "bill:bom",
        "Say what fed a training run, in a small signed document to lie beside its "
        "checkpoint.",
    ),
    "doctor": (
        "sharing:doctor",
        "Check what could stop a transfer: relay, clock, certificate, log, keys, "
        "grants, members.",
    ),
    "ls": ("datasets:ls", "List the datasets that you own or were granted."),
    "show": (
        "datasets:show_dataset",
        "Show what is in a dataset, how it grew, and on what terms you may open it.",
    ),
    "head": ("datasets:head", "Show the first records of a dataset."),
    "pull": (
        "datasets:pull",
        "Open a dataset and write its records as files: one for each shard, or the "
        "files they were.",
    ),
}
