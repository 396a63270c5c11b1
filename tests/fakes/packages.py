"""Packages that are installed for one test: a module, and entry points in their metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., None]


def installer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs packages into a folder that is on the path while the test runs."""
    monkeypatch.syspath_prepend(folder)

    def install(
        package: str, group: str, points: dict[str, str], source: str = ""
    ) -> None:
        module = package.replace("-", "_")
        (folder / f"{module}.py").write_text(source)
        sys.modules.pop(module, None)
        monkeypatch.delitem(sys.modules, module, raising=False)
        metadata = folder / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {module}:{attribute}" for name, attribute in points.items()]
        (metadata / "entry_points.txt").write_text(
            "\n".join([f"[{group}]", *lines, ""])
        )

    return install
