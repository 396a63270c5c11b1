"""The last look: which leaves identify a person, and what becomes of texts that repeat them.

Source: docs/spec/policy.md, "The last look".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.formats.arrowtypes import is_bytes, is_text
from sealift.owner.deidentify.identifiers import identifiers_of, without_nobody
from sealift.owner.deidentify.known import Hashes, KnownStore
from sealift.owner.deidentify.leaves import Leaf, Rows, change_leaves, values_of
from sealift.owner.deidentify.matching import find_known
from sealift.owner.deidentify.naming import ANY_RESOURCE, Named, key_of
from sealift.owner.deidentify.rules import Columns, Match, at_places
from sealift.owner.deidentify.spans import Found, agree
from sealift.owner.deidentify.spellings import Value, forms_of
from sealift.owner.deidentify.texts import as_bytes, has_text
from sealift.policy.file import KnownRules, Policy
from sealift_protocol.errors import PolicyViolation

_ACTIONS = frozenset(("drop", "hash", "mask", "tokenise"))
# What is in these columns tells nobody in a text: ages, and bytes of pictures.
_NO_TEXT = frozenset(("", "age", "photo", "biometric"))
_NAMES = ("name", "family", "given", "alias")
# Forms of codes that a name may have.
_OPEN_CODES = frozenset(("DICOM CS",))
_MOST_SEEN = 1 << 20


Look = dict[Leaf, Found]
"""What was found in the values of each leaf that is searched."""


@dataclass(frozen=True, slots=True)
class LookCounts:
    """What the last look did.

    Attributes:
        searched: records with texts that were searched.
        unknown: of these, those of whose person nothing was known.
        early: of these, those that were sent before everything was read.
        removed: identifiers that only the last look removed from texts.
    """

    searched: int = 0
    unknown: int = 0
    early: int = 0
    removed: int = 0

    def plus(self, other: LookCounts) -> LookCounts:
        """Return the sum of both."""
        return LookCounts(
            self.searched + other.searched,
            self.unknown + other.unknown,
            self.early + other.early,
            self.removed + other.removed,
        )

    def told(self) -> str:
        """Return, for people, of how many records nothing was known."""
        early = (
            f", {self.early:,} of them sent before all was read" if self.early else ""
        )
        return (
            f"{self.unknown:,} of {self.searched:,} records with texts: no identifier of their "
            f"patient was known to look for{early}"
        )

    def check(self, max_unknown: float) -> None:
        """Check that not too many texts were sent before anything was known of their person.

        Raises:
            PolicyViolation: they were more than the policy allows.
        """
        if self.early > max_unknown * self.searched:
            raise PolicyViolation(
                f"of {self.early} of {self.searched} records with texts nothing was known when "
                "they had to be sent: the records are read only once, and are too many to wait",
                hint="push files instead of a stream, put people before their texts, or set "
                "`max_unknown` in [known] of the policy; nothing of this was committed",
            )


class LastLook:
    """What one policy looks for in records of one schema.

    Attributes:
        searched: the leaves whose texts are searched.
    """

    def __init__(
        self,
        policy: Policy,
        rules: KnownRules,
        columns: Columns,
        matches: Sequence[Match],
        store: KnownStore,
    ) -> None:
        """Choose the leaves.

        Args:
            policy: the policy.
            rules: its last look.
            columns: the leaves of the schema, under their names.
            matches: the rule of each leaf.
            store: holds what is known.
        """
        self._trees = columns.trees
        self._store = store
        named = list(zip(columns.named, matches, strict=True))
        by = {key_of(name, policy.format) for name in rules.by}
        self._keys = [
            match.leaf
            for names, match in named
            if not match.leaf.in_list and _can_name(match.leaf) and by & _names(names)
        ]
        self._telling = {
            match.leaf: is_name
            for names, match in named
            if _action(match, policy) in _ACTIONS and _can_name(match.leaf)
            for tells, is_name in [_tells(names, rules)]
            if tells
        }
        self.searched = frozenset(m.leaf for m in matches if _is_searched(m, policy))
        self._counts = LookCounts()
        self._seen: set[int] = set()

    @property
    def is_of_people(self) -> bool:
        """Whether records of one person tell more of each other's texts."""
        return bool(self.searched and self._keys)

    def collect(self, batch: pa.RecordBatch) -> None:
        """Remember what records tell of the people that they name.

        Raises:
            PolicyViolation: texts are not UTF-8, or too much would be remembered.
        """
        if self._keys and self._telling:
            people = [self._people_of(leaf, batch) for leaf in self._keys]
            self._add(self._store, batch, people)

    def look(self, batch: pa.RecordBatch, *, early: bool) -> Look:
        """Return, for each leaf that is searched, what was found in its values.

        Args:
            batch: records.
            early: whether they are sent before everything was read.
        """
        base = np.frombuffer(np.random.default_rng().bytes(8), np.uint64)[0]
        own = base + np.arange(batch.num_rows, dtype=np.uint64)
        keyed = [self._people_of(leaf, batch) for leaf in self._keys]
        alone = ~np.any([there for _, there in keyed], axis=0) if keyed else None
        people = [np.where(there, hashes, own) for hashes, there in keyed] or [own]
        found: Look = {}
        with_text = np.zeros(batch.num_rows, bool)
        with KnownStore(self._store.key) as of_record:
            if alone is None or alone.any():
                mask = np.ones(batch.num_rows, bool) if alone is None else alone
                self._add(of_record, batch, [(own, mask)], remember=False)
            for leaf, values, rows in self._gather(batch, self.searched):
                texts = _strings(values)
                with_text[rows[[n for n, text in enumerate(texts) if text]]] = True
                of_people = [some[rows] for some in people]
                hits = find_known(self._store, texts, of_people)
                for n, spans in find_known(of_record, texts, [own[rows]]).items():
                    hits[n] = agree([*hits.get(n, []), *spans])
                found[leaf] = hits
            known = of_record.knows(own)
            for some in people:
                known |= self._store.knows(some)
        unknown = int((with_text & ~known).sum())
        counts = LookCounts(int(with_text.sum()), unknown, unknown if early else 0)
        self._counts = self._counts.plus(counts)
        return found

    @staticmethod
    def refuse_kept(leaf: Leaf, found: Found) -> None:
        """Refuse texts that are kept and hold identifiers.

        Raises:
            PolicyViolation: there is one.
        """
        if found:
            count = sum(map(len, found.values()))
            raise PolicyViolation(
                f"{len(found)} of the next values of {at_places([leaf.place])} of the records, "
                f"which is kept, hold identifiers of their own patient ({count} in all)",
                columns=(leaf.name,),
                hint='choose "scrub" or "drop" for the column, or correct the values; [known] of '
                "the policy looks for what its other rules remove",
            )

    def take_counts(self, removed: int) -> LookCounts:
        """Return what was counted since the last call, with what was removed from texts."""
        counts, self._counts = self._counts, LookCounts()
        return counts.plus(LookCounts(removed=removed))

    def _people_of(
        self, leaf: Leaf, batch: pa.RecordBatch
    ) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        """Return the person of each record, and whether there is one."""
        try:
            texts = identifiers_of(values_of(leaf, batch.column(leaf.place)))
            encoded = texts.dictionary_encode()
            hashed = self._store.people([t or "" for t in _strings(encoded.dictionary)])
        except (pa.ArrowException, UnicodeError):
            raise _not_text(leaf) from None
        there = np.asarray(encoded.is_valid())
        places = np.asarray(encoded.indices.fill_null(0))
        if not len(hashed):
            hashed = np.zeros(1, np.uint64)
        return hashed[places], there

    def _add(
        self,
        store: KnownStore,
        batch: pa.RecordBatch,
        people: Sequence[tuple[Hashes, npt.NDArray[np.bool_]]],
        *,
        remember: bool = True,
    ) -> None:
        """Hold what each record tells of its people; what was held before is not done again."""
        leaves = list(self._telling)
        told: list[_Told] = []
        # By record, the sum of the hashes of what it tells: equal records are one.
        sums = np.zeros(batch.num_rows, np.uint64)
        tells = np.zeros(batch.num_rows, bool)
        for leaf, array, rows in self._gather(batch, self._telling):
            one = _told(leaves.index(leaf), array, rows)
            told.append(one)
            hashed = store.hash([f"{one.number}\0{text}" for text in one.texts])
            np.add.at(sums, one.rows, hashed[one.places])
            tells[one.rows] = True
        chosen: list[tuple[int, int]] = []
        for hashes, there in people:
            rows = np.flatnonzero(there & tells)
            marks, first = np.unique(sums[rows] + hashes[rows], return_index=True)
            for mark, row in zip(marks.tolist(), rows[first].tolist(), strict=True):
                if not remember or mark not in self._seen:
                    chosen.append((row, int(hashes[row])))
            if remember:
                self._seen.update(marks.tolist())
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        values: dict[int, list[tuple[int, str]]] = {row: [] for row, _ in chosen}
        for one in told:
            some = np.flatnonzero(np.isin(one.rows, list(values)))
            for row, place in zip(
                one.rows[some].tolist(), one.places[some].tolist(), strict=True
            ):
                values[row].append((one.number, one.texts[place]))
        keys = {leaves.index(leaf) for leaf in self._keys if leaf in self._telling}
        names = [self._telling[leaf] for leaf in leaves]
        forms = {
            row: forms_of([Value(text, names[n]) for n, text in found])
            for row, found in values.items()
        }
        store.add(
            np.array([person for _, person in chosen], np.uint64),
            [forms[row] for row, _ in chosen],
            tells=[any(n not in keys for n, _ in values[row]) for row, _ in chosen],
        )

    def _gather(
        self, batch: pa.RecordBatch, wanted: Collection[Leaf]
    ) -> list[tuple[Leaf, pa.Array, npt.NDArray[np.int64]]]:
        """Return the values of some leaves, each with the record of every value."""
        found: list[tuple[Leaf, pa.Array, npt.NDArray[np.int64]]] = []

        def take(leaf: Leaf, values: pa.Array, rows: Rows) -> None:
            if leaf in wanted:
                places = (
                    np.arange(len(values))
                    if rows is None
                    else np.asarray(rows, np.int64)
                )
                found.append((leaf, values, places))

        for place, tree in enumerate(self._trees):
            if any(leaf in wanted for leaf in tree.leaves()):
                change_leaves(tree, batch.column(place), take)
        return found


def _action(match: Match, policy: Policy) -> str:
    return match.rule.action if match.rule is not None else policy.unlisted


def _is_searched(match: Match, policy: Policy) -> bool:
    """Return whether a leaf is left as text that anything may stand in."""
    if not is_text(match.leaf.kind):
        return False
    action, guard = _action(match, policy), match.rule.guard if match.rule else None
    if action == "scrub":
        return True
    if action != "keep":
        return False
    return guard is None or (
        guard.by == "code" and bool(_OPEN_CODES.intersection(guard.allowed))
    )


def _can_name(leaf: Leaf) -> bool:
    kind = leaf.kind
    return has_text(kind) and not (
        is_bytes(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _names(named: Named) -> set[str]:
    """Return the names of a leaf by which a setting may name it."""
    any_resource = f"{ANY_RESOURCE}.{named.path.partition('.')[2]}"
    return {named.key, *((named.path, any_resource) if named.path else ())}


def _tells(named: Named, rules: KnownRules) -> tuple[bool, bool]:
    """Return whether the values of a leaf identify a person, and whether they are names."""
    kind = next((kind for kind in named.identifiers if kind), "")
    listed = any(
        named.fits(rule)
        or {key_of(p, named.form) for p in rule.patterns} & _names(named)
        for rule in rules.columns
    )
    words = named.words.replace("_", ".").split(".")
    words += named.path_words.replace("_", ".").split(".")
    is_name = kind == "name" or (listed and not kind and bool({*_NAMES} & {*words}))
    return listed or kind not in _NO_TEXT, is_name


@dataclass(frozen=True, slots=True)
class _Told:
    """The values of a leaf, each distinct one once.

    Attributes:
        number: number of the leaf among those that tell a person.
        texts: the distinct values.
        rows: the record of each value.
        places: its place in `texts`.
    """

    number: int
    texts: list[str] = field(repr=False)
    rows: npt.NDArray[np.int64] = field(repr=False)
    places: npt.NDArray[np.int64] = field(repr=False)


def _told(number: int, values: pa.Array, rows: npt.NDArray[np.int64]) -> _Told:
    encoded = _present(values).dictionary_encode()
    there = np.flatnonzero(np.asarray(encoded.is_valid()))
    places = np.asarray(encoded.indices.fill_null(0), np.int64)
    texts = [text or "" for text in _strings(encoded.dictionary)]
    return _Told(number, texts, rows[there], places[there])


def _present(values: pa.Array) -> pa.Array:
    """Return the texts of values, null where they name nobody."""
    try:
        return without_nobody(values)
    except (pa.ArrowException, UnicodeError):
        # Nothing of a column that is dropped need be UTF-8; its words are looked for all the same.
        return values


def _strings(values: pa.Array) -> list[str | None]:
    """Return texts, of which bytes that are no UTF-8 are read as Windows does."""
    present = values.is_valid().to_pylist()
    texts = iter(as_bytes(values.drop_null()))
    return [_decoded(next(texts)) if there else None for there in present]


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")


def _not_text(leaf: Leaf) -> PolicyViolation:
    return PolicyViolation(
        f"{at_places([leaf.place])} of the records says whose they are, but its texts are not "
        "UTF-8",
        columns=(leaf.name,),
        hint="correct the encoding of the source",
    )
