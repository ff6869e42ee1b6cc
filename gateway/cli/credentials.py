"""Where the server is and who asks: from the environment, else from the file that `chrysalis serve` writes.

The file is `gateway.embedded.home`'s; it is read here without that module, which would cost the command 0.1 s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
