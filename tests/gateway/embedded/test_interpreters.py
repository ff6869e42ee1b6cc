"""Other Pythons: which one is taken, and which are none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gateway.embedded import interpreters
from gateway.embedded.interpreters import Interpreter

KNOWN = [Interpreter((3, minor, 4), Path(f"/p/python3.{minor}")) for minor in (6, 8, 9, 10, 12)]


@pytest.mark.parametrize(
    ("wanted", "minor"),
    [("<3.11", 10), (">=3.6,<3.9", 8), ("==3.9.*", 9), ("", 12), ("~=3.8.0", 8), ("<3.8", None), ("nonsense", None)],
)
def test_the_newest_that_fits_is_taken_and_none_that_is_too_old_for_us(wanted: str, minor: int | None) -> None:
    found = interpreters.fitting(wanted, KNOWN)
    assert (found.version[1] if found else None) == minor


def test_ours_is_found_once_however_many_names_it_has(tmp_path: Path) -> None:
    for folder in ("a", "b", ".pyenv/versions/one/bin"):
        (tmp_path / folder).mkdir(parents=True)
    ours = os.path.realpath(sys.executable)
    for link in ("a/python3.98", "b/python3.99", ".pyenv/versions/one/bin/python3"):
        (tmp_path / link).symlink_to(ours)
    (tmp_path / "a/python3.97").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "a/python3.97").chmod(0o755)
    (tmp_path / "a/python3.96").write_text("no program")
    (tmp_path / "a/python3-config").symlink_to(ours)
    found = interpreters.find({"PATH": f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/none", "HOME": str(tmp_path)})
    assert [one.version for one in found] == [sys.version_info[:3]]
    assert found[0].path.name.startswith("python3")


def test_a_machine_without_another_python_has_none(tmp_path: Path) -> None:
    assert interpreters.find({"PATH": str(tmp_path), "HOME": str(tmp_path)}) == []
