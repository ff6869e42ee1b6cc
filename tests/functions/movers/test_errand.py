"""How a mover leaves word of its end."""

from __future__ import annotations

import json
from pathlib import Path

from functions.errors import Permanent
from functions.movers.errand import FAULTY, conclude


def test_the_report_replaces_the_file_whole(tmp_path: Path) -> None:
    place = tmp_path / "report"
    place.write_text("x" * 10_000)
    assert conclude({"CHRYSALIS_TERMINATION": str(place)}, lambda: {"left_out": 1}) == 0
    assert json.loads(place.read_text()) == {"left_out": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_the_report_is_written_into_a_file_beside_which_nothing_can_be_made(tmp_path: Path) -> None:
    """So a kubelet hands out /dev/termination-log: the file itself is a mount."""
    place = tmp_path / "termination-log"
    place.touch()
    (tmp_path / "termination-log.new").mkdir()  # stands in for the refusal, also where the test runs as root
    assert conclude({"CHRYSALIS_TERMINATION": str(place)}, _fails) == FAULTY
    assert json.loads(place.read_text()) == {"sentence": "The disk is full."}


def _fails() -> dict[str, object]:
    raise Permanent("The disk is full.")
