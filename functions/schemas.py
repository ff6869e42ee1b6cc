"""What is generated from the table of events: a JSON Schema of each, and the page about them.

`python -m functions.schemas` writes `functions/schemas/` and `docs/events.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from functions.payloads import TABLE, EventType, describe

FOLDER = Path(__file__).parent / "schemas"
PAGE = Path(__file__).parents[1] / "docs/events.md"
INTRODUCTION = """# Events

CloudEvents 1.0 in binary HTTP mode, signed with the tenant's key. The `id` is derived from what an event is about, so a
repeat has the same source and id. This page is written by `python -m functions.schemas` from the table in
`functions/payloads.py`; the schemas of the data lie in `functions/schemas/`.

| type | who sends it | who acts on it | ChRIS's status |
|---|---|---|---|
"""


def place(row: EventType) -> Path:
    return FOLDER / f"{row.name}.json"


def render(row: EventType) -> str:
    return json.dumps(describe(row), indent=2) + "\n"


def render_page() -> str:
    """The table and what each event says, in Markdown."""
    rows = "".join(
        f"| `{row.full}` | {', '.join(row.emitters)} | {', '.join(row.subscribers)} | {row.status} |\n" for row in TABLE
    )
    return INTRODUCTION + rows + "".join(render_section(row) for row in TABLE)


def render_section(row: EventType) -> str:
    described = describe(row)
    fields = "".join(f"- `{name}`: {explain(rule)}\n" for name, rule in described["properties"].items())
    return f"\n## {row.name}\n\n{described['description']}\n\n{fields}"


def explain(rule: dict[str, Any]) -> str:
    kind = rule["type"] if isinstance(rule["type"], str) else " or ".join(rule["type"])
    limits = [f"{name} {value}" for name, value in rule.items() if name in ("minimum", "minLength")]
    limits += [f"one of {', '.join(rule['enum'])}"] if "enum" in rule else []
    return ", ".join([kind, *limits])


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for row in TABLE:
        place(row).write_text(render(row))
    PAGE.write_text(render_page())


if __name__ == "__main__":
    write()
