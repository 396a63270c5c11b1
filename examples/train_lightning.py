"""Lightning trains on sealed PNG files, and resumes from a checkpoint inside a training epoch.

The loader goes to `Trainer.fit` as it is. It has `state_dict` and `load_state_dict`: Lightning
keeps its state in every checkpoint: a `fit` with `ckpt_path` sees the remaining records.
The files are decoded by a transform of the loader. Everything lives in a temporary folder.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning
import pyarrow.compute as pc
import torch
from commands import step
from digitnet import Net, compare_with_plaintext, optimiser_of, same_weights
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional
from trainers import SCANS, laboratory, speed

import sealift
from sealift.trainer.decode.images import decode_images
from sealift.trainer.metrics.metrics import Totals

EPOCHS, BATCH, SEED = 3, 64, 5
KEPT = 34  # batches after which a checkpoint is kept; a training epoch has 23


class Digits(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()
        self.seen: list[list[int]] = []

    def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
        self.seen.append(batch["number"].tolist())
        return functional.cross_entropy(self.net(batch["image"]), batch["label"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimiser_of(self.net)


def main() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    with laboratory(__doc__, SCANS) as folder:
        step(
            f"Lightning trains for {EPOCHS} training epochs; a checkpoint is kept on the way"
        )
        keep = ModelCheckpoint(
            folder, "{step}", every_n_train_steps=KEPT, save_top_k=-1
        )
        whole = fit(callbacks=[keep])

        checkpoint = folder / f"step={KEPT}.ckpt"
        step(
            f"another Trainer resumes from {checkpoint.name}, in the second training epoch"
        )
        resumed = fit(checkpoint)
        left = resumed.seen == whole.seen[KEPT:]
        print(f"  it saw the remaining records, in the same order: {left}")
        same_weights(
            "of the resumed run and of the one that never stopped", resumed, whole
        )
        if not left:
            sys.exit("the example failed: records")

        step("the same net learns from the plaintext, in the same order")
        with sealift.open_dataset(f"hospital/{SCANS}", profile="laboratory") as dataset:
            held_out = dataset.filter(pc.field("held_out"))
            opened = map(decode_images("image", mode="L"), held_out.torch(BATCH))
            compare_with_plaintext(
                resumed.net, opened, dataset, batch_size=BATCH, seed=SEED, epochs=EPOCHS
            )


def fit(checkpoint: Path | None = None, **options: Any) -> Digits:
    """Trains, from a checkpoint if there is one."""
    model, totals = Digits(), Totals()
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing="callbacks" in options, **options,
    )  # fmt: skip
    with sealift.open_dataset(
        f"hospital/{SCANS}", profile="laboratory", metrics=totals
    ) as dataset:
        loader = dataset.filter(~pc.field("held_out")).torch_loader(
            BATCH, shuffle=True, seed=SEED, transform=decode_images("image", mode="L")
        )
        trainer.fit(model, loader, ckpt_path=checkpoint, weights_only=True)
    print(f"  {speed(totals)}")
    return model


if __name__ == "__main__":
    main()
