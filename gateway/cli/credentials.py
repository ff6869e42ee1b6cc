"""Where the server is and who asks: from the environment, else from the file that `chrysalis serve` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.faults import Fault, Unreachable

FILE = "credentials"


@dataclass(frozen=True)
class Credentials:
    """`url` is the server's address up to the API's root, without a slash at its end: http://127.0.0.1:8000"""

    url: str
    token: str
    username: str = ""


def home(environment: Mapping[str, str]) -> Path:
    """The folder of all state: $CHRYSALIS_HOME, else ~/.chrysalis."""
    chosen = environment.get("CHRYSALIS_HOME", "")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".chrysalis"


def find(environment: Mapping[str, str]) -> Credentials:
    """Raises Unreachable when nobody said where the server is, and Fault when what was said cannot be used."""
    written = read(home(environment) / FILE)
    url = environment.get("CHRYSALIS_URL") or (written.url if written else "")
    if not url:
        raise Unreachable(
            "No server is known here: start one with `chrysalis serve`, or set CHRYSALIS_URL and CHRYSALIS_TOKEN."
        )
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Fault(f"{url!r} is no address of a server: write CHRYSALIS_URL like http://127.0.0.1:8000.")
    # The file's token is for the file's server alone: another address must not learn it.
    same = written is not None and written.url == url.rstrip("/")
    token = environment.get("CHRYSALIS_TOKEN") or (written.token if written and same else "")
    return Credentials(url.rstrip("/"), token, written.username if written and same else "")


def read(path: Path) -> Credentials | None:
    """None when there is no file. Raises Fault when it is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Credentials(value["url"].rstrip("/"), value["token"], value.get("username", ""))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(f"{path} cannot be read: remove it and start the server again with `chrysalis serve`.") from error


def write(path: Path, credentials: Credentials) -> None:
    """For the owner's eyes only, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(credentials), stream)
    draft.replace(path)
