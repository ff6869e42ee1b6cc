"""Plugins as the launcher calls them: a program with two folders, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
MODULES = {
    "pl-copy": "pl_copy",
    "pl-dicom-to-nifti": "pl_dicom_to_nifti",
    "pl-simpledsapp": "pl_simpledsapp",
    "pl-slice-report": "slice_report.main",
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """`run(plugin, *words)`: its exit code, and what it printed."""

    def run(plugin: str, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", MODULES[plugin], *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(PLUGINS / plugin)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def outgoing(tmp_path: Path) -> Path:
    return tmp_path / "outgoing"
