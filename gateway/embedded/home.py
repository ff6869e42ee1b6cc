"""$CHRYSALIS_HOME: the one folder that holds all that a server on one machine must remember.

    catalog.db  broker.db  sweep      the catalog, the broker's messages, and whether the sweep is armed
    store/  pods/  plugins/           objects, run directories (one file system: hard links), environments
    trials/                           sources that `plugin run` and `plugin check` have tried, and their runs
    keys/jobs/<kid>.pem               Ed25519 keys that sign job tokens          the largest kid signs; it and the one
    keys/events/<kid>.key             HMAC keys that sign events, 32 bytes       before it are believed
    credentials                       where the server is, and a token for the command line
    lock  logs/

Folders are for their owner only (0700), files with secrets too (0600). One server at a time holds the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from functions.errors import Permanent
from functions.signatures import SigningKeys
from functions.tokens import Minter

VARIABLE = "CHRYSALIS_HOME"
FOLDERS = ("store", "plugins", "pods", "keys", "keys/jobs", "keys/events", "logs")
BELIEVED = 2
"""How many keys of a kind are believed: the current one and the one before a rotation."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Credentials:
    """How the command line reaches the server of a home. `url` has no slash at its end."""

    url: str
    username: str
    token: str


@dataclass(frozen=True)
class Home:
    """The folder of one server. Methods raise Permanent with a sentence where the folder cannot be used."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        return cls(Path(environment.get(VARIABLE) or "~/.chrysalis").expanduser().absolute())

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.db"

    @property
    def broker(self) -> Path:
        return self.root / "broker.db"

    @property
    def sweep(self) -> Path:
        return self.root / "sweep"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def create(self) -> None:
        """Make what is missing, and shut it to others. Safe to repeat; nothing that is there is replaced."""
        with explained(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.root.stat().st_uid != os.geteuid():
                raise Permanent(f"The folder {self.root} belongs to another user. Set {VARIABLE} to one of your own.")
            close_to_others(self.root)
            for name in FOLDERS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
                close_to_others(self.root / name)
            for kind in KINDS:
                if not self._kids(kind):
                    self._add_key(kind)

    def lock(self) -> HomeLock:
        """Be the one server of this home, until `release` or the end of the process. Raises Permanent if another is."""
        return HomeLock(self.root)

    # keys

    def minter(self) -> Minter:
        """The key that signs job tokens."""
        kid, pem = self._keys("jobs")[0]
        return Minter.from_pem(kid, pem)

    def token_keys(self) -> dict[str, Ed25519PublicKey]:
        """The public keys by which job tokens are believed."""
        return {kid: Minter.from_pem(kid, pem).key.public_key() for kid, pem in self._keys("jobs")}

    def signing_keys(self) -> SigningKeys:
        """The keys that sign events."""
        keys = self._keys("events")
        return SigningKeys(keys[0][0], dict(keys))

    def rotate_keys(self) -> None:
        """Sign with new keys; the last are still believed, older ones are deleted. A server reads them at its start."""
        with explained(self.root):
            for kind in KINDS:
                self._add_key(kind)
                for kid in self._kids(kind)[BELIEVED:]:
                    self._key_file(kind, kid).unlink()

    def _keys(self, kind: str) -> list[tuple[str, bytes]]:
        """The keys that are believed, newest first."""
        with explained(self.root):
            keys = [(str(kid), self._key_file(kind, kid).read_bytes()) for kid in self._kids(kind)[:BELIEVED]]
        if not keys:
            raise Permanent(f"There are no keys in {self.root / 'keys' / kind}; start the server once to make them.")
        return keys

    def _kids(self, kind: str) -> list[int]:
        files = (self.root / "keys" / kind).glob(f"*{KINDS[kind].suffix}")
        return sorted((int(file.stem) for file in files if file.stem.isdigit()), reverse=True)

    def _key_file(self, kind: str, kid: int) -> Path:
        return self.root / "keys" / kind / f"{kid}{KINDS[kind].suffix}"

    def _add_key(self, kind: str) -> None:
        kid = max(self._kids(kind), default=0) + 1
        write_secret(self._key_file(kind, kid), KINDS[kind].make(), replace=False)

    # credentials

    @property
    def credentials(self) -> Path:
        return self.root / "credentials"

    def write_credentials(self, credentials: Credentials) -> None:
        with explained(self.root):
            write_secret(self.credentials, json.dumps(asdict(credentials), indent=2).encode() + b"\n")

    def read_credentials(self) -> Credentials:
        """Raises Permanent with the next step if no server has run here."""
        try:
            return Credentials(**json.loads(self.credentials.read_bytes()))
        except FileNotFoundError as error:
            raise Permanent(f"No server has run in {self.root} yet; start one: `chrysalis serve`.") from error
        except (OSError, ValueError, TypeError) as error:
            raise Permanent(
                f"{self.credentials} cannot be read ({error}). `chrysalis serve` writes it anew."
            ) from error


class HomeLock:
    """An flock(2) on the file `lock`, which holds the pid of the server. The kernel lets it go when the process ends.

    It is not passed on to programs that are started, only to a bare fork: whoever forks without exec must close it.
    """

    def __init__(self, root: Path) -> None:
        with explained(root):
            self._file = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            other = f"process {pid}" if pid.isdigit() else "another process"
            raise Permanent(
                f"A server already uses {root} ({other}). Stop it, or set {VARIABLE} to another folder."
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def new_password() -> str:
    """A random password to read and type: five groups of four, 99 bits, no letters that look alike."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(5))


@dataclass(frozen=True)
class KeyKind:
    suffix: str
    make: Callable[[], bytes]


def make_ed25519() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_hmac() -> bytes:
    return secrets.token_bytes(32)


KINDS = {"jobs": KeyKind(".pem", make_ed25519), "events": KeyKind(".key", make_hmac)}


def close_to_others(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        folder.chmod(mode & 0o700)


def write_secret(path: Path, body: bytes, *, replace: bool = True) -> None:
    """Write a file for its owner only, whole or not at all; without `replace`, an earlier one stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Permanent(
            f"The folder {root} cannot be used ({error}). Set {VARIABLE} to one that you may write to."
        ) from error
