"""Every Python that the tests start imports this first: Argon2id costs next to nothing there.

Only tests put this folder on $PYTHONPATH. The product has no such switch: it takes the bounds of
"interactive" from PyNaCl, and here PyNaCl's are libsodium's smallest.
"""

from __future__ import annotations

import os
import sys
from typing import Any

ARGON2 = "nacl.pwhash.argon2id"
CHEAPEST = {"OPSLIMIT_INTERACTIVE": 1, "MEMLIMIT_INTERACTIVE": 8192}


class _CheapArgon2:
    """Finds PyNaCl's Argon2id as it is, and lowers its constants once it is loaded."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name != ARGON2:
            return None
        sys.meta_path.remove(_CheapArgon2)  # type: ignore[arg-type]
        from importlib.util import find_spec

        spec = find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            vars(module).update(CHEAPEST)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if ARGON2 not in sys.modules and _CheapArgon2 not in sys.meta_path:
    sys.meta_path.insert(0, _CheapArgon2)  # type: ignore[arg-type]

if "SEALIFT_TESTS_WARM" in os.environ and getattr(sys, "argv", [""])[0]:
    from warm import hand_over

    hand_over(sys.argv)
