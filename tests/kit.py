"""The kit of test data: $CHRYSALIS_KIT, else ../shared/data beside the checkout. Tests that need it ask for it here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.cli import demo


def kit() -> Path:
    """Skips the test where there is no kit; fails it where the kit is required (REQUIRE_KIT)."""
    found = demo.kit(os.environ)
    if found is None and os.environ.get("REQUIRE_KIT"):
        pytest.fail("REQUIRE_KIT is set, and there is no kit of test data: set CHRYSALIS_KIT to its folder.")
    if found is None:
        pytest.skip("no kit of test data (CHRYSALIS_KIT)")
    return found
