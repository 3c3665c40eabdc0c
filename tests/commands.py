"""Commands as a shell runs them, for tests: words in, exit code out."""

from __future__ import annotations

import pytest

from batikkit.cli import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)
