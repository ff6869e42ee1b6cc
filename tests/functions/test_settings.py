"""Settings are read once, and every fault is told at once with the variable's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.errors import Permanent
from functions.settings import read_settings


def test_nothing_set_means_a_laptop() -> None:
    settings = read_settings({})
    assert settings.s3 is None
    assert settings.home == Path.home() / ".chrysalis"
    assert settings.places >= 4


def test_every_fault_is_told_at_once() -> None:
    wrong = {"CHRYSALIS_SLOTS": "-1", "CHRYSALIS_SIGN_UP": "perhaps", "CHRYSALIS_S3_BUCKET": "b"}
    with pytest.raises(Permanent) as caught:
        read_settings(wrong)
    for name in ("SLOTS", "SIGN_UP", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert f"CHRYSALIS_{name}" in str(caught.value)


def test_a_secret_may_lie_in_a_file_and_is_never_printed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush\n")
    s3 = {"BUCKET": "b", "ENDPOINT": "http://s", "ACCESS_KEY": "a", "SECRET_KEY_FILE": str(tmp_path / "key")}
    settings = read_settings({f"CHRYSALIS_S3_{name}": value for name, value in s3.items()})
    assert settings.s3 is not None
    assert settings.s3.secret_key == "hush"
    assert "hush" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named() -> None:
    with pytest.raises(Permanent, match="CHRYSALIS_S3_SECRET_KEY_FILE"):
        read_settings({"CHRYSALIS_S3_BUCKET": "b", "CHRYSALIS_S3_SECRET_KEY_FILE": "/nowhere"})
