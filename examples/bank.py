"""Card transactions of two banks, and a fraud detector that never sees a card number.

Bank A generates a million transactions with a fraud label, and pushes them with the ready policy
`pci-transactions`: card numbers become tokens of the same form, and values that authenticate a card
are dropped. Bank B appends its own under the same policy. A detector is trained on the stream of
opened batches, and again on plaintext that the banks' own machines de-identified: the scores are
equal. At the end everything that the relay holds is searched. Everything lives in a temporary
folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from commands import step
from leaks import telling_values
from members import (
    as_,
    compare,
    deidentified,
    in_memory,
    left_in,
    push,
    rate,
    refused,
    relay_with,
    same_records,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits
from traces import search

import sealift

POLICY = "pci-transactions"
DATASET = "card-payments"
FEATURES = ("amount", "amount_to_usual", "mcc", "card_present", "lat", "lon")
FIRST_NAMES = (
    "Adaeze",
    "Benedikt",
    "Chiara",
    "Dmitri",
    "Eleanor",
    "Fatoumata",
    "Guillermo",
)
LAST_NAMES = (
    "Abernathy",
    "Bhattacharya",
    "Castellanos",
    "Drummond",
    "Eriksson",
    "Fitzgerald",
)
MERCHANTS = np.array(
    [5411, 5541, 5812, 5912, 4111, 5732, 5944, 4829, 7995, 6051], np.int32
)
_BEGINNING = 1_767_225_600  # 2026-01-01
_MONTH = 30 * 86_400


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--records", type=int, default=1_000_000, help="of bank A")
    options.add_argument("--cards", type=int, default=4_000, help="different cards")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="sealift-bank-") as name:
        folder = Path(name)
        cards = make_cards(chosen.cards)
        step(
            f"each bank exports its transactions; {chosen.cards:,} cards are used at both"
        )
        exports = {
            "bank-a": write_export(
                folder / "payments-2026.parquet", cards, chosen.records, 1
            ),
            "bank-b": write_export(
                folder / "acquired.parquet", cards, chosen.records // 10, 2
            ),
        }
        members = {"bank-a": "owner", "bank-b": "owner", "consortium": "trainer"}
        with relay_with(folder, members) as relay:
            wrong = exchange(relay, exports, cards)
        step("the relay has let its calls finish and stopped")
    if wrong:
        sys.exit(f"the example failed: {wrong}")


def exchange(relay: Path, exports: dict[str, Path], cards: pa.Table) -> list[str]:
    step("bank A pushes under the policy, and lets bank B append")
    shared = f"bank-a/{DATASET}"
    push(
        "bank-a", exports["bank-a"], "--dataset", DATASET, "--to", "consortium",
        "--policy", POLICY, "--purpose", "card fraud detection",
    )  # fmt: skip
    as_("bank-a", "co-owner", "add", DATASET, "bank-b")

    step("bank B may append under the same policy only; its tokens are its own")
    refused("bank-b", "push", exports["bank-b"], "--dataset", shared)
    push("bank-b", exports["bank-b"], "--dataset", shared, "--policy", POLICY)
    local = {
        bank: deidentified(bank, export, POLICY) for bank, export in exports.items()
    }
    wrong = show_tokens(exports, local)

    step(
        "the consortium opens the records straight into memory, and trains from the stream"
    )
    with sealift.connect("consortium") as consortium:
        dataset = consortium.open_dataset(shared, require_policy=POLICY)
        print(f"  columns: {', '.join(dataset.schema.names)}")
        begin = time.perf_counter()
        features, labels, size = collect(dataset.batches(), dataset.num_records)
        print(f"  opened {rate(len(labels), size, time.perf_counter() - begin)}")
        opened = scores(features, labels)
        table = dataset.to_table()

    step(
        "the same detector is trained on the de-identified plaintext, which no relay had"
    )
    plain = pa.concat_tables(local.values())
    wrong += same_records(DATASET, table, plain)
    features, labels, _ = collect(plain.to_batches(), plain.num_rows)
    reference = scores(features, labels)
    for what, score in opened.items():
        wrong += compare(what, score, reference[what])

    step("card numbers and names are looked for in what the consortium opened")
    people = {*cards["pan"].to_pylist(), *cards["cardholder_name"].to_pylist()}
    wrong += left_in(people, table)

    step("everything that the relay holds is searched")
    names = {
        DATASET,
        *(export.name for export in exports.values()),
        "amount_to_usual",
        "is_fraud",
    }
    sample = pq.read_table(exports["bank-a"], columns=["amount_to_usual", "lat"])
    sample = sample.take(np.arange(0, len(sample), max(len(sample) // 300, 1)))
    amounts = {number.tobytes() for number in telling_values(sample)}
    tokens = pa.chunked_array([found["pan"].unique() for found in local.values()])
    control = b"".join(map(in_memory, (cards, sample, pa.table({"pan": tokens}))))
    needles = {*people, *tokens.to_pylist(), *amounts, *names}
    return wrong + search([relay], needles, control + " ".join(names).encode())


def make_cards(count: int) -> pa.Table:
    """Cards with numbers that pass the check of ISO/IEC 7812, and their holders."""
    rng = np.random.default_rng(7)
    issuers = np.array([400000, 411122, 520082, 545301, 601100])
    issuer = rng.choice(issuers, count)
    account = rng.choice(10**9, count, replace=False)
    digits = np.array(
        [list(f"{i:06d}{a:09d}") for i, a in zip(issuer, account, strict=True)], int
    )
    doubled = digits.copy()
    doubled[:, ::2] *= 2
    check = -(doubled // 10 + doubled % 10).sum(axis=1) % 10
    pan = [
        "".join(map(str, row)) + str(last)
        for row, last in zip(digits, check, strict=True)
    ]
    return pa.table(
        {
            "pan": pan,
            "cardholder_name": [
                f"{FIRST_NAMES[n % 7]} {LAST_NAMES[n // 7 % 6]} {n:05d}"
                for n in range(count)
            ],
            "expiry": [f"{1 + n % 12:02d}/{27 + n % 4}" for n in range(count)],
            "cvv": [f"{value:03d}" for value in rng.integers(0, 1000, count)],
            "customer_id": [f"customer-{n:06d}" for n in range(count)],
            "usual_amount": np.exp(rng.normal(3.3, 0.6, count)),
            "home_lat": rng.uniform(36, 55, count),
            "home_lon": rng.uniform(-5, 20, count),
        }
    )


def write_export(path: Path, cards: pa.Table, count: int, seed: int) -> Path:
    """A bank's own export: plaintext, on the bank's own disk. One payment in a hundred is fraud.

    A thief uses a card several times within minutes, often far from home and with amounts that are
    not the holder's; some honest payments look like that, and some thefts do not.
    """
    rng = np.random.default_rng(seed)
    fraud = np.arange(count) < count // 100
    theft = np.arange(count) // 5
    card = np.where(fraud, theft * 7919, rng.integers(0, len(cards), count)) % len(
        cards
    )
    begun = rng.integers(0, _MONTH, count)[np.where(fraud, theft * 5, np.arange(count))]
    seconds = begun + fraud * (np.arange(count) % 5) * rng.integers(60, 900, count)
    order = np.argsort(seconds, kind="stable")
    seconds, card, fraud = seconds[order], card[order], fraud[order]
    odd = rng.random(count) < np.where(fraud, 0.7, 0.03)
    usual = cards["usual_amount"].to_numpy()[card]
    amount = usual * np.exp(
        rng.normal(0, 0.5, count) + odd * rng.normal(0.9, 0.8, count)
    )
    away = rng.normal(0, np.where(odd, 6, 0.3))
    merchant = np.where(odd, rng.integers(3, 10, count), rng.integers(0, 8, count))
    held = cards.take(card)
    columns = {
        **{name: held[name] for name in ("pan", "cardholder_name", "expiry", "cvv")},
        "customer_id": held["customer_id"],
        "time": pa.array(_BEGINNING + seconds, pa.timestamp("s")),
        "amount": np.round(amount, 2),
        "amount_to_usual": amount / usual,
        "mcc": MERCHANTS[merchant],
        "card_present": rng.random(count) < np.where(odd, 0.3, 0.8),
        "lat": held["home_lat"].to_numpy() + away,
        "lon": held["home_lon"].to_numpy() + away * 0.7,
        "is_fraud": fraud,
    }
    pq.write_table(pa.table(columns), path, row_group_size=1 << 16)
    print(
        f"  {path.name}: {count:,} payments, {path.stat().st_size / 1e6:.1f} MB of Parquet"
    )
    return path


def show_tokens(exports: dict[str, Path], local: dict[str, pa.Table]) -> list[str]:
    """Shows one card's token at each bank; returns the problems found."""
    tokens: dict[str, set[str]] = {}
    number = pq.read_table(exports["bank-a"], columns=["pan"])["pan"][0].as_py()
    for bank, export in exports.items():
        numbers = pq.read_table(export, columns=["pan"])["pan"]
        found = (
            local[bank]["pan"].filter(pc.equal(numbers, number)).unique().to_pylist()
        )
        tokens[bank] = set(found)
        print(f"  {bank}: card {number} is {', '.join(found)} in all of its payments")
    a, b = tokens.values()
    apart = len(a) == len(b) == 1 and a != b and number not in a | b
    return [] if apart else ["tokens"]


def collect(
    batches: Iterable[pa.RecordBatch], count: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Features, labels and size of a stream of batches; the batches are not kept."""
    features = np.empty((count, len(FEATURES) + 2), np.float32)
    labels = np.empty(count, bool)
    seconds = np.empty(count, np.int64)
    cards = np.empty(count, np.int32)
    numbers: dict[str, int] = {}
    end = size = 0
    for batch in batches:
        size += batch.nbytes
        begin, end = end, end + batch.num_rows
        for place, name in enumerate(FEATURES):
            features[begin:end, place] = batch[name].to_numpy(zero_copy_only=False)
        labels[begin:end] = batch["is_fraud"].to_numpy(zero_copy_only=False)
        seconds[begin:end] = (
            batch["time"].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
        )
        tokens = batch["pan"].dictionary_encode()
        known = [
            numbers.setdefault(t, len(numbers)) for t in tokens.dictionary.to_pylist()
        ]
        cards[begin:end] = np.array(known, np.int32)[tokens.indices.to_numpy()]
    features[:, -2] = seconds % 86_400 // 3_600
    features[:, -1] = since_last(cards, seconds)
    return features, labels, size


def since_last(cards: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Seconds since the previous payment with the same card; a token serves as well as a number."""
    order = np.lexsort((seconds, cards))
    gaps = np.diff(seconds[order], prepend=seconds[order[:1]]).astype(np.float32)
    gaps[np.diff(cards[order], prepend=-1) != 0] = np.nan
    found = np.empty_like(gaps)
    found[order] = gaps
    return found


def scores(features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Trains on three quarters of the payments, and scores the rest."""
    held_out = np.arange(len(labels)) % 4 == 0
    model = HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=0
    )
    begin = time.perf_counter()
    # Threads add up in the order in which they end, and the last bit of a sum depends on it.
    with threadpool_limits(limits=1):
        model.fit(features[~held_out], labels[~held_out])
        told = model.predict_proba(features[held_out])[:, 1]
    print(
        f"  trained on {np.count_nonzero(~held_out):,} in {time.perf_counter() - begin:.1f} s"
    )
    return {
        "ROC AUC": float(roc_auc_score(labels[held_out], told)),
        "average precision": float(average_precision_score(labels[held_out], told)),
    }


if __name__ == "__main__":
    main()
