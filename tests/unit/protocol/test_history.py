"""The verifier of histories: every rule of docs/spec/objects.md section 5, and any sequence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.crypto.signing import Identity
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    ContextMismatch,
    DatasetDeleted,
    HistoryInvalid,
    KeyEpochMoved,
    VerificationError,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.objects.commits import (
    Commit,
    CoOwners,
    Genesis,
    GrantEntry,
    ShardEntry,
    Snapshot,
    SnapshotPage,
)

OWNER, CO_OWNER, TRAINER, SUCCESSOR = (
    Identity.of_seed(Secret(bytes([n]) * 32)).fingerprint for n in range(4)
)
DATASET, SALT = b"d" * 16, b"s" * 16
GENESIS = Genesis(SALT, OWNER, ())


def shard(name: int, key_epoch: int = 1) -> ShardEntry:
    return ShardEntry(bytes([name]) * 16, key_epoch, 100, bytes(32))


def grant(name: int, recipient=TRAINER, key_epoch: int = 1) -> GrantEntry:
    return GrantEntry(bytes([name]) * 32, recipient, key_epoch, 0, 0)


def commit(number: int, signer=OWNER, **fields: object) -> Commit:
    made = Commit(
        dataset_id=DATASET,
        number=number,
        parent=bytes([number - 1]) * 32 if number else b"",
        time=0,
        key_epoch=1,
        added=(),
        removed=(),
        metadata=b"",
        genesis=None if number else GENESIS,
        granted=(),
        revoked=(),
        co_owners=None,
        snapshot=None,
        erasure=False,
        deletion=False,
        signer=signer,
        digest=bytes([number]) * 32,
    )
    return replace(made, **fields)


def history(*commits: Commit, trusted=OWNER) -> History:
    made = History(DATASET, trusted)
    for item in commits:
        made.append(item)
    return made


FIRST = commit(0, added=(shard(1), shard(2)), granted=(grant(1),))


def test_an_empty_history_says_so() -> None:
    empty = history()
    for name in ("head", "genesis", "owner"):
        with pytest.raises(HistoryInvalid):
            getattr(empty, name)
    assert not empty.deleted
    assert not empty.is_author(OWNER)


def test_the_state_follows_the_commits() -> None:
    made = history(
        FIRST,
        commit(1, co_owners=CoOwners((CO_OWNER,), None)),
        commit(2, signer=CO_OWNER, added=(shard(3),), granted=(grant(2, CO_OWNER),)),
        commit(3, removed=(shard(1).shard_id,), revoked=(TRAINER,), key_epoch=2),
        commit(4, key_epoch=2, added=(shard(4, 2),)),
    )
    assert list(made.shards) == [shard(n).shard_id for n in (2, 3, 4)]
    assert (made.key_epoch, made.owner, made.genesis) == (2, OWNER, GENESIS)
    assert made.grants_of(TRAINER) == []
    assert made.recipients() == [CO_OWNER]
    assert made.grantors == {grant(1).digest: OWNER, grant(2).digest: CO_OWNER}


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (commit(1, dataset_id=b"?" * 16), ContextMismatch),
        (commit(2), HistoryInvalid),
        (commit(0), HistoryInvalid),
        (commit(1, parent=b"?" * 32), HistoryInvalid),
        (commit(1, signer=TRAINER), WrongSigner),
        (commit(1, signer=CO_OWNER), WrongSigner),
        (commit(1, key_epoch=3), KeyEpochMoved),
        (commit(1, key_epoch=0), KeyEpochMoved),
        (commit(1, added=(shard(3, 2),)), KeyEpochMoved),
        (commit(1, key_epoch=2, added=(shard(3),)), KeyEpochMoved),
        (commit(1, added=(shard(1),)), HistoryInvalid),
        (commit(1, added=(shard(3), shard(3))), HistoryInvalid),
        (commit(1, removed=(shard(3).shard_id,)), HistoryInvalid),
        (commit(1, removed=(shard(1).shard_id,) * 2), HistoryInvalid),
        (commit(1, co_owners=CoOwners((), SUCCESSOR)), WrongSigner),
        (commit(1, revoked=(OWNER,)), WrongSigner),
        (commit(1, snapshot=Snapshot(GENESIS, OWNER, (), (), ())), HistoryInvalid),
        (
            commit(1, snapshot=Snapshot(GENESIS, CO_OWNER, (), (), (grant(1),))),
            HistoryInvalid,
        ),
        (
            commit(1, snapshot=Snapshot(GENESIS, OWNER, (CO_OWNER,), (), (grant(1),))),
            HistoryInvalid,
        ),
    ],
)
def test_a_commit_that_breaks_a_rule_is_refused_and_changes_nothing(
    bad: Commit, error: type[VerificationError]
) -> None:
    made, untouched = history(FIRST), history(FIRST)
    with pytest.raises(error) as caught:
        made.append(bad)
    assert type(caught.value) is error
    assert vars(made) == vars(untouched)


@pytest.mark.parametrize(
    "fields",
    [
        {"deletion": True},
        {"co_owners": CoOwners((), None)},
        {"co_owners": CoOwners((), CO_OWNER)},
        {"revoked": (OWNER,)},
        {"snapshot": Snapshot(GENESIS, OWNER, (CO_OWNER,), (), (grant(1),))},
    ],
)
def test_a08_what_only_the_owner_may_is_refused_to_a_co_owner(
    fields: dict[str, object],
) -> None:
    made = history(FIRST, commit(1, co_owners=CoOwners((CO_OWNER,), None)))
    with pytest.raises(WrongSigner):
        made.append(commit(2, signer=CO_OWNER, **fields))


def test_a08_a_removed_co_owner_may_write_no_more() -> None:
    made = history(
        FIRST,
        commit(1, co_owners=CoOwners((CO_OWNER,), None)),
        commit(2, signer=CO_OWNER),
        commit(3, co_owners=CoOwners((), None)),
    )
    with pytest.raises(WrongSigner):
        made.append(commit(4, signer=CO_OWNER))


def test_commit_0_of_somebody_else_is_refused() -> None:
    with pytest.raises(WrongSigner):
        history(FIRST, trusted=TRAINER)


def test_nothing_follows_a_deletion() -> None:
    made = history(FIRST, commit(1, deletion=True))
    assert made.deleted
    with pytest.raises(DatasetDeleted):
        made.append(commit(2))


def test_a_successor_that_is_trusted_takes_over() -> None:
    handed = commit(1, co_owners=CoOwners((), SUCCESSOR))
    made = history(
        FIRST, handed, commit(2, signer=SUCCESSOR), trusted={OWNER, SUCCESSOR}
    )
    assert made.owner == SUCCESSOR
    with pytest.raises(WrongSigner):
        made.append(commit(3, signer=OWNER))


PAGE = SnapshotPage((shard(1), shard(2)), 1, b"")
SNAPSHOT = Snapshot(GENESIS, OWNER, (CO_OWNER,), (bytes(32),), (grant(1),))


def test_a_history_may_begin_with_a_snapshot() -> None:
    made = History(DATASET, OWNER)
    made.begin(commit(64, snapshot=SNAPSHOT), [PAGE])
    made.append(commit(65, signer=CO_OWNER, removed=(shard(1).shard_id,)))
    assert list(made.shards) == [shard(2).shard_id]
    assert (made.last_snapshot, made.head.number) == (64, 65)
    assert made.grants == {grant(1).digest: grant(1)}


@pytest.mark.parametrize(
    ("begun", "pages", "error"),
    [
        (commit(64), [PAGE], HistoryInvalid),
        (commit(64, snapshot=SNAPSHOT, dataset_id=b"?" * 16), [PAGE], ContextMismatch),
        (commit(64, snapshot=SNAPSHOT, signer=CO_OWNER), [PAGE], WrongSigner),
        (commit(64, snapshot=replace(SNAPSHOT, owner=CO_OWNER)), [PAGE], WrongSigner),
        (
            commit(64, snapshot=replace(SNAPSHOT, genesis=Genesis(SALT, TRAINER, ()))),
            [PAGE],
            WrongSigner,
        ),
        (commit(64, snapshot=SNAPSHOT), [PAGE, PAGE], HistoryInvalid),
    ],
)
def test_a_snapshot_that_breaks_a_rule_is_refused(
    begun: Commit, pages: list[SnapshotPage], error: type[VerificationError]
) -> None:
    with pytest.raises(error) as caught:
        History(DATASET, OWNER).begin(begun, pages)
    assert type(caught.value) is error


def test_a_snapshot_names_the_owner_who_signs_it() -> None:
    old = replace(SNAPSHOT, owner=OWNER)
    with pytest.raises(WrongSigner, match="that it names"):
        History(DATASET, {OWNER, SUCCESSOR}).begin(
            commit(64, snapshot=old, signer=SUCCESSOR), [PAGE]
        )
    begun = History(DATASET, OWNER)
    begun.append(FIRST)
    with pytest.raises(HistoryInvalid):
        begun.begin(commit(64, snapshot=SNAPSHOT), [PAGE])


@given(st.data())
def test_whatever_is_accepted_keeps_the_state_sound(data: st.DataObject) -> None:
    """Random commits: refused by name, or the state stays what a plain model says it is."""
    made = history(FIRST)
    live = [shard(1).shard_id, shard(2).shard_id]
    people = st.sampled_from([OWNER, CO_OWNER, TRAINER])
    for _ in range(data.draw(st.integers(1, 8))):
        number = len(made.commits)
        added = data.draw(st.lists(st.integers(1, 9), max_size=2))
        removed = data.draw(
            st.lists(st.sampled_from([bytes([n]) * 16 for n in range(1, 9)]))
        )
        epoch = data.draw(st.sampled_from([made.key_epoch, made.key_epoch + 1]))
        co_owners = data.draw(st.none() | st.just(CoOwners((CO_OWNER,), None)))
        candidate = commit(
            number,
            signer=data.draw(people),
            added=tuple(shard(n, epoch) for n in added),
            removed=tuple(removed),
            key_epoch=epoch,
            co_owners=co_owners,
        )
        before = (list(made.shards), made.key_epoch, made.co_owners, len(made.commits))
        try:
            made.append(candidate)
        except VerificationError:
            after = (
                list(made.shards),
                made.key_epoch,
                made.co_owners,
                len(made.commits),
            )
            assert before == after
        else:
            live = [i for i in live if i not in removed] + [
                shard(n).shard_id for n in added
            ]
        assert list(made.shards) == live
