"""Environments: a plugin others wrote, one of ours, and every way in which installing fails."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.errors import Permanent
from functions.jobs import JobPlan, Request, Runtime
from gateway.embedded import environments, families, interpreters, packages
from gateway.embedded.environments import Environment, Environments
from gateway.embedded.families import Distribution
from tests.gateway.embedded.bench import Bench

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
description = "Appends a word."
license = {{ text = "MIT" }}
authors = [{{ name = "Somebody", email = "somebody@h.org" }}]
requires-python = "{python}"
dependencies = {dependencies}
[project.scripts]
{name} = "{module}:main"
[tool.setuptools]
py-modules = ["{module}"]
"""
PROGRAM = """
from argparse import ArgumentParser, Namespace
from pathlib import Path
from chris_plugin import chris_plugin
parser = ArgumentParser()
parser.add_argument("--word", default="{word}", help="what to append")
@chris_plugin(parser=parser, title="Append", min_memory_limit="100Mi")
def main(options: Namespace, inputdir: Path, outputdir: Path) -> None:
    for file in inputdir.rglob("*.txt"):
        (outputdir / file.name).write_text(file.read_text() + options.word)
"""


def write_package(
    folder: Path, *, name: str = "pl-append", version: str = "1.0.0", python: str = ">=3.11", word: str = "!",
    dependencies: tuple[str, ...] = ("chris_plugin>=0.4",), program: str = PROGRAM,
) -> str:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    project = PROJECT.format(
        name=name, version=version, python=python, dependencies=json.dumps(dependencies), module=module
    )
    (folder / "pyproject.toml").write_text(project)
    (folder / f"{module}.py").write_text(program.replace("{word}", word))
    return str(folder)


@pytest.fixture
def shelf(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "home/plugins")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def run(bench: Bench, environment: Environment, *arguments: str, job: str = "job", text: str = "scan") -> str:
    """What the plugin wrote, run as the gateway runs it: by the descriptor's three words."""
    told = environment.descriptor
    program = (told["execshell"], f"{told['selfpath']}/{told['selfexec']}")
    command = (*program, *arguments, "/share/incoming", "/share/outgoing")
    request = Request(
        job=job, tenant="t", instance=1, feed=1, plugin=environment.name, version=environment.version,
        command=command, runtime=Runtime("environment", str(environment.folder)),
    )  # fmt: skip
    bench.launcher.create(JobPlan(request, 1, json.dumps({"job": job, "input": text})))
    end = bench.wait(job).end
    assert end and end.kind == "ok", bench.log(job)
    return "\n".join(file.read_text() for file in sorted(bench.output(job).glob("*.txt")))


@pytest.mark.slow
def test_a_plugin_that_others_wrote_runs_unmodified(shelf: Environments, bench: Bench) -> None:
    environment = shelf.install("shexec==2.5.0")
    told = environment.descriptor
    assert (told["name"], told["version"], told["type"]) == ("shexec", "2.5.0", "ds")
    assert {"exec", "fileFilter"} <= {parameter["name"] for parameter in told["parameters"]}
    template = "tr a-z A-Z < %{inputWorkingDir}/%{inputWorkingFile} | tee %{outputWorkingDir}/loud.txt"
    written = run(bench, environment, "--exec", f"sh -c '{template}'", text="a scan")
    assert "A SCAN" in written
    assert environment == shelf.install("shexec==2.5.0"), "it is here: nothing is fetched again"


@pytest.mark.slow
def test_a_folder_is_installed_and_installed_anew_when_it_has_changed(
    shelf: Environments, bench: Bench, tmp_path: Path
) -> None:
    folder = write_package(tmp_path / "package")
    environment = shelf.install(folder)
    assert (
        environment.folder == shelf.root / "pl-append/1.0.0" and environment.descriptor["min_memory_limit"] == "100Mi"
    )
    assert run(bench, environment, job="one") == "scan!"
    write_package(tmp_path / "package", word="?")
    assert run(bench, shelf.install(folder), job="two") == "scan?"
    assert run(bench, environment, "--word", " and more", job="three") == "scan and more"
    assert sorted(path.name for path in (tmp_path / "package").iterdir()) == ["pl_append.py", "pyproject.toml"]
    assert [path.name for path in shelf.root.iterdir() if path.name.startswith(".b")] == []
    known = shelf.find("pl-append", "1.0.0")
    assert known and known.folder == environment.folder and known.descriptor["parameters"][0]["default"] == "?"


@pytest.mark.slow
def test_scripts_and_bytecode_name_the_place_where_they_lie(shelf: Environments, tmp_path: Path) -> None:
    environment = shelf.install(write_package(tmp_path / "package"))
    said = subprocess.run([environment.folder / "bin/pl-append", "--help"], capture_output=True, text=True, check=True)
    assert "what to append" in said.stdout
    for file in environment.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert b".building-" not in file.read_bytes(), file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "words"),
    [
        ({"python": "<3.5"}, "needs another Python (<3.5"),
        ({"dependencies": ("chris_plugin>=0.4", "no-such-package-for-chrysalis")}, "'no-such-package-for-chrysalis'"),
        ({"dependencies": ()}, "no ChRIS plugin"),
        ({"version": "1.0rc1"}, "Invalid version"),
        ({"program": "import no_such_module"}, "uses the Python module no_such_module but does not say"),
        ({"program": "raise RuntimeError('not on this machine')"}, "not on this machine"),
    ],
)
def test_what_cannot_be_installed_is_told_in_a_sentence(
    shelf: Environments, tmp_path: Path, package: dict[str, Any], words: str
) -> None:
    with pytest.raises(Permanent) as refused:
        shelf.install(write_package(tmp_path / "package", **package))
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert [path.name for path in shelf.root.iterdir()] == [".lock"]


@pytest.mark.slow
def test_a_package_for_an_older_python_gets_one_where_there_is_one(
    shelf: Environments, bench: Bench, tmp_path: Path
) -> None:
    wanted = "<3.11"
    source = write_package(tmp_path / "package", python=wanted)
    known = interpreters.find(os.environ)
    other = interpreters.fitting(wanted, known)
    if other is None:
        with pytest.raises(Permanent, match=r"needs another Python \(<3\.11.*Of this machine's Pythons none fits"):
            shelf.install(source)
        return
    environment = shelf.install(source)
    inside = subprocess.run([environment.folder / "bin/python", "-V"], capture_output=True, text=True, check=True)
    assert inside.stdout.strip() == f"Python {other}"
    assert run(bench, environment) == "scan!"


CHRISAPP = """
import os
from chrisapp.base import ChrisApp

class Append(ChrisApp):
    PACKAGE = "pl-append"
    TYPE = "ds"
    OUTPUT_META_DICT = {}

    def define_parameters(self):
        self.add_argument("-w", "--word", dest="word", type=str, optional=True, default="!", help="what to append")
        self.add_argument("--loud", dest="loud", type=bool, optional=True, default=False, help="in capitals")

    def show_man_page(self):
        print("the whole manual")

    def run(self, options):
        for name in os.listdir(options.inputdir):
            text = open(os.path.join(options.inputdir, name)).read() + options.word
            open(os.path.join(options.outputdir, name), "w").write(text.upper() if options.loud else text)

def main():
    Append().launch()
"""
OWN_VERSION = (
    CHRISAPP.replace(
        '    PACKAGE = "pl-append"',
        """
    AUTHORS = TITLE = DESCRIPTION = LICENSE = "old"
    VERSION = "0.9"
    SELFPATH, SELFEXEC, EXECSHELL = "/usr/src", "append.py", "python3"
""",
    )
    .replace('"--loud"', '"--man"')
    .replace('dest="loud"', 'dest="loud", action="store_true"')
)  # its own --man


@pytest.mark.slow
def test_a_chrisapp_plugin_tells_its_descriptor_by_json(shelf: Environments, bench: Bench, tmp_path: Path) -> None:
    source = write_package(tmp_path / "package", dependencies=("chrisapp==2.5.3",), program=CHRISAPP)
    environment = shelf.install(source)
    told = environment.descriptor
    assert (told["name"], told["version"], told["type"]) == ("pl-append", "1.0.0", "ds")
    assert (told["selfexec"], told["execshell"]) == ("pl-append", "python")
    assert told["selfpath"] == str(environment.folder / "bin") and told["dock_image"] == "localhost/pl-append:1.0.0"
    assert [one["flag"] for one in told["parameters"]] == ["--word", "--loud"]
    assert run(bench, environment, "--word", "?", "--loud") == "SCAN?"
    saved = ask(environment, "--savejson", str(tmp_path))
    assert saved == "" and json.loads((tmp_path / "Append.json").read_text())["selfexec"] == "pl-append"
    assert ask(environment, "--man") == "the whole manual" and ask(environment, "--version") == "1.0.0"
    again = shelf.install(str(tmp_path / "Append.json"))
    assert (again.folder, again.name, again.version) == (environment.folder, "pl-append", "1.0.0")
    assert run(bench, again, job="again") == "scan!"


def ask(environment: Environment, *words: str) -> str:
    program = [environment.folder / "bin/python", environment.folder / "bin" / environment.descriptor["selfexec"]]
    path = {"PATH": f"{environment.folder}/bin:{os.defpath}"}  # chrisapp looks for itself there
    return subprocess.run([*program, *words], capture_output=True, text=True, check=True, env=path).stdout.strip()


@pytest.mark.slow
def test_a_plugin_older_than_its_base_gets_the_base_of_its_time(
    shelf: Environments, bench: Bench, tmp_path: Path
) -> None:
    environment = shelf.install(write_package(tmp_path / "a", dependencies=("chrisapp",), program=OWN_VERSION))
    assert environment.version == "0.9" and run(bench, environment, "--man") == "SCAN!"
    with pytest.raises(Permanent, match=r"does not tell what it is: .*--man"):
        shelf.install(write_package(tmp_path / "b", dependencies=("chrisapp>=2",), program=OWN_VERSION))


@pytest.mark.slow
def test_a_package_that_breaks_while_it_is_built_says_why(shelf: Environments, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package")
    (tmp_path / "package/setup.py").write_text("raise RuntimeError('no compiler for the moon')")
    with pytest.raises(Permanent, match="breaks while it is being built: RuntimeError: no compiler for the moon"):
        shelf.install(folder)


def test_without_a_network_the_sentence_says_so(shelf: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*filter(lambda name: name.startswith("PIP_"), dict(os.environ))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(Permanent, match="index cannot be reached"):
        shelf.install("shexec==2.5.0")


@pytest.mark.parametrize("source", ["/no/such/folder", "./x.whl", "./x.json", "--help", "", "a b", "-r x"])
def test_what_is_neither_path_nor_package_is_refused_without_a_look_at_the_network(
    shelf: Environments, source: str
) -> None:
    with pytest.raises(Permanent, match="There is no folder, wheel or descriptor"):
        shelf.install(source)


@pytest.mark.parametrize("source", ["shexec==2.5.0", "shexec", "shexec>=2,<3", "shexec[x]~=2.5", "a @ https://h/a.whl"])
def test_a_requirement_is_passed_on(source: str) -> None:
    assert packages.requirement(source) == source


def test_without_a_sandbox_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="No sandbox"):
        Environments(tmp_path, bwrap="").install("shexec==2.5.0")


def test_what_a_crash_left_half_built_is_no_plugin(shelf: Environments) -> None:
    (shelf.root / "shexec/2.5.0/bin").mkdir(parents=True)
    assert shelf.find("shexec", "2.5.0") is None


def test_our_own_secrets_do_not_reach_a_build() -> None:
    ours = {"CHRYSALIS_S3_SECRET_KEY": "x", "AWS_SECRET_ACCESS_KEY": "y", "PIP_INDEX_URL": "z", "PATH": "/bin"}
    assert set(packages.pip_variables(ours)) == {"PIP_INDEX_URL", "PATH", "PYTHONNOUSERSITE", "PIP_USER"}


@pytest.mark.parametrize("text", ["", "hello", "{", "[1]", '{"name": 3}'])
def test_a_descriptor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Permanent):
        environments.check(families.told(text, "x"), "x")


def test_the_report_of_pip_tells_what_was_asked_for() -> None:
    rows = [
        {"requested": False, "metadata": {"name": "dep", "version": "1"}},
        {
            "requested": True,
            "metadata": {"name": "x", "version": "2", "project_url": ["Home, http://wiki", "Source, https://h.org/x"]},
        },
    ]
    assert packages.requested({"install": rows}) == Distribution("x", "2", "https://h.org/x")


def test_a_folder_that_is_no_package_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(Permanent, match=r"no Python package.*pyproject\.toml"):
        Environments(tmp_path / "plugins").install(str(tmp_path / "photos"))
