"""What the README and the docs say is done here: every command is run, in the order in which a reader would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from functions.settings import read_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SERVE = ".venv/bin/chrysalis serve\n"
SECONDS = 600
OURS = ("CHRYSALIS_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "ARGS")
"""What a test run has in its environment and a new user has not."""


class Recording(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of this checkout as git would hand them out, without what was installed or built in it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "checkout" / name)
    return tmp_path / "checkout"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A new user: an empty home folder, and nothing of Chrysalis set. Only pip's cache is kept."""
    cache = subprocess.run(["python3", "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    pip = {"PIP_CACHE_DIR": cache.stdout.strip()} if cache.returncode == 0 else {}
    return kept | pip | {"HOME": str(tmp_path / "home"), "CHRYSALIS_PORT": "0"}


def run(block: str, checkout: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def serving(checkout: Path, environment: dict[str, str]) -> Iterator[str]:
    """The server of the README until the block ends; yields what it printed at its start."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {SERVE}"], cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "Chrysalis is at" not in said:
                line = process.stdout.readline()
                assert line, f"the server ended: {said}"
                said += line
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_readme_works(checkout: Path, environment: dict[str, str], tmp_path: Path) -> None:
    demo, server, *others = BLOCKS
    assert server == SERVE
    assert "report.html" in run(demo, checkout, environment)
    for name in re.findall(r"`~/(\.chrysalis/[^`]+)`", README):
        assert (tmp_path / "home" / name).exists(), name
    with serving(checkout, environment) as said:
        assert f"all its state: {tmp_path / 'home/.chrysalis'}" in said
        printed = run("\n".join(others), checkout, environment)
    assert "pl-slice-report" in printed
    assert "shexec" in printed
    assert (checkout / "my-report/report.html").stat().st_size > 100_000


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z%-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", README + (ROOT / "CHANGELOG.md").read_text()))
    assert named
    assert named <= targets


def test_bare_make_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    sources = "".join((ROOT / name).read_text() for name in ("Makefile", "cluster.mk"))
    targets = re.findall(r"^([a-z%-]+):.*## ", sources, re.MULTILINE)
    assert len(targets) > 8
    assert [line.split()[1] for line in listed.splitlines()] == targets


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    environment = Recording({"CHRYSALIS_S3_BUCKET": "b", "CHRYSALIS_S3_ENDPOINT": "http://localhost"})
    environment |= {"CHRYSALIS_S3_ACCESS_KEY": "a", "CHRYSALIS_S3_SECRET_KEY": "s"}
    read_settings(environment)
    read = {name for name in environment.asked if not name.endswith("_FILE")}
    server = SETTINGS[: SETTINGS.index("## Of the command")]
    documented = set(re.findall(r"`(CHRYSALIS_\w+)`", server)) - {"CHRYSALIS_PORT"}  # that one is the command's
    assert {name for name in documented if not name.endswith("_FILE")} == read


def test_links_of_the_readme_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert links
    assert all((ROOT / link).exists() for link in links)
