"""A whole study: two hospitals, an institute with two trainers, an operator, a witness, an auditor.

No member trusts the relay. The hospitals pin the institute, which vouches for its own people; they
push, grant for a purpose and a time, rotate, revoke, push again, account for what was fetched, and
erase one patient who withdrew consent. At the end all that the relay and the witness hold is
searched for plaintext. Everything lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from commands import run, serving, step
from leaks import search
from tumours import WORDS, accuracy, tumour_records

DATASET = "tumour-measurements"
PURPOSE = "recurrence model, protocol 7"
PATIENT = "patient-0042"
MEMBERS = {
    "hospital-a": "owner",
    "hospital-b": "owner",
    "institute": "trainer",
    "ana": "trainer",
    "ben": "trainer",
    "auditor": "auditor",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--keystore",
        metavar="URL",
        help="where all private keys live (docs/start/custody.md); $SEALIFT_PASSPHRASE opens it",
    )
    keystore = parser.parse_args().keystore
    with tempfile.TemporaryDirectory(prefix="sealift-study-") as name:
        folder = Path(name)
        os.environ["SEALIFT_HOME"] = str(folder / "profiles")
        if keystore is None:
            os.environ["SEALIFT_PASSPHRASE"] = "a passphrase of the study only"
        relay, witness = folder / "relay", folder / "witness"
        parts = write_parts(folder)

        step("an operator makes a relay; another party makes a witness for its log")
        run("sealift-relay", "init", relay, "--port", 0, "--enrolment-port", 0)
        log_key = run("sealift-relay", "log", "key", "--dir", relay, quiet=True)
        witness_key = run(
            "sealift-witness", "init", witness, "--name", "witness.example/one"
        )
        arguments = ("serve", witness, "--log", log_key, "--port", 0)
        with serving("sealift-witness", *arguments, log=witness / "log") as ready:
            print(" ", ready)
            os.environ["SEALIFT_RELAY_LOG_WITNESSES"] = ready.rpartition(" ")[2]
            with serving(
                "sealift-relay", "serve", relay, log=relay / "relay.log"
            ) as ready:
                print(" ", ready)
                wrong = play(folder, relay, witness_key, parts, keystore)
                step("everything that relay and witness hold is searched")
                table = pa.concat_tables(parts.values())
                words = {DATASET, *parts, *table.column_names, *WORDS}
                words |= set(table["patient"].to_pylist())
                wrong += search(
                    [relay, witness], folder / next(iter(parts)), table, words
                )
        if wrong:
            sys.exit(f"the study failed: {wrong}")


def write_parts(folder: Path) -> dict[str, pa.Table]:
    """The records in three files: two of hospital A, one of hospital B."""
    records = tumour_records()
    patients = [f"patient-{number:04d}" for number in range(len(records))]
    table = records.add_column(0, "patient", [patients])
    parts = {
        "winter-a.parquet": table.slice(0, 250),
        "winter-b.parquet": table.slice(250, 200),
        "spring-a.parquet": table.slice(450),
    }
    for name, part in parts.items():
        pq.write_table(part, folder / name, compression="none", use_dictionary=False)
    return parts


def play(
    folder: Path,
    relay: Path,
    witness_key: str,
    parts: dict[str, pa.Table],
    keystore: str | None,
) -> list[str]:
    """The study; returns what went wrong."""
    where = () if keystore is None else ("--keystore", keystore)
    wrong: list[str] = []
    winter_a, winter_b, spring_a = parts

    def as_(member: str, *command: object, **options: bool) -> str:
        return run("sealift", "--profile", member, *command, **options)

    def train(member: str, expected: pa.Table) -> None:
        out = folder / f"{member}-{len(list(folder.iterdir()))}"
        as_(member, "pull", f"hospital-a/{DATASET}", "--out", out)
        opened, plain = accuracy(pq.read_table(out)), accuracy(expected)
        print(f"  {member} trains: accuracy {opened!r}, on the plaintext {plain!r}")
        if opened != plain:
            wrong.append(f"accuracy of {member}")

    def together(*names: str) -> pa.Table:
        return pa.concat_tables([parts[name] for name in names])

    step("each member joins with a one-time token, and requires the witness")
    fingerprints = {}
    for member, role in MEMBERS.items():
        token = run(
            "sealift-relay",
            "invite",
            member,
            "--role",
            role,
            "--dir",
            relay,
            quiet=True,
        )
        joined = json.loads(
            run("sealift", "join", token, *where, "--json", quiet=True)
        )["data"]
        fingerprints[member] = joined["fingerprint"]
        as_(member, "witness", "add", witness_key, quiet=True)
        as_(member, "witness", "require", 1, quiet=True)
    as_("institute", "identity")

    step(
        "fingerprints are compared by phone: the hospitals pin the institute, not its people"
    )
    for hospital, other in (("hospital-a", "hospital-b"), ("hospital-b", "hospital-a")):
        as_(hospital, "trust", "add", other, fingerprints[other])
        as_(
            hospital,
            "trust",
            "add",
            "institute",
            fingerprints["institute"],
            "--organisation",
        )
    for trainer in ("ana", "ben"):
        as_("institute", "trust", "add", trainer, fingerprints[trainer], quiet=True)
        as_("institute", "endorse", trainer, "--until", "90d")
        as_(
            trainer,
            "trust",
            "add",
            "hospital-a",
            fingerprints["hospital-a"],
            quiet=True,
        )
    as_("hospital-a", "trust", "show", "ana")

    step(
        "hospital A pushes to ana, for a purpose and a time, and lets hospital B append"
    )
    as_(
        "hospital-a", "push", folder / winter_a, "--dataset", DATASET, "--to", "ana",
        "--purpose", PURPOSE, "--until", "90d", "--subject-column", "patient",
    )  # fmt: skip
    as_("hospital-a", "co-owner", "add", DATASET, "hospital-b")
    as_("hospital-b", "push", folder / winter_b, "--dataset", f"hospital-a/{DATASET}")

    step("hospital A grants ben access to what is there")
    as_(
        "hospital-a", "grant", DATASET, "--to", "ben",
        "--purpose", "review", "--until", "30d",
    )  # fmt: skip
    as_("hospital-a", "access", DATASET)

    step("both open the records of both hospitals, and train")
    train("ana", together(winter_a, winter_b))
    train("ben", together(winter_a, winter_b))

    step(
        "ana rotates her keys; no hospital has to do anything, and no shard is touched"
    )
    as_("ana", "key", "rotate")
    train("ana", together(winter_a, winter_b))

    step("ben leaves the study; hospital A pushes again, under a new key")
    as_("hospital-a", "revoke", DATASET, "--from", "ben")
    as_("hospital-a", "push", folder / spring_a, "--dataset", DATASET)
    as_("ben", "pull", f"hospital-a/{DATASET}", "--out", folder / "never", fails=True)
    if (folder / "never").exists():
        wrong.append("ben opened what was revoked")
    train("ana", together(winter_a, winter_b, spring_a))

    step("the shards that ben once had the key of are sealed again")
    as_("hospital-a", "rotate", DATASET, "--reseal")
    as_("hospital-a", "access", DATASET)

    step(
        "hospital A accounts for every disclosure; a report with proofs is checked offline"
    )
    as_("hospital-a", "disclosures", DATASET)
    report = as_("hospital-a", "disclosures", DATASET, "--format", "json", quiet=True)
    (folder / "report.json").write_text(report)
    as_("hospital-b", "disclosures", "verify", folder / "report.json")
    forged = report.replace('"purpose": "review"', '"purpose": "marketing"')
    (folder / "forged.json").write_text(forged)
    as_("hospital-b", "disclosures", "verify", folder / "forged.json", fails=True)

    step("a patient withdraws consent")
    as_("hospital-a", "erase-subject", DATASET, "--subject", PATIENT, "--yes")
    everybody = together(winter_a, winter_b, spring_a)
    keep = pa.array(
        [patient != PATIENT for patient in everybody["patient"].to_pylist()]
    )
    out = folder / "after-erasure"
    as_("ana", "pull", f"hospital-a/{DATASET}", "--out", out)
    as_("ana", "purge", f"hospital-a/{DATASET}", "--yes")
    opened = pq.read_table(out).sort_by("patient")
    if not opened.equals(everybody.filter(keep).sort_by("patient")):
        wrong.append("the records after the erasure")

    step("an auditor verifies the whole log without opening a record")
    as_("auditor", "trust", "add", "hospital-a", fingerprints["hospital-a"], quiet=True)
    as_("auditor", "log", "verify")
    as_("auditor", "pull", f"hospital-a/{DATASET}", "--out", folder / "no", fails=True)
    as_("hospital-a", "doctor", "ana")
    return wrong


if __name__ == "__main__":
    main()
