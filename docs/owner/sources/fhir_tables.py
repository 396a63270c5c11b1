"""Writes the tables of columns in fhir.md: python docs/owner/sources/fhir_tables.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sealift.owner.sources.fhir_columns import Flattener
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.fhir_tree import Mode, Node, leaf_columns, plan

PAGE = Path(__file__).with_name("fhir.md")
TITLE = "## The columns of each type\n"


def main() -> None:
    """Write the page."""
    head, title, rest = PAGE.read_text().partition(TITLE)
    words = rest.partition("\n### ")[0].rstrip("\n")
    sections = [section(resource) for resource in MAPPING]
    PAGE.write_text(f"{head}{title}{words}\n\n" + "\n".join(sections))


def section(resource: str) -> str:
    """Return the section of a type."""
    root, _ = plan(resource, MAPPING[resource])
    notes = dict(notes_of(root, []))
    lines = [f"### {resource}\n", "| column | type | element |", "|---|---|---|"]
    for field in Flattener(resource, MAPPING[resource]).schema:
        lines.append(f"| `{field.name}` | {shown(field.type)} | {notes[field.name]} |")
    return "\n".join(lines) + "\n"


def notes_of(node: Node, around: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what the page says about each column."""
    said = {
        Mode.BEST: f"one of `{node.name}`",
        Mode.SOLE: f"the only `{node.name}`",
        Mode.ALL: "of all",
        Mode.ALL_WHERE: f"of all of `{node.where[1]}`",
        Mode.SOLE_WHERE: f"the only `{node.where[1]}`",
    }.get(node.mode, "")
    if node.mode is Mode.FIRST_WHERE and "/" not in node.where[1]:
        said = f"the first of `{node.where[1]}`"
    here = [*around, said] if said and node.element is None else around
    if node.element is not None:
        if node.deep:
            return
        name, *others = (name for name, _ in leaf_columns(node.path, node.element))
        name = node.element.name or name
        texts = "all texts" if node.mode is Mode.SOLE else ""
        yield name, "; ".join([*around, *([texts] if texts else [])])
        for other in others:
            kind = other.rpartition(".")[2]
            what = "the id in it" if kind == "id" else "how much of it was said"
            yield f"{name}.{kind}", what
        return
    if node.mode not in (Mode.OBJECTS, Mode.OBJECT):
        for child in node.children.values():
            yield from notes_of(child, here)
    if node.rest:
        about = {
            Mode.BEST: "the others, as objects",
            Mode.SOLE: "all as objects, if the columns do not say all",
        }.get(node.mode, "as objects")
        inner = ", ".join(f"`{leaf}`" for leaf in leaves(node.objects()))
        outer = "; ".join(around)
        yield node.rest, f"{outer}{'; ' if outer else ''}{about}: {inner}"


def leaves(kind: pa.DataType, path: str = "") -> Iterator[str]:
    """Yield the paths of scalars in a type."""
    while pa.types.is_list(kind):
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        yield path
        return
    for field in kind:
        yield from leaves(field.type, f"{path}.{field.name}".lstrip("."))


def shown(kind: pa.DataType) -> str:
    """Return a type as the page writes it."""
    if pa.types.is_list(kind):
        return f"list<{shown(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "struct"
    return {"date32[day]": "date32"}.get(str(kind), str(kind))


if __name__ == "__main__":
    main()
