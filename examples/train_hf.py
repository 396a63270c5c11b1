"""Trains a net on sealed PNG files with Hugging Face datasets, and resumes half-way.

`as_hf_dataset(...)` is a `datasets.IterableDataset`: its columns can be cast, mapped and formatted,
and its state fits into a checkpoint. Records go from memory to memory: nothing is written to
Hugging Face's cache, and no request goes to its servers. Everything lives in a temporary folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pyarrow.compute as pc
import torch
from commands import step
from digitnet import Net, compare_with_plaintext, learn, optimiser_of, same_weights
from trainers import SCANS, laboratory, speed

import sealift
from sealift.trainer.frameworks.huggingface import as_hf_dataset
from sealift.trainer.metrics.metrics import Totals

EPOCHS, BATCH, SEED = 3, 64, 3
STOPS_AFTER = 34  # of 69 batches: in the middle of the second training epoch


def main() -> None:
    with laboratory(__doc__, SCANS) as folder:
        step(f"the laboratory trains a net for {EPOCHS} training epochs")
        whole = train(folder / "whole.pt")

        step(
            "the same again, stopped in the second training epoch and resumed from its checkpoint"
        )
        train(folder / "half.pt", stops_after=STOPS_AFTER)
        resumed = train(folder / "half.pt")
        same_weights(
            "of the resumed run and of the one that never stopped", resumed, whole
        )

        step("the same net learns from the plaintext, in the same order")
        with sealift.open_dataset(f"hospital/{SCANS}", profile="laboratory") as dataset:
            held_out = dataset.filter(pc.field("held_out"))
            compare_with_plaintext(
                resumed,
                decoded(held_out).iter(BATCH),
                dataset,
                batch_size=BATCH,
                seed=SEED,
                epochs=EPOCHS,
            )


def decoded(dataset: sealift.Dataset, **options: Any) -> datasets.IterableDataset:
    """Images and labels as tensors, of PNG files that are decoded on the way."""
    records = as_hf_dataset(
        dataset, batch_size=BATCH, columns=["image", "label"], **options
    )
    return records.cast_column("image", datasets.Image(mode="L")).with_format("torch")


def train(checkpoint: Path, stops_after: int = 0) -> Net:
    """Trains, from the checkpoint if there is one."""
    net, totals = Net(), Totals()
    optimiser = optimiser_of(net)
    with sealift.open_dataset(
        f"hospital/{SCANS}", profile="laboratory", metrics=totals
    ) as dataset:
        training = dataset.filter(~pc.field("held_out"))
        records = decoded(training, shuffle=True, seed=SEED)
        parts = {"net": net, "optimiser": optimiser, "records": records}
        begin = batches = 0
        if checkpoint.exists():
            states = torch.load(checkpoint)
            for name, part in parts.items():
                part.load_state_dict(states[name])
            begin = states["records"]["epoch"]
            print(f"  resumes in training epoch {begin}")
        for epoch in range(begin, EPOCHS):
            records.set_epoch(epoch)
            for batch in records.iter(BATCH):
                learn(net, optimiser, batch)
                batches += 1
                if batches == stops_after:
                    states = {name: part.state_dict() for name, part in parts.items()}
                    torch.save(states, checkpoint)
                    return net
    print(f"  {speed(totals)}")
    return net


if __name__ == "__main__":
    main()
