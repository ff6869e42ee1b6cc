from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.credentials import Credentials, find, home
from gateway.cli.faults import Fault, Unreachable
from gateway.embedded.home import Credentials as Written
from gateway.embedded.home import Home


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose server has written its credentials."""
    Home(tmp_path).create()
    Home(tmp_path).write_credentials(Written("http://127.0.0.1:8000", "admin", "secret"))
    return {"CHRYSALIS_HOME": str(tmp_path)}


def test_the_server_of_the_home_is_found(written: dict[str, str]) -> None:
    assert find(written) == Credentials("http://127.0.0.1:8000", "secret", "admin")


def test_the_environment_comes_first(written: dict[str, str]) -> None:
    chosen = {"CHRYSALIS_URL": "https://lab.example/", "CHRYSALIS_TOKEN": "other"}
    assert find(written | chosen) == Credentials("https://lab.example", "other")


def test_the_token_of_the_home_goes_to_no_other_server(written: dict[str, str]) -> None:
    assert find(written | {"CHRYSALIS_URL": "http://127.0.0.1:9"}).token == ""
    assert find(written | {"CHRYSALIS_URL": "http://127.0.0.1:8000/"}).token == "secret"


def test_without_a_server_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="chrysalis serve"):
        find({"CHRYSALIS_HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"url": 1, "token": "x"})])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials").write_text(text)
    with pytest.raises(Fault, match="cannot be read"):
        find({"CHRYSALIS_HOME": str(tmp_path)})


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "file:///etc/passwd"])
def test_an_odd_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Fault, match="is no address of a server"):
        find({"CHRYSALIS_HOME": str(tmp_path), "CHRYSALIS_URL": url})


def test_the_home_is_the_servers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in ({}, {"CHRYSALIS_HOME": str(tmp_path)}, {"CHRYSALIS_HOME": "relative"}):
        assert home(environment) == Home.from_environment(environment).root
