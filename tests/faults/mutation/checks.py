"""Finds the checks of a source tree: every `raise` of an error that refuses something.

What a `raise` raises is read from the source, nothing is imported: the class itself, what a
function of the tree returns (`raise denied()`), or what a variable of the same function holds.
A `raise` that only passes on an error from elsewhere is no check.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = (
    "protos/sealift_protocol",
    "client/sealift",
    "server/sealift_relay",
    "server/sealift_witness",
)

# The errors that a check raises, with those derived from them, by what they mean.
VERIFICATION = (
    "VerificationError",
    "TrustError",
    "WrongKey",
    "WrongPassphrase",
    "KeystoreInsecure",
    "LogDamaged",
    "PolicyUnmet",
    "PolicyViolation",
    "ClockSkew",
)
DENIAL = (
    "AccessDenied",
    "DisclosureRequired",
    "ShardsGone",
    "QuotaExceeded",
    "MemberSuspended",
    "NotAuthenticated",
    "TokenRefused",
    "UnknownMember",
)
# Only where the relay or a witness raises them: in the client they tell a caller of a mistake.
REFUSAL = ("InvalidArgument", "Conflict", "MissingShard", "RelayBusy")
SERVERS = "server/"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, order=True)
class Check:
    """One `raise` of a refusal.

    Attributes:
        path: of the file, from the root of the tree.
        line: of the statement, from 1.
        column: in bytes, from 0.
        end_line: of the statement's end.
        end_column: behind its end.
        kind: verification, denial or refusal.
        error: the class, or several with "|".
        message: the head of what it says.
        key: the same as long as file, function and statement are.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    error: str
    message: str
    key: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def find_checks(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[Check]:
    """Every check below `root`, in the order of the sources."""
    modules = [
        _Module.read(root, path)
        for package in packages
        for path in sorted((root / package).rglob("*.py"))
        if not path.stem.endswith(("_pb2", "_pb2_grpc"))
    ]
    tree = _Tree(modules)
    return sorted(check for module in modules for check in tree.checks(module))


def without(source: bytes, check: Check) -> bytes:
    """The source with `pass` instead of the check; all other lines keep their numbers."""
    start, end = _span(source, check)
    padding = b"\n" * (check.end_line - check.line)
    changed = source[:start] + b"pass" + padding + source[end:]
    ast.parse(changed)
    return changed


def with_probes(source: bytes, probes: list[tuple[Check, str]]) -> bytes:
    """The source with a statement before each of the checks; all lines stay where they are."""
    for check, probe in sorted(probes, reverse=True):
        start, _ = _span(source, check)
        source = source[:start] + probe.encode() + b"; " + source[start:]
    ast.parse(source)
    return source


def _span(source: bytes, check: Check) -> tuple[int, int]:
    lines = source.splitlines(keepends=True)
    before = sum(map(len, lines[: check.line - 1]))
    until = sum(map(len, lines[: check.end_line - 1]))
    return before + check.column, until + check.end_column


@dataclass(frozen=True)
class _Module:
    path: str
    body: ast.Module
    functions: dict[str, list[Function]] = field(default_factory=dict)
    # What an imported name is called where it comes from, and the module that has it.
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, path: Path) -> _Module:
        module = cls(path.relative_to(root).as_posix(), ast.parse(path.read_bytes()))
        for node in _statements(module.body):
            if isinstance(node, Function):
                module.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    origin = (name.name, node.module or "")
                    module.imported[name.asname or name.name] = origin
        return module

    def is_named(self, name: str) -> bool:
        path = self.path.removesuffix(".py").removesuffix("/__init__")
        return f"/{path}".endswith("/" + name.replace(".", "/"))


class _Tree:
    """Classes and functions of all modules."""

    def __init__(self, modules: list[_Module]) -> None:
        self._modules = modules
        self._bases: dict[str, list[str]] = {}
        for module in modules:
            for node in _statements(module.body):
                if isinstance(node, ast.ClassDef):
                    bases = [_last_name(base) for base in node.bases]
                    self._bases.setdefault(node.name, []).extend(bases)

    def checks(self, module: _Module) -> Iterator[Check]:
        seen: dict[str, int] = {}
        for where, function, statement in _raises(module.body, "", None):
            assert statement.exc is not None
            raised = self._raised(statement.exc, module, function, set())
            kinds = [self._kind(name, module.path) for name in raised]
            kind = next((kind for kind in kinds if kind), "")
            if not kind:
                continue
            text = f"{module.path}::{where}::{ast.unparse(statement)}"
            seen[text] = seen.get(text, 0) + 1
            digest = hashlib.sha256(f"{text}#{seen[text]}".encode()).hexdigest()
            assert statement.end_lineno is not None
            assert statement.end_col_offset is not None
            yield Check(
                module.path,
                statement.lineno,
                statement.col_offset,
                statement.end_lineno,
                statement.end_col_offset,
                kind,
                "|".join(raised),
                _message(statement.exc),
                digest[:16],
            )

    def _kind(self, name: str, path: str) -> str:
        waiting, known = [name], set()
        while waiting:
            one = waiting.pop()
            if one in VERIFICATION:
                return "verification"
            if one in DENIAL:
                return "denial"
            if one in REFUSAL:
                return "refusal" if path.startswith(SERVERS) else ""
            known.add(one)
            waiting += [base for base in self._bases.get(one, []) if base not in known]
        return ""

    def _raised(
        self,
        value: ast.expr,
        module: _Module,
        function: Function | None,
        asked: set[int],
    ) -> list[str]:
        """Names of the classes that an expression may have, where the source says it."""
        if id(value) in asked:
            return []
        asked.add(id(value))
        found: list[str] = []
        match value:
            case ast.BoolOp(values=values):
                parts = values
            case ast.IfExp(body=first, orelse=second):
                parts = [first, second]
            case ast.Call(func=func):
                name = _last_name(func)
                if self._class(name, module):
                    found.append(self._class(name, module))
                for module_of, called in self._functions(func, module):
                    found += self._returned(called, module_of, asked)
                parts = []
            case ast.Name(id=name) if self._class(name, module):
                found.append(self._class(name, module))
                parts = []
            case ast.Name(id=name) if function is not None:
                parts = list(_assigned(name, function))
            case _:
                parts = []
        for part in parts:
            found += self._raised(part, module, function, asked)
        return list(dict.fromkeys(found))

    def _returned(
        self, function: Function, module: _Module, asked: set[int]
    ) -> list[str]:
        if id(function) in asked:
            return []
        asked.add(id(function))
        found = [
            name
            for node in _own_nodes(function)
            if isinstance(node, ast.Return) and node.value is not None
            for name in self._raised(node.value, module, function, asked)
        ]
        if not found and function.returns is not None:
            name = self._class(_last_name(function.returns), module)
            found = [name] if name else []
        return found

    def _class(self, name: str, module: _Module) -> str:
        name = module.imported.get(name, (name, ""))[0]
        return name if name in self._bases else ""

    def _functions(
        self, called: ast.expr, module: _Module
    ) -> list[tuple[_Module, Function]]:
        name = _last_name(called)
        if name in module.functions:
            return [(module, one) for one in module.functions[name]]
        origin = module.imported.get(name)
        if origin is None:
            return []
        name, home = origin
        found = [one for one in self._modules if name in one.functions]
        exact = [one for one in found if home and one.is_named(home)]
        # A package may pass a name on; it is only sure where a single module has it.
        chosen = exact or (found if len(found) == 1 else [])
        return [(one, function) for one in chosen for function in one.functions[name]]


def _raises(
    node: ast.AST, where: str, function: Function | None
) -> Iterator[tuple[str, Function | None, ast.Raise]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise):
            if child.exc is not None:
                yield where, function, child
        elif isinstance(child, Function):
            yield from _raises(child, f"{where}.{child.name}", child)
        elif isinstance(child, ast.ClassDef):
            yield from _raises(child, f"{where}.{child.name}", function)
        elif not isinstance(child, ast.expr):
            yield from _raises(child, where, function)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, without expressions, which are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Nodes of a function, without those of functions and classes inside of it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting[:0] = ast.iter_child_nodes(node)


def _assigned(name: str, function: Function) -> Iterator[ast.expr]:
    for node in _own_nodes(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                if target == name:
                    yield value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                if target == name:
                    yield value


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.Constant(value=str(name)):
            return name.rpartition(".")[2]
        case ast.Subscript(value=value):
            return _last_name(value)
        case _:
            return ""


def _message(raised: ast.expr) -> str:
    """The first text in what is raised; what is computed of it as {…}."""
    for node in ast.walk(raised):
        match node:
            case ast.JoinedStr(values=values):
                return "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{…}"
                    for part in values
                )
            case ast.Constant(value=str(text)):
                return text
            case _:
                pass
    return ast.unparse(raised)
