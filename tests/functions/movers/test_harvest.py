"""What is taken from a plugin's folder, under which names, and what is left there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.errors import Permanent
from functions.movers.harvest import MOST_NAMED, Harvest


def gather(root: Path) -> dict[str, Path]:
    """The harvest as a map from the name in the store to the file."""
    items = list(Harvest(str(root)))
    found = {item.path: Path(os.fsdecode(item.source)) for item in items}
    assert len(found) == len(items), "two files have one name"
    assert all(item.size == found[item.path].stat().st_size for item in items)
    return found


def write(root: Path, *paths: str) -> None:
    for path in paths:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)


def test_regular_files_are_taken_with_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "a", "b/c.nii", "b/d/é ü.dcm", "." + "x" * 254)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder without files").mkdir()
    assert set(gather(tmp_path)) == {"a", "b/c.nii", "b/d/é ü.dcm", "." + "x" * 254, "empty"}


def test_hard_links_are_files_as_any_other(tmp_path: Path) -> None:
    write(tmp_path, "a")
    os.link(tmp_path / "a", tmp_path / "b")
    assert set(gather(tmp_path)) == {"a", "b"}


def test_links_pipes_sockets_and_chrislinks_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "kept", "d/x.chrislink", "d/y.chris,link", " , ")
    (tmp_path / "to a file").symlink_to("/etc/passwd")
    (tmp_path / "to a folder").symlink_to("/etc")
    (tmp_path / "to nothing").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    harvest = Harvest(str(tmp_path))
    assert [item.path for item in harvest] == ["kept"]
    skipped = harvest.skipped.as_dict()
    first = skipped.pop("first")
    assert skipped == {"links": 3, "special": 2, "chrislinks": 2, "nameless": 1}
    assert set(first) == {  # type: ignore[call-overload]
        *("to a file", "to a folder", "to nothing", "pipe", "socket", " , ", "d/x.chrislink", "d/y.chris,link")
    }


def test_only_the_first_that_are_left_out_are_named(tmp_path: Path) -> None:
    for count in range(100):
        (tmp_path / f"{count:03}").symlink_to("x")
    harvest = Harvest(str(tmp_path))
    assert list(harvest) == []
    assert harvest.skipped.as_dict() == {"links": 100, "first": [f"{count:03}" for count in range(MOST_NAMED)]}


def test_a_folder_of_commas_is_dissolved_into_the_one_above(tmp_path: Path) -> None:
    write(tmp_path, "a/,/x", "a/x", "a/, ,/ /y", ",/z")
    found = gather(tmp_path)
    assert {path: place.relative_to(tmp_path).as_posix() for path, place in found.items()} == {
        "a/x": "a/x",
        "a/x_2": "a/,/x",
        "a/y": "a/, ,/ /y",
        "z": ",/z",
    }


def test_folders_that_clash_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, "Smith,John/a", "SmithJohn/a", "Smith,John,")
    assert set(gather(tmp_path)) == {"SmithJohn/a", "SmithJohn_2/a", "SmithJohn_3"}


def test_a_name_that_would_lead_upwards_does_not(tmp_path: Path) -> None:
    write(tmp_path, ".,./a", ",./b")
    assert set(gather(tmp_path)) == {"__/a", "_/b"}


def test_a_name_that_is_not_utf_8_is_a_sentence(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9j\xe0"))).write_text("x")
    with pytest.raises(Permanent, match=r"not UTF-8: b'd\\xe9j\\xe0'"):
        list(Harvest(str(tmp_path)))


def test_a_path_longer_than_any_store_takes_is_named(tmp_path: Path) -> None:
    write(tmp_path, "/".join(["d" * 250] * 4) + "/" + "e" * 100)
    with pytest.raises(Permanent, match="eeee' is longer"):
        list(Harvest(str(tmp_path)))


def test_a_folder_that_a_plugin_has_closed_is_opened(tmp_path: Path) -> None:
    write(tmp_path, "closed/a")
    (tmp_path / "closed").chmod(0)
    assert set(gather(tmp_path)) == {"closed/a"}


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    write(tmp_path, "d/" * 500 + "x")
    assert set(gather(tmp_path)) == {"d/" * 500 + "x"}


PIECES = st.text(st.sampled_from("ab,. "), min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
TREES = st.lists(st.lists(PIECES, min_size=1, max_size=3).map("/".join), max_size=10)


@given(TREES)
def test_no_file_is_lost_or_doubled_whatever_the_commas(paths: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in paths:
            place = root / path
            if not any(above.is_file() for above in place.parents) and not place.is_dir():
                write(root, path)
        expected = {place for place in root.rglob("*") if place.is_file() and place.name.strip(", ")}
        found = gather(root)
        assert set(found.values()) == expected
        assert gather(root) == found
        assert not any("," in path or "//" in path or path.startswith("/") for path in found)
        assert not any(above in found for path in found for above in map(str, Path(path).parents))
