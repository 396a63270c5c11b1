"""A convolutional net trains on sealed digits, is killed half-way, and resumes from a checkpoint.

`dataset.torch_loader(...)` is a `torch.utils.data.DataLoader` whose state fits into the checkpoint:
the process that takes over sees the records that the killed one had not seen, and ends with the
weights of an uninterrupted run. A signed bill of materials, which lists what the weights were made
from, is next to the checkpoint. Everything lives in a temporary folder.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow.compute as pc
import torch
from commands import step
from digitnet import Net, compare_with_plaintext, learn, optimiser_of, same_weights
from trainers import DIGITS, check_bill, laboratory, speed

import sealift
from sealift.trainer.metrics.metrics import Totals

EPOCHS, BATCH, SEED = 3, 64, 7
DIES_AFTER = 34  # of 69 batches: in the middle of the second training epoch


def main() -> None:
    with laboratory(__doc__, DIGITS) as folder:
        step(f"the laboratory trains a net for {EPOCHS} training epochs")
        whole = train(folder / "whole.pt")

        step(
            "what the weights were made from is signed: the hospital checks it against the log"
        )
        check_bill(folder / "whole.bom.json", folder / "whole.pt")

        step("the same again, in a process that is killed in the second training epoch")
        spawn = torch.multiprocessing.get_context("spawn")
        process = spawn.Process(target=train, args=(folder / "half.pt", DIES_AFTER))
        process.start()
        process.join()
        print(f"  killed after {DIES_AFTER} batches: it ended with {process.exitcode}")

        step("another process resumes from its checkpoint")
        resumed = train(folder / "half.pt")
        same_weights(
            "of the resumed run and of the one that never stopped", resumed, whole
        )

        step("the same net learns from the plaintext, in the same order")
        with sealift.open_dataset(
            f"hospital/{DIGITS}", profile="laboratory"
        ) as dataset:
            held_out = dataset.filter(pc.field("held_out"))
            compare_with_plaintext(
                resumed,
                held_out.torch(BATCH),
                dataset,
                batch_size=BATCH,
                seed=SEED,
                epochs=EPOCHS,
            )


def train(checkpoint: Path, dies_after: int = 0) -> Net:
    """Trains, from the checkpoint if there is one; writes a bill of materials next to it."""
    net, totals = Net(), Totals()
    optimiser = optimiser_of(net)
    with sealift.open_dataset(
        f"hospital/{DIGITS}", profile="laboratory", metrics=totals
    ) as dataset:
        training = dataset.filter(~pc.field("held_out"))
        loader = training.torch_loader(BATCH, shuffle=True, seed=SEED)
        parts = {"net": net, "optimiser": optimiser, "loader": loader}
        if checkpoint.exists():
            for name, state in torch.load(checkpoint).items():
                parts[name].load_state_dict(state)
            print(f"  resumes in training epoch {loader.epoch}")

        def save() -> None:
            torch.save(
                {name: part.state_dict() for name, part in parts.items()}, checkpoint
            )
            bill = training.bill_of_materials(checkpoint=checkpoint)
            checkpoint.with_suffix(".bom.json").write_text(bill)

        while loader.epoch < EPOCHS:
            for batch in loader:
                learn(net, optimiser, batch)
                if totals.batches == dies_after:
                    save()
                    os.kill(os.getpid(), signal.SIGKILL)
        save()
    print(f"  {speed(totals)}")
    return net


if __name__ == "__main__":
    main()
