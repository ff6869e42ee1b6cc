"""The demo, as far as `test_readme` (which runs it whole, from a clean checkout) does not show it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.cli import demo
from gateway.cli.faults import Fault
from gateway.embedded.home import Home
from tests.gateway.cli.conftest import Shell
from tests.kit import kit


@pytest.mark.slow
def test_the_head_of_the_kit_goes_through_both_tools(shell: Shell) -> None:
    """On the server that runs; the pictures show a head: bright within, dark around, and its top half is not empty."""
    place = kit()
    done = Shell(shell.environment | {"CHRYSALIS_KIT": str(place)})("demo")
    assert done.returncode == 0, done.stderr
    assert "runs already" in done.stderr
    for line in ("pl-dicom-to-nifti", "pl-slice-report"):
        (took,) = re.findall(rf"^{line} +([\d, ]+)$", done.stderr, re.MULTILINE)
        assert len(took.split()) == len(("queued", "staged", "running", "published", "total"))
    report = Path(re.findall(r"^The report, here: +(.+)$", done.stdout, re.MULTILINE)[0])
    assert report.stat().st_size > 100_000
    (axial,) = report.parent.glob("*/axial.png")
    page = np.asarray(Image.open(axial), dtype=float)
    assert page[70:150, 590:680].mean() > 2 * page[:60, 190:230].mean()


@pytest.mark.slow
def test_a_demo_that_is_ended_takes_its_server_with_it(user: Callable[[Path], Shell], tmp_path: Path) -> None:
    with user(tmp_path / "home").begin("demo") as process:
        assert process.stderr is not None
        assert "Chrysalis started at" in process.stderr.readline()
        assert "password of the user 'admin'" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 128 + signal.SIGTERM
    Home(tmp_path / "home").lock().release()  # refused while a server lives
    assert "password" not in (tmp_path / "home/logs/demo-server.log").read_text()


@pytest.mark.parametrize("name", demo.CHAIN)
def test_the_plugins_of_the_demo_are_found(name: str) -> None:
    assert (demo.reference(name) / "pyproject.toml").is_file()


def test_a_missing_plugin_is_a_sentence() -> None:
    with pytest.raises(Fault, match="install Chrysalis anew"):
        demo.reference("pl-none")
