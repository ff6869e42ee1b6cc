"""The tutorial, done as it says: every command of it is run, in its order, in one shell of a new user."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import series
from tests.kit import kit

ROOT = Path(__file__).parents[1]
TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)
ALONE = 4
"""The first blocks need no server."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with the command on the path, an empty home, and the scan of the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHRYSALIS_")}
    home = tmp_path / "home"
    series.unpack(kit(), home / ".chrysalis/demo/scan")
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(home), "PATH": path, "PIP_CACHE_DIR": cache.stdout.strip() or str(tmp_path / "pip")}


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[None]:
    words = ["chrysalis", "serve", "--port", "0"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("Chrysalis is at" in process.stdout.readline() for _ in range(2))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


def run(block: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_tutorial_leads_from_a_script_to_a_result_over_rest(
    environment: dict[str, str], server: None, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    alone = run("\n".join(BLOCKS[:ALONE]), folder, environment)
    verdicts = re.findall(r"^(ok|warning|fail|unknown) ", alone, re.MULTILINE)
    assert len(verdicts) == 10
    assert set(verdicts) == {"ok"}, alone
    assert (folder / "gaps/gaps.csv").read_text().startswith("millimetres,from,to")
    served = run("\n".join(BLOCKS[ALONE:]), folder, environment)
    assert "finishedSuccessfully" in served
    assert served.rstrip().endswith("--tolerance")
    here = (folder / "gaps/gaps.csv").read_bytes()
    for name in ("from-the-server", "from-rest"):
        assert (folder / name / "gaps.csv").read_bytes() == here


def test_every_line_of_shell_is_in_a_block_that_is_run() -> None:
    """What the text names in passing exists too."""
    from gateway.cli.main import cli

    named = set(re.findall(r"`chrysalis ([a-z-]+)", TUTORIAL)) | set(
        re.findall(r"^chrysalis ([a-z-]+)", TUTORIAL, re.M)
    )
    assert named <= set(cli.commands)
    assert len(BLOCKS) == 8
