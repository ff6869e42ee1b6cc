"""The JSON Schema of every event's data, written to `functions/schemas/`: `python -m functions.schemas`."""

from __future__ import annotations

import json
from pathlib import Path

from functions.payloads import TABLE, EventType, describe

FOLDER = Path(__file__).parent / "schemas"


def place(row: EventType) -> Path:
    return FOLDER / f"{row.name}.json"


def render(row: EventType) -> str:
    return json.dumps(describe(row), indent=2) + "\n"


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for row in TABLE:
        place(row).write_text(render(row))


if __name__ == "__main__":
    write()
