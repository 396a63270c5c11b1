"""What `Session` had in 0.1, by its former name: each call warns and is passed on.

docs/start/from-0.1.md lists the new names. The former ones end with 0.3.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

# By the former name: the new name, for the warning, and how it is reached. Methods of one dataset
# took its name first.
_OF_DATASET = {
    "describe": "describe",
    "grant": "grant",
    "revoke": "revoke",
    "access": "access",
    "disclosures": "disclosures",
    "reseal": "reseal",
    "rotate_every": "rotate_every",
    "erase_subject": "erase",
    "delete": "delete",
    "confirm_purge": "confirm_purge",
}
_OF_PARTS = {
    "rotate_keys": ("keys", "rotate"),
    "key_usage": ("keys", "usage"),
    "rotations": ("keys", "rotations"),
    "rotate_due": ("keys", "rotate_due"),
    "move_keys": ("keys", "move_to"),
    "member": ("people", "member"),
    "label": ("people", "label"),
    "endorse": ("people", "endorse"),
    "preflight": ("people", "preflight"),
    "answer_probes": ("people", "answer_probes"),
    "settings": ("identity", "settings"),
    "status": ("identity", "status"),
    "succeed": ("identity", "succeed"),
    "revoke_identity": ("identity", "revoke"),
    "renew": ("identity", "renew"),
    "renew_if_due": ("identity", "renew_if_due"),
    "membership": ("identity", ""),
    "log_key": ("log", "key"),
    "verify_log": ("log", "verify"),
    "verify_bill": ("log", "verify_bill"),
    "check_bill": ("log", "check_bill"),
}


def _rotate(
    session: Any, dataset: str, *, reseal_history: bool = False, **more: Any
) -> Any:
    return session.dataset(dataset).rotate(reseal=reseal_history, **more)


def _set_co_owner(
    session: Any, dataset: str, name: str, *, remove: bool = False
) -> Any:
    named = session.dataset(dataset)
    return named.remove_co_owner(name) if remove else named.add_co_owner(name)


def _replace_compromised_keys(
    session: Any, *, reseal_history: bool = False, **more: Any
) -> Any:
    return session.keys.replace_compromised(reseal=reseal_history, **more)


def _card(session: Any, name: str) -> Any:
    return session.people.member(name).card


_CHANGED: dict[str, tuple[str, Callable[..., Any]]] = {
    "rotate": ("dataset(...).rotate", _rotate),
    "set_co_owner": ("dataset(...).add_co_owner", _set_co_owner),
    "replace_compromised_keys": ("keys.replace_compromised", _replace_compromised_keys),
    "card": ("people.member(...).card", _card),
}

FORMER = frozenset({*_OF_DATASET, *_OF_PARTS, *_CHANGED})
"""Every former name that `Session` still answers to."""


def former(session: Any, name: str) -> Any:
    """What a former name of `Session` stands for now; warns that it ends.

    Raises:
        AttributeError: `Session` never had that name.
    """
    if name not in FORMER:
        raise AttributeError(f"'Session' object has no attribute {name!r}")
    new, found = _found(session, name)
    warnings.warn(
        f"Session.{name} is session.{new} since 0.2 and ends with 0.3; "
        "see docs/start/from-0.1.md",
        DeprecationWarning,
        stacklevel=3,
    )
    return found


def _found(session: Any, name: str) -> tuple[str, Any]:
    if method := _OF_DATASET.get(name):

        def call(dataset: str, *arguments: Any, **named: Any) -> Any:
            return getattr(session.dataset(dataset), method)(*arguments, **named)

        return f"dataset(...).{method}", call
    if name in _CHANGED:
        new, function = _CHANGED[name]
        return new, lambda *arguments, **named: function(session, *arguments, **named)
    part, attribute = _OF_PARTS[name]
    found = getattr(session, part)
    return (
        (f"{part}.{attribute}", getattr(found, attribute))
        if attribute
        else (part, found)
    )
