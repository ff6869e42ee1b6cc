from __future__ import annotations

from pathlib import Path

from rich.console import Console, RenderableType

from gateway.cli import pages, tree


def text(what: RenderableType) -> list[str]:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(what)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_jobs_of_a_feed_stand_below_each_other() -> None:
    rows = [(1, None, "pl-dircopy"), (2, 1, "pl-a"), (3, 2, "pl-b"), (4, 1, "pl-[c]")]
    jobs = [{"id": a, "previous_id": b, "plugin_name": c, "status": "started", "title": ""} for a, b, c in rows]
    assert text(tree.of_feed(jobs[::-1], 3)) == [
        "1 pl-dircopy  started",
        "├── 2 pl-a  started",
        "│   └── 3 pl-b  started",
        "└── 4 pl-[c]  started",
    ]


def test_what_is_not_kept_of_a_result_is_told(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a.txt").write_text("abc")
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "x.chrislink").write_text("")
    found = tree.results(tmp_path)
    assert {one.path: one.lost for one in found} == {"inner/a.txt": "", "link": "a link", "x.chrislink": "a .chrislink"}
    assert text(tree.of_results("out", found))[0] == "out  1 files, 3 bytes"


def test_a_long_result_is_cut() -> None:
    found = [tree.Result(f"{number:04d}", 1) for number in range(100)]
    assert text(tree.of_results("out", found))[-1] == "└── … and 60 more"


def test_the_page_of_a_plugin_names_what_must_be_given() -> None:
    parameter = {"name": "model", "type": "string", "optional": False, "default": None, "flag": "--model"}
    parameter |= {"short_flag": "-m", "action": "store", "help": "[which] 100%%"}
    plugin = {"name": "pl-x", "version": "1", "type": "ds", "title": "X", "parameters": [parameter]}
    plugin |= {"min_cpu_limit": 1000, "max_cpu_limit": 2**31 - 1, "min_memory_limit": 200, "max_memory_limit": 400}
    shown = "\n".join(text(pages.of_plugin(plugin)))
    assert "CPU 1000m or more, memory 200 MiB to 400 MiB" in shown
    assert "-m, --model" in shown and "must be given" in shown and "[which] 100%" in shown
    assert "chrysalis run pl-x FOLDER --wait --download OUT -- --model TEXT" in shown
