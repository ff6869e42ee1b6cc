"""`python -m images [NAME...]`: build images with buildah and write each as an OCI archive below build/images.

Twice the same sources give the same digest: times are zero, byte code carries hashes, the base is made once and kept.
Run as root (debootstrap, chroot). With a Docker engine none of this is needed: `docker build -f DOCKERFILE .`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "build" / "images"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chrysalis-images"
SUITE = "bookworm"
PACKAGES = ("python3", "ca-certificates", "catatonit")
# What a base for containers has no use for, or what differs from one debootstrap to the next.
UNWANTED = (
    "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*", "usr/share/lintian/*",
    "var/cache/apt/*", "var/cache/debconf/*", "var/cache/ldconfig/*", "var/lib/apt/lists/*", "var/lib/dpkg/*-old",
    "var/log/*", "etc/hostname", "etc/machine-id", "etc/resolv.conf", "dev/*",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One image: where its Dockerfile is, and the folder that it sees."""

    name: str
    dockerfile: str
    context: str = "."

    @property
    def tag(self) -> str:
        return f"dev.local/chrysalis/{self.name}:1"


RECIPES = (Recipe("movers", "functions/movers/Dockerfile"),)


class BuildError(Exception):
    """An image cannot be built; the sentence says why."""


def main(names: list[str]) -> int:
    known = {recipe.name: recipe for recipe in RECIPES}
    if unknown := set(names) - set(known):
        sys.stderr.write(f"No image is called {', '.join(sorted(unknown))}; there are: {', '.join(known)}.\n")
        return 2
    try:
        make_base()
        for name in names or known:
            sys.stdout.write(f"{build(known[name])}\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def build(recipe: Recipe) -> str:
    """One line: the name, the digest and the size. The archive is `build/images/NAME.tar`."""
    words = ["--timestamp", "0", "--isolation", "chroot", "--pull=never", "--no-cache", "--format", "oci"]
    words += ["--build-arg", f"BASE={base_tag()}", "-f", str(ROOT / recipe.dockerfile), "-t", recipe.tag]
    run(*buildah("build", *words, str(ROOT / recipe.context)))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    target = OUTPUT / f"{recipe.name}.tar"
    target.unlink(missing_ok=True)
    digest_file = OUTPUT / f"{recipe.name}.digest"
    run(*buildah("push", "--digestfile", str(digest_file), recipe.tag, f"oci-archive:{target}:{recipe.tag}"))
    megabytes = target.stat().st_size / 1e6
    return f"{recipe.name} {digest_file.read_text().strip()} {megabytes:.1f} MB compressed"


def base_key() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def base_tag() -> str:
    return f"localhost/chrysalis-base:{base_key()}"


def make_base() -> None:
    """Debian with Python by debootstrap, as an image of one layer; kept until this file changes."""
    layer = CACHE / f"base-{base_key()}.tar"
    if not layer.exists():
        _make_layer(layer)
    if subprocess.run(buildah("inspect", "--type", "image", base_tag()), capture_output=True, check=False).returncode:
        container = run(*buildah("from", "scratch")).strip()
        run(*buildah("add", container, str(layer), "/"))
        run(*buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", "--cmd", "python3", container))
        run(*buildah("commit", "--rm", "--timestamp", "0", container, base_tag()))


def _make_layer(layer: Path) -> None:
    layer.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chrysalis-base-", dir=layer.parent) as scratch:
        root = Path(scratch) / "root"
        run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root), mirror())
        for pattern in UNWANTED:
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in (root / "etc").glob("shadow*"):  # holds the day of its making
            path.write_text(re.sub(r"(?m)^(\w+:[^:]*:)\d+:", r"\g<1>1:", path.read_text()))
        for folder in root.rglob("__pycache__"):
            shutil.rmtree(folder)
        compile_all = (
            "PYTHONHASHSEED=0 python3 -m compileall -q -j1 --invalidation-mode unchecked-hash /usr/lib/python3.11"
        )
        run("chroot", str(root), "sh", "-c", compile_all)
        part = Path(scratch) / "layer.tar"
        run("tar", "--sort=name", "--mtime=@0", "--numeric-owner", "-C", str(root), "-cf", str(part), ".")
        part.rename(layer)


def mirror() -> str:
    """The address from which this machine's own apt takes its packages."""
    sites = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages").splitlines()
    plain = [line.split()[0] for line in sites if line.endswith(f" {SUITE}")]
    if not plain:
        raise BuildError(f"apt knows no address for {SUITE}: run `apt-get update` first.")
    return plain[0]


def buildah(*words: str) -> list[str]:
    """With a store of its own, so that images of other people on the machine are left alone."""
    store = ["--root", str(CACHE / "store"), "--runroot", str(CACHE / "run"), "--storage-driver", "overlay"]
    return ["buildah", *store, *words]


def run(*argv: str) -> str:
    """What a program printed. Raises BuildError with the end of its complaint."""
    if shutil.which(argv[0]) is None:
        raise BuildError(f"{argv[0]} is missing: install Debian's buildah and debootstrap.")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise BuildError(f"{' '.join(argv[:3])} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
