"""The script that takes protections away names what is there."""

from __future__ import annotations

import ast

import pytest

from leaks.bullets import BULLETS, ROOT, Bullet, without


@pytest.mark.parametrize("bullet", BULLETS, ids=lambda bullet: bullet.what)
def test_a_protection_can_be_taken_away(bullet: Bullet) -> None:
    source = (ROOT / bullet.path).read_text("utf-8")
    changed = without(source, bullet)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    assert all((ROOT / test.partition("::")[0]).exists() for test in bullet.tests)
