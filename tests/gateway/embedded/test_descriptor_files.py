"""A descriptor alone: its program is found, or the sentence says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.errors import Permanent
from gateway.embedded import descriptor_files

FILE = Path("tool.json")


def told(**fields: Any) -> dict[str, Any]:
    return {"name": "tool", "version": "1.0", "dock_image": "d/tool:1", "selfexec": "tool.sh", "selfpath": "/nowhere",
            "execshell": "/bin/sh", "parameters": [], **fields}  # fmt: skip


def program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "tool.sh").touch()
    return folder


def locate(given: dict[str, Any], *installed: tuple[Path, str, str], hidden: Path) -> tuple[Path, dict[str, Any]]:
    return descriptor_files.locate(given, FILE, installed, hidden=(hidden,))


def test_a_program_where_the_descriptor_says_is_shown_with_its_folder(tmp_path: Path) -> None:
    place, found = locate(told(selfpath=str(program(tmp_path / "tool/bin"))), hidden=tmp_path / "home")
    assert place == tmp_path / "tool"
    assert (found["selfpath"], found["selfexec"], found["execshell"]) == (f"{place}/bin", "tool.sh", "/bin/sh")
    place, _ = locate(told(selfpath=str(program(tmp_path / "bare"))), hidden=tmp_path / "home")
    assert place == tmp_path / "bare"


def test_an_installed_environment_of_the_same_version_comes_first(tmp_path: Path) -> None:
    for name in ("other", "tool", "newer"):
        program(tmp_path / name / "bin")
    rows = ((tmp_path / "other", "other", "1.0"), (tmp_path / "tool", "tool", "1.0"), (tmp_path / "newer", "tool", "2"))
    place, found = locate(told(selfpath=str(tmp_path / "other/bin")), *rows, hidden=tmp_path / "home")
    assert place == tmp_path / "tool" and found["execshell"] == "python"
    place, _ = locate(told(), *rows[:1], hidden=tmp_path / "home")
    assert place == tmp_path / "other", "under another name it is the same program"


def test_a_command_of_the_machine_serves(tmp_path: Path) -> None:
    place, found = locate(told(selfexec="env", execshell="/opt/of/the/image/sh"), hidden=tmp_path)
    assert place == Path("/usr") and (found["selfexec"], found["execshell"]) == ("env", "sh")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        Permanent, match=r"tool\.json needs the program /nowhere/tool\.sh, which is not on this machine"
    ):
        locate(told(), hidden=tmp_path)
    with pytest.raises(Permanent, match="needs the interpreter /opt/no-such-shell"):
        locate(told(selfexec="env", execshell="/opt/no-such-shell"), hidden=tmp_path)
    with pytest.raises(Permanent, match="names no program"):
        locate(told(selfexec="../tool.sh"), hidden=tmp_path)
    with pytest.raises(Permanent, match="names no program"):
        locate({}, hidden=tmp_path)


def test_a_folder_that_holds_more_than_plugins_may_see_is_not_shown(tmp_path: Path) -> None:
    where = str(program(tmp_path / "bin"))
    with pytest.raises(Permanent, match="holds more than plugins may see"):
        locate(told(selfpath=where), hidden=tmp_path / "home")


def test_a_descriptor_saved_by_chrisapp_gets_a_name_and_an_image(tmp_path: Path) -> None:
    given = told(selfpath=str(program(tmp_path / "tool/bin")), name=None, dock_image=None)
    _, found = locate(given, hidden=tmp_path / "home")
    assert (found["name"], found["dock_image"]) == ("tool", "localhost/tool:1.0")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b" " * (descriptor_files.LARGEST + 1)])
def test_a_file_that_holds_no_object_is_refused_with_its_name(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "tool.json"
    file.write_bytes(body)
    with pytest.raises(Permanent, match=r"The descriptor .*tool\.json is no JSON"):
        descriptor_files.read(file)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(told()))
    assert descriptor_files.read(tmp_path / "x.json") == told()
    with pytest.raises(Permanent, match="cannot be read"):
        descriptor_files.read(tmp_path)
