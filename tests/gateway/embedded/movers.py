"""Movers for tests of the launcher: small, real, and told by their token what to do.

The token is a JSON object: `input` is what stage-in writes, `stage_in` and `stage_out` are exit codes, `hold` is a FIFO
that stage-out waits at. Each run leaves a line in the folder that the URL names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def stage_in(environ: Mapping[str, str]) -> int:
    told = json.loads(environ["CHRYSALIS_TOKEN"])
    note(Path(environ["CHRYSALIS_STAGE_URL"]) / "staged", environ)
    Path(environ["CHRYSALIS_INCOMING"], "a.txt").write_text(told.get("input", "hello"))
    if told.get("stage_in") == 65:
        Path(environ["CHRYSALIS_TERMINATION"]).write_text(json.dumps({"sentence": "The input b.dcm is missing."}))
    return told.get("stage_in", 0)


def stage_out(environ: Mapping[str, str]) -> int:
    told = json.loads(environ["CHRYSALIS_TOKEN"])
    place = Path(environ["CHRYSALIS_PUBLISH_URL"])
    note(place / "published", environ)
    if "hold" in told:
        Path(told["hold"]).read_bytes()
    if told.get("stage_out") == 65:
        Path(environ["CHRYSALIS_TERMINATION"]).write_text(json.dumps({"sentence": "Two outputs have one name."}))
        return 65
    if "die_once" in told and not Path(told["die_once"]).exists():
        Path(told["die_once"]).touch()
        os.abort()
    shutil.copytree(
        environ["CHRYSALIS_OUTGOING"], place / f"out-{told['job']}-{environ['CHRYSALIS_INDEX']}", symlinks=True
    )
    return told.get("stage_out", 0)


def note(file: Path, environ: Mapping[str, str]) -> None:
    """A line in one write: several pods write the same file."""
    shown = {name: value for name, value in environ.items() if name != "CHRYSALIS_TOKEN"}
    line = json.dumps({**shown, "job": json.loads(environ["CHRYSALIS_TOKEN"])["job"]}) + "\n"
    with open(file, "ab", buffering=0) as notes:
        notes.write(line.encode())
