"""What `pip install .` brings: every file that the code reads, and the reference plugins of the demo."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, check=True).stdout
    return {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_packages_and_the_plugins(tmp_path: Path) -> None:
    for name in tracked():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", tmp_path, tmp_path / "source"], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name.partition(".data/data/share/chrysalis/")[2] or name for name in wheel.namelist()}
    wanted = tracked("functions", "gateway", "plugins")
    assert len(wanted) > 100
    assert wanted <= held, sorted(wanted - held)
