"""The ledger survives being killed at any byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from functions.movers.ledger import Ledger
from functions.records import Output

OUTPUTS = [Output(f"é/{number}", f"k/{number}", number, f"e{number}", "ab" * 32) for number in range(5)]


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.append(OUTPUTS[:3])
    ledger.append(OUTPUTS[3:])
    ledger.close()
    again = Ledger(str(tmp_path))
    assert list(again.outputs()) == OUTPUTS
    body = Path(again.manifest).read_bytes()
    assert again.seal() == (hashlib.sha256(body).hexdigest(), len(body))
    again.close()


@pytest.mark.parametrize("lost", [1, 2, 50, 100, 150])
def test_a_line_that_is_half_written_is_cut_off(tmp_path: Path, lost: int) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.append(OUTPUTS)
    ledger.close()
    place = Path(ledger.manifest)
    place.write_bytes(place.read_bytes()[:-lost])
    again = Ledger(str(tmp_path))
    kept = list(again.outputs())
    assert kept == OUTPUTS[: len(kept)]
    assert len(kept) >= 3
    again.append(OUTPUTS[len(kept) :])
    assert list(again.outputs()) == OUTPUTS
    again.close()


def test_notes_are_kept_until_their_batch_is_done(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    assert list(ledger.notes()) == []
    ledger.note({"done": "a"})
    ledger.note({"done": "b\nc"})
    ledger.close()
    again = Ledger(str(tmp_path))
    assert list(again.notes()) == [{"done": "a"}, {"done": "b\nc"}]
    again.append([])
    assert list(again.notes()) == []
    again.close()


def test_a_note_that_is_half_written_spoils_only_itself_and_the_next(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.note({"done": "a"})
    ledger.note({"done": "b"})
    ledger.close()
    place = Path(ledger.diary)
    place.write_bytes(place.read_bytes()[:-4])
    again = Ledger(str(tmp_path))
    again.note({"done": "c"})
    again.note({"done": "d"})
    assert list(again.notes()) == [{"done": "a"}, {"done": "d"}]
    again.close()


def test_a_small_job_takes_no_notes(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.append(OUTPUTS)
    ledger.close()
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.ndjson"]


def test_lines_after_a_cut_are_gone(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.append(OUTPUTS)
    ledger.cut(2)
    assert list(ledger.outputs()) == OUTPUTS[:2]
    ledger.append(OUTPUTS[4:])
    assert list(ledger.outputs()) == [*OUTPUTS[:2], OUTPUTS[4]]
    ledger.close()
