"""What is asked of an installed package, and what is made of its answer. No package is installed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functions.errors import Permanent
from gateway.embedded import families
from gateway.embedded.families import Distribution, Question

PACKAGE = Distribution("Simple_App", "1.0.3", "https://h.org/pl-simple")


def environment(root: Path, *, base: bool = True, requires: str = "chrisapp", rows: tuple[str, ...] = ()) -> Path:
    site = root / "lib/python3.11/site-packages"
    about = site / "simple_app-1.0.3.dist-info"
    about.mkdir(parents=True)
    (root / "bin").mkdir()
    (about / "RECORD").write_text("".join(f"{row},sha256=x,1\n" for row in (*rows, "simple_app/__init__.py")))
    (about / "METADATA").write_text(f"Name: simple-app\nRequires-Dist: pudb\nRequires-Dist: {requires}\n\nProse\n")
    if base:
        (site / "chrisapp-2.5.3.dist-info").mkdir()
    return root


def test_the_program_that_bears_the_name_is_asked_first(tmp_path: Path) -> None:
    rows = ("../../../bin/also", "../../../bin/simple-app.py", "../../../bin/__pycache__/also.pyc")
    asked = families.questions(environment(tmp_path, rows=rows), PACKAGE)
    assert asked == [Question("simple-app.py", ("--json",)), Question("also", ("--json",))]


def test_chris_plugin_info_is_asked_before_any_program(tmp_path: Path) -> None:
    root = environment(tmp_path, rows=("../../../bin/run",))
    (root / "bin/chris_plugin_info").touch()
    first, second = families.questions(root, PACKAGE)
    assert (first.program, first.family, second.program) == ("chris_plugin_info", "chris_plugin", "run")
    assert "localhost/simple_app:1.0.3" in first.words


def test_a_package_without_a_program_or_without_a_base_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="installs no program"):
        families.questions(environment(tmp_path / "a"), PACKAGE)
    with pytest.raises(Permanent, match="no ChRIS plugin: it depends on neither"):
        families.questions(environment(tmp_path / "b", base=False, rows=("../../../bin/run",)), PACKAGE)


@pytest.mark.parametrize(
    ("requires", "asked"),
    [
        ("chrisapp", ["chrisapp<2", "chrisapp<1.1"]),
        ("chrisapp>=1.0", ["chrisapp<2,>=1.0", "chrisapp<1.1,>=1.0"]),
        ("ChrisApp ==2.5.3", ["chrisapp<2,==2.5.3", "chrisapp<1.1,==2.5.3"]),
        ("chrisapp[", ["chrisapp<2", "chrisapp<1.1"]),
    ],
)
def test_an_older_base_is_asked_for_within_what_the_package_allows(
    tmp_path: Path, requires: str, asked: list[str]
) -> None:
    assert list(families.older_bases(environment(tmp_path, requires=requires), "simple-app")) == asked


def test_a_package_of_the_other_family_has_no_older_base(tmp_path: Path) -> None:
    assert list(families.older_bases(environment(tmp_path, base=False), "simple-app")) == []


def test_a_descriptor_is_found_behind_a_greeting() -> None:
    text = 'Hello {you}\n{"color": 1}\n' + json.dumps({"type": "ds", "parameters": [{"name": "{"}]}) + "\nbye {"
    assert families.told(text, "x") == {"type": "ds", "parameters": [{"name": "{"}]}


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"parameters": ', "no {json} here"])
def test_what_is_no_descriptor_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(Permanent, match="simple does not tell a descriptor"):
        families.told(text, "simple")


def test_what_chrisapp_leaves_out_is_filled_in() -> None:
    told = {"type": "ds", "parameters": [], "selfpath": "/usr/src", "selfexec": "old.py", "execshell": "python3",
            "icon": "", "authors": "None <None>", "version": "1.0.3"}  # fmt: skip
    whole = families.complete(told, Question("simple_app.py", ("--json",)), PACKAGE, Path("/p/bin"))
    assert whole == {
        "type": "ds", "parameters": [], "version": "1.0.3", "name": "simple_app",
        "dock_image": "localhost/simple_app:1.0.3", "public_repo": "https://h.org/pl-simple",
        "selfpath": "/p/bin", "selfexec": "simple_app.py", "execshell": "python",
    }  # fmt: skip


def test_what_chris_plugin_tells_stays_but_for_the_place() -> None:
    told = {"name": "mine", "dock_image": "d/mine:1", "selfexec": "run", "icon": "", "selfpath": "/x", "execshell": "y"}
    whole = families.complete(told, Question("chris_plugin_info", (), "chris_plugin"), PACKAGE, Path("/p/bin"))
    assert whole == told | {"selfpath": "/p/bin", "execshell": "python"}
