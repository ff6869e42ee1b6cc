from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.conftest import PLUGINS, Run


def test_every_file_is_copied_with_its_folders(run: Run, incoming: Path, outgoing: Path) -> None:
    (incoming / "a/b").mkdir(parents=True)
    files = {"empty": b"", "a/b/ünïcode name": b"x" * 3_000_000, "a/c": b"\0\1"}
    for name, body in files.items():
        (incoming / name).write_bytes(body)
    assert run("pl-copy", incoming, outgoing).returncode == 0
    found = {str(path.relative_to(outgoing)): path.read_bytes() for path in outgoing.rglob("*") if path.is_file()}
    assert found == files


def test_a_missing_input_folder_is_refused(run: Run, incoming: Path, outgoing: Path) -> None:
    done = run("pl-copy", incoming / "none", outgoing)
    assert done.returncode == 1
    assert "Not a directory" in done.stderr


@pytest.mark.parametrize("plugin", ["pl-copy", "pl-dicom-to-nifti", "pl-simpledsapp", "pl-slice-report"])
def test_it_describes_itself(run: Run, plugin: str) -> None:
    """The command line is what registration reads; the folders are its last two words."""
    done = run(plugin, "--help")
    assert done.returncode == 0
    assert "inputdir" in done.stdout
    assert (PLUGINS / plugin / "README.md").read_text().startswith(f"# {plugin}\n")
