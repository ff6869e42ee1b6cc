"""The log of a plugin: in order, and bounded whatever is printed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.embedded import joblog
from gateway.embedded.joblog import JobLog


def write(folder: Path, chunks: list[bytes], segment: int) -> bytes:
    log = JobLog(folder, segment=segment)
    for chunk in chunks:
        log.write(chunk)
    log.close()
    return joblog.read(folder, segment=segment)


@given(st.lists(st.binary(max_size=60), max_size=40), st.integers(1, 50))
def test_a_log_is_whole_or_keeps_both_ends_and_tells_what_lies_between(chunks: list[bytes], segment: int) -> None:
    whole = b"".join(chunks)
    with tempfile.TemporaryDirectory() as folder:
        kept = write(Path(folder), chunks, segment)
        assert sum(file.stat().st_size for file in Path(folder).iterdir()) <= 3 * segment
    if len(whole) <= 2 * segment:
        assert kept == whole
    else:
        notice = f"\n[... {len(whole) - 2 * segment} bytes were cut out here".encode()
        assert kept.startswith(whole[:segment] + notice) and kept.endswith(whole[-segment:])


def test_there_is_no_log_before_there_is_one(tmp_path: Path) -> None:
    assert joblog.read(tmp_path) == joblog.read(tmp_path / "none") == b""
