"""What went wrong while a plugin was installed, in one sentence: the cause, and what to do. Pure.

pip tells its causes in many lines of prose; what they look like was read from pip 23 to 26.
"""

from __future__ import annotations

import platform
import re

NO_SANDBOX = (
    "No sandbox works on this machine, so it does not run plugins that others wrote. Install bubblewrap and allow "
    "unprivileged user namespaces, or set CHRYSALIS_UNSANDBOXED=1 to run them with your own rights."
)
OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError|"
    r"Temporary failure in name resolution|Connection refused|Network is unreachable|Max retries exceeded"
)
OTHER_PYTHON = re.compile(r"requires a different Python: \S+ not in '([^']+)'")
OTHER_PYTHONS = re.compile(r"Ignored the following versions that require a different python version: (.+)")
WANTED = re.compile(r"(\S+) Requires-Python ([^;\n]+)")
GONE = (
    (re.compile(r"No module named '(?:distutils|imp|asyncore|asynchat|smtpd)[.']"), "<3.12"),
    (re.compile(r"No module named '(?:cgi|crypt|imghdr|pipes|sndhdr|telnetlib|uu|xdrlib)'"), "<3.13"),
    (re.compile(r"module 'inspect' has no attribute 'getargspec'"), "<3.11"),
    (re.compile(r"cannot import name '\w+' from 'collections' "), "<3.10"),
)
"""What newer Pythons have taken away, and the Pythons that have it (https://docs.python.org/3/whatsnew/)."""
NONE_SUCH = re.compile(r"Could not find a version that satisfies the requirement (.+?) \(from versions: (.*)\)")
BROKEN = re.compile(r"subprocess-exited-with-error|metadata-generation-failed|Failed (to build|building wheel)")
UNDECLARED = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)
CONFLICT = re.compile(r"ResolutionImpossible|conflicting dependencies")


def install(text: str, asked: str) -> str:
    """Why pip could not install what was asked."""
    if wanted := other_python(text, asked):
        return _needs_python(asked, wanted)
    if "No space left on device" in text:
        return f"The disk is full: {asked} cannot be installed. Free some space and try again."
    if OFFLINE.search(text):
        return f"The package index cannot be reached for {asked}. Check the network, or PIP_INDEX_URL, and try again."
    if found := NONE_SUCH.search(text):
        return _none_such(found[1], found[2])
    if CONFLICT.search(text):
        return (
            f"What {asked} depends on contradicts itself: {_error(text)} Ask for another version, or tell its author."
        )
    if BROKEN.search(text):
        return f"{asked} breaks while it is being built: {_cause(text)} Ask for another version, or tell its author."
    if "does not appear to be a Python project" in text:
        return f"{asked} is no Python package: it has no pyproject.toml and no setup.py."
    return f"{asked} cannot be installed: {_error(text)}"


def describe(text: str, name: str) -> str:
    """Why a package told no descriptor."""
    if wanted := other_python(text, name):
        return _needs_python(name, wanted)
    if "Could not find" in text and "distribution" in text:
        return no_plugin(name)
    if missing := UNDECLARED.findall(text):
        return (
            f"{name} uses the Python module {missing[-1]} but does not say that it needs a package that has it, "
            "so it cannot start. Ask for another version, or tell its author."
        )
    return f"{name} does not tell what it is: {last_line(text)} Ask for another version, or tell its author."


def no_plugin(name: str) -> str:
    return f"{name} is a package but no ChRIS plugin: it depends on neither chris_plugin nor chrisapp."


def no_program(name: str) -> str:
    return (
        f"{name} depends on chrisapp but installs no program: there is nothing to run. "
        "Its author has to name one in `scripts` or `entry_points`; until then it runs from its container image only."
    )


def other_python(text: str, asked: str) -> str:
    """The Pythons that a package needs, as a specifier, where it said or showed that this one is not among them."""
    if found := OTHER_PYTHON.search(text):
        return found[1]
    if (ignored := OTHER_PYTHONS.search(text)) and NONE_SUCH.search(text):
        rows = WANTED.findall(ignored[1])
        version = asked.rpartition("==")[2].strip()
        return next((wanted.strip() for known, wanted in reversed(rows) if known == version or "==" not in asked), "")
    return next((wanted for pattern, wanted in GONE if pattern.search(text)), "")


def pythons(known: list[str]) -> str:
    """What to do where no Python of this machine fits."""
    others = f"the others here ({', '.join(known)}) do not fit either" if known else "there is no other one here"
    return f"Of this machine's Pythons none fits: {others}."


def _needs_python(name: str, wanted: str) -> str:
    return (
        f"{name} needs another Python ({wanted}; this one is {platform.python_version()}). "
        "Install such a Python beside it (with pyenv, uv or your system) and add the plugin again, "
        "or ask for another version of the plugin."
    )


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _sentence(lines[-1]) if lines else "it said nothing."


def _none_such(wanted: str, versions: str) -> str:
    wanted, _, parent = wanted.partition(" (from ")
    because = f", which {parent.rstrip(')')} needs," if parent else ""
    known = [version for version in versions.split(", ") if version not in ("", "none")]
    if not known:
        return f"There is no package {wanted!r}{because} that fits this machine. Check how the name is written."
    return f"There is no version {wanted!r}{because} to be had. The newest are {', '.join(known[-5:])}."


def _cause(text: str) -> str:
    """The last line of the build's own output, which pip puts into a box."""
    box = text.split("[end of output]")[0]
    lines = [line.strip(" │╰─>") for line in box.splitlines()]
    return _sentence(next((line for line in reversed(lines) if line), "it said nothing"))


def _error(text: str) -> str:
    lines = [line.partition("ERROR:")[2].strip() for line in text.splitlines() if "ERROR:" in line]
    return _sentence(lines[0]) if lines else last_line(text)


def _sentence(line: str) -> str:
    return line if line.endswith((".", "!", "?")) else line + "."
