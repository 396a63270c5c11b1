"""Two processes train on sealed digits together; one alone continues from their checkpoint.

Each rank opens the dataset by itself, and `torch_loader` takes rank and world from
torch.distributed: both take as many steps, and together they see each record once in a training
epoch. A loader's state says how far all ranks are, so any number of them can continue from it:
no record is lost, and none is seen twice. Everything lives in a temporary folder.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import torch
import torch.distributed as dist
from commands import step
from digitnet import Net, learn, optimiser_of, same_weights, score
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from trainers import DIGITS, agree, laboratory, order_of, plaintext, speed

import sealift
from sealift.trainer.metrics.metrics import Totals

RANKS, BATCH, SEED = 2, 32, 23
STOPS_AFTER = 11  # of 23 steps of the second training epoch


def main() -> None:
    with laboratory(__doc__, DIGITS) as folder:
        step(
            f"{RANKS} processes train one net, and stop in the middle of the second training epoch"
        )
        torch.multiprocessing.spawn(train_rank, (folder,), nprocs=RANKS)

        step(
            "one process continues from their checkpoint to the end of that training epoch"
        )
        state = torch.load(folder / "checkpoint.pt")
        with sealift.open_dataset(
            f"hospital/{DIGITS}", profile="laboratory"
        ) as dataset:
            training = dataset.filter(~pc.field("held_out"))
            loader = training.torch_loader(RANKS * BATCH, shuffle=True, seed=SEED)
            loader.load_state_dict(state["loader"])
            net, optimiser = restore(state["opened"])
            alone = follow(net, optimiser, loader)
            whole, half = (
                [*one, *two] for one, two in zip(*state["seen"], strict=True)
            )
            print(
                f"  two processes saw {len(half)} records of it, and one the other {len(alone)}"
            )
            everything = training.to_table(["number"])["number"].to_pylist()
            for epoch, seen in enumerate((whole, half + alone)):
                once = "each once" if sorted(seen) == everything else "NOT EACH ONCE"
                print(f"  training epoch {epoch}: {len(seen):,} records, {once}")
                if sorted(seen) != everything:
                    sys.exit("the example failed: records")

            step("the same on the plaintext, in the same order")
            plain, optimiser = restore(state["plain"])
            start = {
                "epoch": state["loader"]["epoch"],
                "start": state["loader"]["position"],
            }
            order = order_of(training, RANKS * BATCH, SEED, **start)
            follow(plain, optimiser, plaintext(order, torch.tensor))
            held_out = dataset.filter(pc.field("held_out"))
            known = plaintext(order_of(held_out, BATCH), torch.tensor)
            agree("accuracy", score(net, held_out.torch(BATCH)), score(plain, known))
            same_weights("of the nets on both sides", net, plain)


def train_rank(rank: int, folder: Path) -> None:
    """The work of each process."""
    rendezvous = f"file://{folder / 'rendezvous'}"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=RANKS)
    totals = Totals()
    with sealift.open_dataset(
        f"hospital/{DIGITS}", profile="laboratory", metrics=totals
    ) as dataset:
        training = dataset.filter(~pc.field("held_out"))
        loader = training.torch_loader(BATCH, shuffle=True, seed=SEED)
        net = DistributedDataParallel(Net())
        optimiser = optimiser_of(net)
        seen = [
            follow(net, optimiser, loader),
            follow(net, optimiser, itertools.islice(loader, STOPS_AFTER)),
        ]
        found: list[Any] = [None] * RANKS
        dist.all_gather_object(found, (seen, totals))

        plain = DistributedDataParallel(Net())
        plain_optimiser = optimiser_of(plain)
        for epoch, steps in enumerate((None, STOPS_AFTER)):
            order = order_of(training, BATCH, SEED, epoch=epoch, rank=rank, world=RANKS)
            batches = plaintext(itertools.islice(order, steps), torch.tensor)
            follow(plain, plain_optimiser, batches)
        if rank == 0:
            for number, (_, of_it) in enumerate(found):
                print(f"  rank {number}: {speed(of_it)}")
            if len({of_it.batches for _, of_it in found}) > 1:
                sys.exit("the example failed: steps")
            state = {
                "opened": (net.module.state_dict(), optimiser.state_dict()),
                "plain": (plain.module.state_dict(), plain_optimiser.state_dict()),
                "loader": loader.state_dict(),
                "seen": [seen for seen, _ in found],
            }
            torch.save(state, folder / "checkpoint.pt")
    dist.destroy_process_group()


def restore(state: tuple[Any, Any]) -> tuple[Net, torch.optim.Optimizer]:
    net = Net()
    optimiser = optimiser_of(net)
    net.load_state_dict(state[0])
    optimiser.load_state_dict(state[1])
    return net, optimiser


def follow(
    net: nn.Module, optimiser: torch.optim.Optimizer, batches: Iterable[dict[str, Any]]
) -> list[int]:
    """Trains on batches; returns the numbers of their records."""
    seen: list[int] = []
    for batch in batches:
        learn(net, optimiser, batch)
        seen += batch["number"].tolist()
    return seen


if __name__ == "__main__":
    main()
