"""Trees, proofs, entries and notes: against vectors, and against anything else."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import DOCS, VECTORS

from sealift_protocol.errors import (
    InvalidArgument,
    LogInvalid,
    UnsupportedVersion,
    VerificationError,
)
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    complete_subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from sealift_protocol.notes import (
    KeyKind,
    SignedNote,
    VerifierKey,
    cosign_note,
    cosigned_at,
    log_verifier_key,
    parse_checkpoint,
    parse_note,
    parse_signature_line,
    signature_line,
    verify_checkpoint,
)

LOGS = VECTORS / "log"
TREE = json.loads((LOGS / "tree.json").read_text())
ENTRIES = json.loads((LOGS / "entries.json").read_text())
CHECKPOINT = json.loads((LOGS / "checkpoint.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in TREE["leaves"]]
ROOTS = [bytes.fromhex(root) for root in TREE["roots"]]
# What implementations of Certificate Transparency publish for these leaves.
PUBLISHED_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def reader(hashes: list[bytes]):
    """Complete subtrees out of leaf hashes."""

    def read(level: int, index: int) -> bytes:
        width = 1 << level
        return complete_subtree(hashes[index * width : (index + 1) * width])

    return read


HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def unhex(items: list[str]) -> list[bytes]:
    return [bytes.fromhex(item) for item in items]


# --- trees ---------------------------------------------------------------------------------------


def test_roots_are_those_that_other_implementations_publish() -> None:
    assert TREE["roots"][-1] == PUBLISHED_ROOT
    for size, root in enumerate(ROOTS):
        assert tree_root(HASHES[:size]) == root
        assert range_hash(reader(HASHES), 0, size) == root
    assert ROOTS[0] == EMPTY_ROOT


def test_proofs_are_those_of_the_vectors() -> None:
    for case in TREE["inclusion"]:
        made = inclusion_proof(reader(HASHES), case["index"], case["size"])
        assert made == unhex(case["proof"])
        verify_inclusion(
            LEAVES[case["index"]],
            case["index"],
            case["size"],
            made,
            ROOTS[case["size"]],
        )
    for case in TREE["consistency"]:
        old, size = case["old_size"], case["size"]
        made = consistency_proof(reader(HASHES), old, size)
        assert made == unhex(case["proof"])
        verify_consistency(old, ROOTS[old], size, ROOTS[size], made)


def test_every_changed_proof_is_refused() -> None:
    for case in TREE["inclusion"]:
        index, size, proof = case["index"], case["size"], unhex(case["proof"])
        root, leaf = ROOTS[size], LEAVES[index]
        wrong = [
            (leaf + b"x", index, size, proof, root),
            (leaf, index, size, proof, bytes(32)),
            (leaf, index, size, [*proof, bytes(32)], root),
            (leaf, size, size, proof, root),
            (leaf, -1, size, proof, root),
            (leaf, index ^ 1, size, proof, root),
            *[
                (leaf, index, size, proof[:i] + proof[i + 1 :], root)
                for i in range(len(proof))
            ],
            *[
                (leaf, index, size, [*proof[:i], bytes(32), *proof[i + 1 :]], root)
                for i in range(len(proof))
            ],
        ]
        for case_ in wrong:
            if case_[1] == index ^ 1 and size == 1:
                continue
            with pytest.raises(LogInvalid):
                verify_inclusion(*case_)
    for case in TREE["consistency"]:
        old, size, proof = case["old_size"], case["size"], unhex(case["proof"])
        wrong = [
            (old, bytes(32), size, ROOTS[size], proof),
            (old, ROOTS[old], size, bytes(32), proof),
            (old, ROOTS[old], size, ROOTS[size], [*proof, bytes(32)]),
            (size + 1, ROOTS[old], size, ROOTS[size], proof),
            *[
                (old, ROOTS[old], size, ROOTS[size], proof[:i] + proof[i + 1 :])
                for i in range(len(proof))
            ],
        ]
        for case_ in wrong:
            with pytest.raises(LogInvalid):
                verify_consistency(*case_)


@given(st.integers(1, 700), st.data())
def test_proofs_of_any_tree_verify(size: int, data: st.DataObject) -> None:
    leaves = [i.to_bytes(4, "big") for i in range(size)]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    root = tree_root(hashes)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(reader(hashes), index, size)
    verify_inclusion(leaves[index], index, size, proof, root)
    old = data.draw(st.integers(0, size))
    verify_consistency(
        old,
        tree_root(hashes[:old]),
        size,
        root,
        consistency_proof(reader(hashes), old, size),
    )
    other = (
        data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
        if size > 1
        else None
    )
    if other is not None:
        with pytest.raises(LogInvalid):
            verify_inclusion(leaves[other], index, size, proof, root)


@given(
    st.integers(0, 1 << 60),
    st.integers(0, 1 << 60),
    st.lists(st.binary(min_size=32, max_size=32)),
)
def test_any_proof_is_refused_in_bounded_time(
    old: int, size: int, proof: list[bytes]
) -> None:
    with pytest.raises(LogInvalid):
        verify_inclusion(b"leaf", old, size, proof, bytes(32))
    if old not in (0, size):
        with pytest.raises(LogInvalid):
            verify_consistency(old, bytes(32), size, b"x" * 32, proof)


def test_a_tile_is_as_wide_as_the_format_says() -> None:
    assert TILE_WIDTH == 256


# --- entries -------------------------------------------------------------------------------------


def test_entries_are_those_of_the_vectors() -> None:
    assert len(ENTRIES["good"]) == len(Kind)
    for case in ENTRIES["good"]:
        packed = bytes.fromhex(case["entry"])
        entry = LogEntry.unpack(packed)
        assert entry.pack() == packed
        assert leaf_hash(packed).hex() == case["leaf_hash"]
        assert entry.kind.name.lower().replace("_", "-") == case["kind"]
        assert (entry.kind, entry.time, entry.sequence) == (
            case["number"],
            case["time"],
            case["sequence"],
        )
        assert entry.dataset_id.hex() == case["dataset_id"]
        assert entry.digest.hex() == case["digest"]
        assert case["kind"].replace("_", "-") in entry.kind.payload_type


@pytest.mark.parametrize("case", ENTRIES["bad"], ids=lambda case: case["comment"])
def test_a_bad_entry_is_refused(case: dict[str, str]) -> None:
    expected = {"UNSUPPORTED_VERSION": UnsupportedVersion, "LOG_INVALID": LogInvalid}
    with pytest.raises(expected[case["expect"]]):
        LogEntry.unpack(bytes.fromhex(case["entry"]))


@given(st.binary(max_size=80) | st.binary(min_size=66, max_size=66))
def test_any_bytes_are_an_entry_or_a_named_error(content: bytes) -> None:
    with suppress(VerificationError):
        assert LogEntry.unpack(content).pack() == content


# --- notes ---------------------------------------------------------------------------------------


def test_the_note_of_the_go_documentation_verifies() -> None:
    """The example of golang.org/x/mod/sumdb/note, which the C2SP format comes from."""
    key = VerifierKey.parse(
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    line = (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
        "pRZb6KE6RyyBwJnAM=\n"
    )
    note = parse_note((text + "\n" + line).encode())
    assert note.text == text
    assert bytes(note) == (text + "\n" + line).encode()
    name, key_hash, signature = note.signatures[0]
    assert (name, key_hash) == (key.name, key.key_hash)
    nacl.signing.VerifyKey(key.public_key).verify(text.encode(), signature)
    assert str(VerifierKey.parse(str(key))) == str(key)
    with pytest.raises(LogInvalid, match="cannot be parsed"):
        verify_checkpoint(note, key)


def test_the_checkpoint_of_the_vectors_verifies() -> None:
    key = VerifierKey.parse(CHECKPOINT["log_key"])
    seed = bytes.fromhex(CHECKPOINT["log_seed"])
    assert log_verifier_key(bytes(nacl.signing.SigningKey(seed).verify_key)) == key
    for content in (CHECKPOINT["note"], CHECKPOINT["cosigned"]):
        note = parse_note(content.encode())
        checkpoint = verify_checkpoint(note, key)
        assert (checkpoint.size, checkpoint.root.hex()) == (
            CHECKPOINT["size"],
            CHECKPOINT["root"],
        )
        assert str(checkpoint) == note.text
        assert bytes(note) == content.encode()


def test_the_cosignature_of_the_vectors_verifies() -> None:
    witness = VerifierKey.parse(CHECKPOINT["witness_key"])
    cosigned = parse_note(CHECKPOINT["cosigned"].encode())
    assert cosigned_at(cosigned, witness) == CHECKPOINT["cosigned_at"]
    signing = nacl.signing.SigningKey(bytes.fromhex(CHECKPOINT["witness_seed"]))
    line = cosign_note(
        cosigned.text,
        witness,
        lambda m: signing.sign(m).signature,
        CHECKPOINT["cosigned_at"],
    )
    plain = parse_note(CHECKPOINT["note"].encode())
    assert cosigned_at(plain, witness) is None
    assert bytes(plain.add([line])).decode() == CHECKPOINT["cosigned"]
    # A key signs once.
    assert plain.add([line]).add([line]) == plain.add([line])
    assert parse_signature_line(signature_line(line).rstrip("\n")) == line


@pytest.mark.parametrize("case", CHECKPOINT["bad"], ids=lambda case: case["comment"])
def test_a_bad_checkpoint_is_refused(case: dict[str, str]) -> None:
    key = VerifierKey.parse(CHECKPOINT["log_key"])
    with pytest.raises(LogInvalid):
        verify_checkpoint(parse_note(case["note"].encode()), key)


def test_every_flipped_bit_of_a_checkpoint_is_refused() -> None:
    key = VerifierKey.parse(CHECKPOINT["log_key"])
    witness = VerifierKey.parse(CHECKPOINT["witness_key"])
    note, cosigned = CHECKPOINT["note"].encode(), CHECKPOINT["cosigned"].encode()
    for place in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[place] ^= 1 << bit
            with pytest.raises(LogInvalid):
                verify_checkpoint(parse_note(bytes(changed)), key)
    for place in range(len(note), len(cosigned)):
        changed = bytearray(cosigned)
        changed[place] ^= 1
        try:
            assert cosigned_at(parse_note(bytes(changed)), witness) is None
        except LogInvalid:
            continue


def test_a_signature_of_another_size_counts_for_nothing() -> None:
    key = VerifierKey.parse(CHECKPOINT["log_key"])
    witness = VerifierKey.parse(CHECKPOINT["witness_key"])
    note = parse_note(CHECKPOINT["note"].encode())
    short = SignedNote(note.text, ((key.name, key.key_hash, b"short"),))
    with pytest.raises(LogInvalid, match="not signed"):
        verify_checkpoint(short, key)
    assert (
        cosigned_at(short.add([(witness.name, witness.key_hash, bytes(8))]), witness)
        is None
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        "name+00000000+AAAA",
        CHECKPOINT["log_key"][:-4],
        CHECKPOINT["log_key"].replace("+", " ", 1),
        CHECKPOINT["log_key"].replace("sealift", "seal1ft"),
        "na me+" + CHECKPOINT["log_key"].split("+", 1)[1],
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        VerifierKey.parse(text)


def test_a_verifier_key_of_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        VerifierKey("name", KeyKind.ED25519, b"short")
    with pytest.raises(InvalidArgument):
        VerifierKey.parse("name+00000000+CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")


def test_notes_beyond_any_honest_size_are_refused() -> None:
    note = CHECKPOINT["note"].encode()
    for content in (
        b"x" * (1 << 17),
        note + note.rpartition(b"\n\n")[2] * 64,
        b"\xff\xfe",
        note.rstrip(b"\n"),
    ):
        with pytest.raises(LogInvalid):
            parse_note(content)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_note_or_a_named_error(content: bytes) -> None:
    with suppress(LogInvalid):
        parse_checkpoint(parse_note(content).text)


def test_the_vectors_are_what_their_scripts_write(vector_script) -> None:
    for name, count in (("make_log_vectors", 3), ("make_object_vectors", 2)):
        made = vector_script(name).render()
        folder = LOGS.parent / name.split("_")[1].replace("object", "objects")
        assert {path.name: path.read_text() for path in folder.glob("*.json")} == made
        assert len(made) == count


def test_the_specification_of_the_log_names_every_kind() -> None:
    spec = (DOCS / "spec/log.md").read_text()
    for kind in Kind:
        assert f"| {kind.value} | {kind.name.lower().replace('_', '-')} |" in spec
    assert hashlib.sha256(b"").hexdigest() in spec
