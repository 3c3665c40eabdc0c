"""A NumPy that does not load, told in one line: the commonest broken installation on a small board."""

from __future__ import annotations

import traceback

from batikkit.errors import InputError


def numpy_trouble(error: ImportError) -> InputError | None:
    """What to tell the user when `error` was raised inside NumPy's own import; None when it was not."""
    if not any("/numpy/" in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].removeprefix("Original error was: ") if lines else "it is broken"
    system_library = any(word in reason for word in ("blas", "atlas", "lapack", "gfortran"))
    cure = "sudo apt install libopenblas0" if system_library else "pip install --force-reinstall numpy"
    return InputError(f"NumPy does not load ({reason}): {cure}")
