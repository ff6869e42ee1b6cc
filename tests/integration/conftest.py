"""Machines on both stores: plain files, and a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.settings import S3Settings, Settings
from tests.servers import SeaweedFS


@pytest.fixture(params=["directory", "seaweedfs"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of a fresh machine, on each of the stores."""
    home = tmp_path / "home"
    if request.param == "directory":
        return Settings(home)
    seaweed: SeaweedFS = request.getfixturevalue("seaweed")
    return Settings(home, s3=s3_settings(seaweed))


def s3_settings(seaweed: SeaweedFS, endpoint: str = "") -> S3Settings:
    """A fresh bucket of a server; `endpoint` if it is reached through something else."""
    return S3Settings(
        bucket=seaweed.new_bucket(),
        endpoint=endpoint or seaweed.endpoint,
        access_key=seaweed.access_key,
        secret_key=seaweed.secret_key,
        region=seaweed.region,
    )
