"""What no linter sees of the layers that import-linter holds (pyproject.toml): a mover needs no installed package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mover", ["stage_in", "stage_out"])
def test_a_mover_starts_on_a_bare_python(mover: str) -> None:
    """-I -S: without site-packages and without this checkout's environment, as in the movers' image."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import functions.movers.{mover}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
