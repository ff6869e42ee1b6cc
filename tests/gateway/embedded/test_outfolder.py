"""The folders that a plugin writes: measured, opened and removed, whatever the plugin did to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.embedded import outfolder


def test_whatever_the_modes_the_owner_can_read_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.txt").write_text("x")
    for path in (tmp_path / "a/b/c.txt", tmp_path / "a/b", tmp_path / "a"):
        path.chmod(0)
    outfolder.open_up(tmp_path)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert (tmp_path / "a/b/c.txt").read_text() == "x"
    assert stat.S_IMODE((tmp_path / "a/b/c.txt").stat().st_mode) == 0o600


def test_a_program_that_lends_its_owners_rights_loses_that(tmp_path: Path) -> None:
    (tmp_path / "root-shell").touch()
    (tmp_path / "root-shell").chmod(0o4755)
    outfolder.open_up(tmp_path)
    assert stat.S_IMODE((tmp_path / "root-shell").stat().st_mode) == 0o755


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("1" * 100_000)
    (outside / "x").chmod(0o400)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/folder").symlink_to(outside)
    (tmp_path / "out/file").symlink_to(outside / "x")
    outfolder.open_up(tmp_path / "out")
    assert stat.S_IMODE((outside / "x").stat().st_mode) == 0o400
    assert outfolder.size(tmp_path / "out") < 100_000


def test_the_size_is_what_lies_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_bytes(os.urandom(1 << 20))
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    assert 1 << 20 <= outfolder.size(tmp_path) < 2 << 20
    assert outfolder.size(tmp_path / "none") == 0


def test_a_folder_nested_too_deep_for_python_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    place = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    outfolder.remove(top)
    assert not top.exists()
    outfolder.remove(top)
