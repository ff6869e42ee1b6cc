"""The committed schemas say what the code says."""

from __future__ import annotations

import jsonschema
import pytest

from functions.payloads import TABLE, EventType, describe
from functions.schemas import FOLDER, PAGE, place, render, render_page


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_schema_is_current_and_valid(row: EventType) -> None:
    jsonschema.Draft202012Validator.check_schema(describe(row))
    assert place(row).read_text() == render(row), "run: python -m functions.schemas"


def test_no_schema_is_left_of_a_type_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {row.name for row in TABLE}


def test_the_page_about_events_is_current() -> None:
    assert PAGE.read_text() == render_page(), "run: python -m functions.schemas"
