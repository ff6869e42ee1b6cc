"""The images of the test cluster: pause, tools, Knative and Kueue, and a Python for functions of the tests.

All are named dev.local/...: Knative asks no registry about that name.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.cluster.node import builds
from tests.cluster.node.layouts import File, Image, folder_files, write
from tests.cluster.node.places import Places
from tests.cluster.node.steps import ClusterError

PAUSE = "dev.local/pause:1"
TOOLS = "dev.local/tools:1"
PYTHON = "dev.local/python:1"
PACKAGES = ("flask", "cheroot", "cloudevents")
APPS = Path(__file__).parents[1] / "apps"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
ACCOUNTS = File("etc/passwd", text=b"root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n", mode=0o644)
TMP = File("tmp/.keep", mode=0o644)


def name_of(module: builds.Module, program: str) -> str:
    """`dev.local/serving/controller:1` of ko://knative.dev/serving/cmd/controller."""
    return f"dev.local/{module.name}/{program}:1"


def archives(at: Places, modules: Iterable[builds.Module]) -> list[Path]:
    """Archives of the tools, of a Python and of these modules, made where none is kept."""
    return [tools(at), python(at), *(of_module(at, each) for each in modules)]


def of_module(at: Places, module: builds.Module) -> Path:
    """One archive: all programs of a module in one layer, one image each."""
    programs = builds.programs(at, module)
    archive = at.cache / "images" / f"{programs.name}.tar"
    if not archive.exists():
        files = [File(f"app/{name}", source=programs / name) for name in module.programs]
        # Kueue's Deployment names /manager as its command.
        files += [File("manager", link="/app/kueue")] if module is builds.KUEUE else []
        images = [Image(name_of(module, name), [f"/app/{name}"]) for name in module.programs]
        write(archive, [*files, *_common()], images)
    return archive


def tools(at: Places) -> Path:
    """busybox with a link for each of its tools, catatonit, and pause, which is catatonit waiting."""
    busybox, catatonit = _program("busybox"), _program("catatonit")
    archive = at.cache / "images" / f"tools-{_key([busybox.read_bytes(), catatonit.read_bytes()])}.tar"
    if not archive.exists():
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        files = [File("bin/busybox", source=busybox), File("bin/catatonit", source=catatonit)]
        files += [File(f"bin/{name}", link="busybox") for name in applets if name not in ("busybox", "catatonit")]
        images = [Image(PAUSE, ["/bin/catatonit", "-P"]), Image(TOOLS, [])]
        write(archive, [*files, *_common()], images)
    return archive


def python(at: Places) -> Path:
    """The interpreter that runs this, with what a function needs and the apps of the tests, all compiled ahead."""
    chosen = _closure(PACKAGES)
    apps = sorted(APPS.glob("*.py"))
    versions = [sys.version, *(f"{each.metadata['Name']} {each.version}" for each in chosen)]
    key = _key([each.encode() for each in versions] + [each.read_bytes() for each in apps])
    archive = at.cache / "images" / f"python-{key}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory(prefix="chrysalis-image-") as scratch:
            root = Path(scratch)
            _lay_python(root, chosen, apps)
            env = {"LD_LIBRARY_PATH": "/usr/local/lib", "PYTHONUNBUFFERED": "1", "PYTHONPATH": "/app"}
            images = [Image(PYTHON, ["/usr/local/bin/python3"], env, folder="/tmp")]
            write(archive, [*_below(root), *_common()], images)
    return archive


def _lay_python(root: Path, chosen: Sequence[importlib.metadata.Distribution], apps: Sequence[Path]) -> None:
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = root / "usr/local/lib" / short
    unwanted = shutil.ignore_patterns(
        "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__",
        "config-*", "_tkinter*",
    )  # fmt: skip
    shutil.copytree(Path(sys.base_prefix) / "lib" / short, library, ignore=unwanted)
    interpreter = root / "usr/local/bin/python3"
    interpreter.parent.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), interpreter)
    for distribution in chosen:
        _lay_distribution(library / "site-packages", distribution)
    (root / "app").mkdir()
    for app in apps:
        shutil.copy(app, root / "app")
    _lay_libraries(root, [interpreter, *library.rglob("*.so*")])
    compiler = [sys.executable, "-m", "compileall", "-q", "-j1", "--invalidation-mode=unchecked-hash"]
    subprocess.run([*compiler, "-s", str(root), "-p", "/", str(library), str(root / "app")], check=True)


def _lay_distribution(target: Path, distribution: importlib.metadata.Distribution) -> None:
    for file in distribution.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(file.locate()), destination)


def _lay_libraries(root: Path, programs: Iterable[Path]) -> None:
    """Shared libraries at their own paths; those beside the interpreter in /usr/local/lib."""
    listing = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    for path in sorted(set(re.findall(r"(/\S+) \(0x", listing))):
        source = Path(path)
        ours = source.is_relative_to(sys.base_prefix)
        target = root / "usr/local/lib" / source.name if ours else root / path.lstrip("/")
        if not source.is_relative_to(root) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _closure(names: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The distributions that these need, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or ():
            if "extra ==" not in line and "python_version <" not in line and "platform_system" not in line:
                waiting.append(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])
    return [found[name] for name in sorted(found)]


def _below(root: Path) -> list[File]:
    return [
        File(file.path.removeprefix("./"), file.source, file.text, file.link, file.mode)
        for file in folder_files(root, ".")
    ]


def _common() -> list[File]:
    files = [ACCOUNTS, TMP]
    return [*files, File("etc/ssl/certs/ca-certificates.crt", CERTIFICATES)] if CERTIFICATES.exists() else files


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ClusterError(f"{name} is missing: `make cluster-packages` installs what the cluster needs.")
    return Path(found)


def _key(parts: Sequence[bytes]) -> str:
    mine = [Path(__file__).read_bytes(), Path(__file__).with_name("layouts.py").read_bytes()]
    digest = hashlib.sha256()
    for part in (*parts, *mine):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]
