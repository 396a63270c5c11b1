"""How long commands that seal again keep retrying."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sealift.cli.options import Options
from sealift.cli.rotation import rotate
from sealift_protocol.errors import InvalidArgument


@pytest.mark.parametrize("arguments", [["study"], ["--due"], ["--every", "90d"]])
def test_it_is_refused_where_nothing_is_sealed_again(arguments: list[str]) -> None:
    done = CliRunner().invoke(
        rotate, [*arguments, "--retry-for", "1m"], obj=Options(None, None)
    )
    assert isinstance(done.exception, InvalidArgument)
    assert "--reseal" in str(done.exception)
