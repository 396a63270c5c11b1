"""A linear classifier trains on sealed digits, batch by batch, with scikit-learn and no torch.

`dataset.numpy(...)` yields a dict of arrays for each batch. They are cut out of the memory that the
shards were opened into; the order follows from seed and training epoch, so it can be
reproduced. Everything lives in a temporary folder.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow.compute as pc
from commands import step
from sklearn.linear_model import SGDClassifier
from trainers import DIGITS, agree, laboratory, order_of, plaintext, speed

import sealift
from sealift.trainer.metrics.metrics import Totals

EPOCHS, BATCH, SEED = 3, 64, 11


def main() -> None:
    with laboratory(__doc__, DIGITS):
        step("the laboratory opens the digits and trains on them, batch by batch")
        totals = Totals()
        with sealift.open_dataset(
            f"hospital/{DIGITS}", profile="laboratory", metrics=totals
        ) as dataset:
            training = dataset.filter(~pc.field("held_out"))
            print(f"  of {len(dataset):,} records, {len(training):,} are for training")
            model = SGDClassifier(random_state=0)
            for epoch in range(EPOCHS):
                for batch in training.numpy(
                    BATCH, shuffle=True, seed=SEED, epoch=epoch
                ):
                    learn(model, batch)
            print(f"  {speed(totals)}")

            step("the same model trains on the plaintext, in the same order")
            plain = SGDClassifier(random_state=0)
            for epoch in range(EPOCHS):
                for batch in plaintext(order_of(training, BATCH, SEED, epoch=epoch)):
                    learn(plain, batch)

            rest = dataset.filter(pc.field("held_out"))
            [held_out] = rest.numpy(rest.num_records)
            [known] = plaintext(order_of(rest, rest.num_records))
            agree("accuracy", accuracy(model, held_out), accuracy(plain, known))
        same = np.array_equal(model.coef_, plain.coef_)
        print(
            f"  weights of the models on both sides: {'equal' if same else 'NOT EQUAL'}"
        )
        print(f"  torch was imported: {'yes' if 'torch' in sys.modules else 'no'}")
        if not same:
            sys.exit("the example failed: weights")


def features(batch: dict[str, np.ndarray]) -> np.ndarray:
    """64 pixels a record, 0 to 1."""
    return batch["image"].reshape(-1, 64) / 16


def learn(model: SGDClassifier, batch: dict[str, np.ndarray]) -> None:
    model.partial_fit(features(batch), batch["label"], classes=np.arange(10))


def accuracy(model: SGDClassifier, batch: dict[str, np.ndarray]) -> float:
    return float(model.score(features(batch), batch["label"]))


if __name__ == "__main__":
    main()
