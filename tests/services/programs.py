"""Programs of the system that some tests need. `python tests/services/programs.py` names the
Debian packages that are missing here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def _on_path(*programs: str) -> Callable[[], bool]:
    return lambda: all(map(shutil.which, programs))


def postgresql() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


NEEDED: dict[str, Callable[[], bool]] = {
    "dbus": _on_path("dbus-run-session"),
    "gdb": _on_path("gdb"),
    "gnome-keyring": _on_path("gnome-keyring-daemon"),
    "mariadb-server": lambda: (
        shutil.which("mariadb-install-db") is not None
        and any(map(shutil.which, ("mariadbd", "/usr/sbin/mariadbd")))
    ),
    "postgresql": lambda: postgresql() is not None,
    "softhsm2": _on_path("softhsm2-util"),
    "strace": _on_path("strace"),
    "tesseract-ocr": _on_path("tesseract"),
}
"""By Debian's package."""


def missing() -> list[str]:
    """The packages that are not installed."""
    return [package for package, installed in NEEDED.items() if not installed()]


if __name__ == "__main__":
    print(*missing())
