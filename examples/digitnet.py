"""The net that the trainers' examples train on digits, with torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.compute as pc
import torch
from torch import nn
from torch.nn import functional
from trainers import agree, order_of, plaintext

from sealift import Dataset

# The results must not depend on the number of cores.
torch.set_num_threads(1)


class Net(nn.Module):
    """A small convolutional net; a new one has the same weights each time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the ten digits, (rows, 10), for pixels from 0 to 16, (rows, 8, 8)."""
        scores: torch.Tensor = self.layers(images.reshape(-1, 1, 8, 8) / 16)
        return scores


def optimiser_of(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(net.parameters(), 3e-3)


def learn(
    net: nn.Module, optimiser: torch.optim.Optimizer, batch: Mapping[str, Any]
) -> None:
    """One step."""
    loss = functional.cross_entropy(net(batch["image"]), batch["label"])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


@torch.no_grad()
def score(net: nn.Module, batches: Iterable[Mapping[str, Any]]) -> float:
    """The share of records that the net classifies correctly."""
    right = torch.cat(
        [net(batch["image"]).argmax(1) == batch["label"] for batch in batches]
    )
    return float(right.float().mean())


def same_weights(whose: str, one: nn.Module, other: nn.Module) -> None:
    """Reports whether two nets are the same to the last bit.

    Raises:
        SystemExit: they are not.
    """
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    print(f"  weights {whose}: {'equal' if same else 'NOT EQUAL'}")
    if not same:
        sys.exit(f"the example failed: weights {whose}")


def compare_with_plaintext(
    net: nn.Module,
    opened: Iterable[Mapping[str, Any]],
    dataset: Dataset,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
) -> None:
    """Trains a net on the plaintext in the order of the sealed records, and compares the two.

    Args:
        net: trained on the records that are not held out.
        opened: batches of the held-out records.
        dataset: defines which records are held out, and the order.
        batch_size, seed, epochs: as the net was trained.

    Raises:
        SystemExit: accuracy or weights differ.
    """
    plain = Net()
    optimiser = optimiser_of(plain)
    training = dataset.filter(~pc.field("held_out"))
    for epoch in range(epochs):
        order = order_of(training, batch_size, seed, epoch=epoch)
        for batch in plaintext(order, torch.tensor):
            learn(plain, optimiser, batch)
    held_out = dataset.filter(pc.field("held_out"))
    known = plaintext(order_of(held_out, batch_size), torch.tensor)
    agree("accuracy", score(net, opened), score(plain, known))
    same_weights("of the nets on both sides", net, plain)
