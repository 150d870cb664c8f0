"""Repositories of several projects, through the front door: real sandboxes, a scripted model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from egbot.config import Settings
from egbot.errors import SandboxError, UsageError
from egbot.local import Effects, Order, run_order
from egbot.ports import Sandbox
from egbot.progress import Progress, Report, Stage, silent
from egbot.records import Run, Tree
from egbot.report.files import read_run
from egbot.repository import Repository
from egbot.testing import Script
from egbot.tracing import TraceOrder, trace_order
from tests.shelf import DOUBLE, decoder_of, reasons

OVERRIDES: Mapping[str, object] = {
    "guidance": {"gamma": 0.0, "candidates": 0},
    "sandbox": {"backend": "process", "python": sys.executable},
}
SCRIPTS = {
    "double": DOUBLE,
    "full": Script('\n        return f"{self.first} {self.last}"\n'),
    "half": Script("\n    return 2\n"),
    "four": Script("\n    return 4\n"),
    "greet": Script('\n    return f"Hello {name}"\n'),
}
CORE = "def double(x):\n    raise NotImplementedError\n\n\ndef half(x):\n    return x / 2\n"
TEST_CORE = """\
from one.core import double, half

def test_double():
    assert double(3) == 6

def test_half(request):
    assert half(3) == 1.5
    assert (request.config.rootpath / "setup.cfg").is_file()
"""
NAMES = """\
from one.core import half

class Person:
    def __init__(self, first, last):
        self.first, self.last = first, last

    def full(self):
        raise NotImplementedError

    def half_length(self):
        return half(len(self.first))
"""
TEST_NAMES = """\
from two.names import Person

def test_full():
    assert Person("Ada", "Lovelace").full() == "Ada Lovelace"

def test_half_length():
    assert Person("Ada", "L").half_length() == 1.5
"""
TWO = """\
[project]
name = "two"
version = "1"
dependencies = ["One>=0.1"]
"""
REPOSITORY = {
    "README.md": "",
    "b/one/setup.cfg": "[metadata]\nname = one\nversion = 1\n[options]\npackage_dir =\n  = lib\n",
    "b/one/lib/one/core.py": CORE,
    "b/one/tests/test_core.py": TEST_CORE,
    "a/two/pyproject.toml": TWO,
    "a/two/pytest.ini": "[pytest]\ntestpaths = tests\n",
    "a/two/two/names.py": NAMES,
    "a/two/tests/test_names.py": TEST_NAMES,
    "a/two/more/test_never.py": "def test_never():\n    assert False\n",
}
ROOT_TESTS = {
    "greeting.py": "def greet(name):\n    raise NotImplementedError\n",
    "test_all.py": "from greeting import greet\n\ndef test_it():\n    assert greet('A') == 'Hello A'\n",
}


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def effects_of() -> Effects:
    return Effects(load_decoder=lambda *_: decoder_of(SCRIPTS))


def solve(folder: Path, report: Report = silent, **options: Any) -> Run:
    output = folder.parent / "out"
    options = {"repository": folder, "output": output, "overrides": OVERRIDES, **options}
    return run_order(Order(**options), report, effects_of())


def patched(run: Run) -> list[tuple[str, str]]:
    return [
        (one.patch.path, one.target.qualname) for one in run.outcomes if one.patch and one.target
    ]


BOTH = [("b/one/lib/one/core.py", "double"), ("a/two/two/names.py", "Person.full")]


def test_all_projects_are_done_in_turn_what_others_require_first(tmp_path: Path) -> None:
    """Each under its own settings; ids, patches and what is told start at the repository's root."""
    folder = lay_out(tmp_path / "all", REPOSITORY)
    events: list[Progress] = []
    run = solve(folder, events.append, apply=True)
    assert patched(run) == BOTH, run
    assert run.finished
    assert run.outcomes[0].failing == ("b/one/tests/test_core.py::test_double",)
    assert "return x * 2" in (folder / "b/one/lib/one/core.py").read_text()
    assert read_run(tmp_path / "out/run.json").outcomes == run.outcomes
    told = [one.name for one in events if isinstance(one, Stage)]
    assert {"b/one: running the tests", "a/two: running the tests"} <= set(told)
    assert sum(one.endswith("loading the model") for one in told) == 2
    assert not list(folder.glob("*.py"))


@pytest.mark.parametrize(
    ("place", "options", "expected"),
    [
        ("b/one", {}, BOTH[:1]),
        ("b/one/tests", {}, BOTH[:1]),
        ("a", {}, BOTH[1:]),
        ("", {"tests": ("a/two/tests/test_names.py::test_full",)}, BOTH[1:]),
        ("", {"tests": ("b",)}, BOTH[:1]),
        ("", {"tests": ("b", "a/two/tests")}, BOTH),
        ("a/two", {"tests": ("tests/test_names.py",), "folders": (Path("a/two"),)}, BOTH[1:]),
        ("", {"targets": ("a/two/two/names.py::Person.full",)}, BOTH[1:]),
    ],
)
def test_a_folder_a_test_or_a_function_chooses_the_project(
    tmp_path: Path, place: str, options: dict[str, Any], expected: object
) -> None:
    folder = lay_out(tmp_path / "all", REPOSITORY)
    folders = tuple(folder / one for one in options.get("folders", ()))
    options = {**options, "repository": folder / place, "folders": folders}
    run = solve(folder, **options)
    assert patched(run) == expected, run


def test_the_root_s_own_tests_are_one_more_project(tmp_path: Path) -> None:
    """It does not run the others' tests a second time."""
    run = solve(lay_out(tmp_path / "all", {**REPOSITORY, **ROOT_TESTS}))
    assert patched(run) == [("greeting.py", "greet"), *BOTH], run


def test_a_project_that_cannot_be_looked_at_costs_no_other_one(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "all", REPOSITORY)
    whole = effects_of()

    def make(settings: Settings, tree: Tree, repository: Repository, report: Report) -> Sandbox:
        if repository.folder == "b/one":
            raise SandboxError("no such Python", hint="install one")
        return whole.make_sandbox(settings, tree, repository, report)

    order = Order(folder, tmp_path / "out", OVERRIDES)
    run = run_order(order, silent, replace(whole, make_sandbox=make))
    assert reasons(run) == [("", "no_target"), ("Person.full", "patched")]
    assert run.outcomes[0].detail == "b/one was left out: no such Python; install one"
    with pytest.raises(SandboxError, match="no such Python"):
        run_order(
            replace(order, repository=folder / "b/one"), silent, replace(whole, make_sandbox=make)
        )


def test_what_was_written_for_one_project_is_there_for_the_next(tmp_path: Path) -> None:
    more = "from one.core import double\n\ndef test_double():\n    assert double(2) == 4\n"
    files = {**REPOSITORY, "a/two/tests/test_more.py": more}
    run = solve(lay_out(tmp_path / "all", files))
    assert patched(run) == BOTH, run


def test_projects_without_a_failing_test_are_one_outcome(tmp_path: Path) -> None:
    files = {**REPOSITORY}
    for path in ("b/one/lib/one/core.py", "a/two/two/names.py"):
        files[path] = files[path].replace("raise NotImplementedError", "return x * 2")
    files["a/two/two/names.py"] = NAMES.replace(
        "raise NotImplementedError", "return self.first + ' ' + self.last"
    )
    assert reasons(solve(lay_out(tmp_path / "all", files))) == [("", "nothing_to_do")]
    with pytest.raises(UsageError, match=r"there is no test file a/two/tests/test_no\.py"):
        solve(tmp_path / "all", tests=("a/two/tests/test_no.py",))


def test_packages_that_share_one_configuration_are_one_project(tmp_path: Path) -> None:
    files = {path: text for path, text in REPOSITORY.items() if "pytest.ini" not in path}
    files["pyproject.toml"] = "[tool.pytest.ini_options]\naddopts = '--ignore=a/two/more'\n"
    files["b/one/tests/test_core.py"] = TEST_CORE.replace("setup.cfg", "pyproject.toml")
    assert sorted(patched(solve(lay_out(tmp_path / "all", files)))) == sorted(BOTH)


def test_an_issue_s_test_goes_to_the_project_that_it_imports(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "all", REPOSITORY)
    issue = tmp_path / "issue.md"
    issue.write_text(
        "```python\nfrom one.core import double\n\n\ndef test_it():\n    assert double(4) == 8\n```\n"
    )
    run = solve(folder, issue_text=issue)
    assert [one.path for one in run.tests_added] == ["b/one/tests/test_from_issue.py"]
    assert patched(run) == BOTH[:1]


def test_a_test_of_a_project_is_traced_in_it(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "all", REPOSITORY)
    spec = "a/two/tests/test_names.py::test_half_length"
    order = TraceOrder(folder, spec, OVERRIDES, "a/two/two/names.py::Person.half_length")
    traced = trace_order(order, silent)
    assert traced.passed
    assert [test.node_id for test in traced.seen.tests] == [spec]


PATH_OF = "import sys, os\nsys.path.append(os.path.join(os.path.dirname(__file__), {!r}))\n"
LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "a folder of the test file's": ("x/y/cd", {"tests/help.py": PATH_OF.format("../x/y")}),
    "a link": ("k/cd", {"conftest.py": PATH_OF.format("link"), "link": "k"}),
    "another name": ("lib/it", {"setup.py": "setup(name='cd', package_dir={'cd': 'lib/it'})"}),
    "a project of several": (
        "a/b/cd",
        {"a/b/setup.cfg": "[options]\n", "test_r.py": "def test(): 0"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_missing_goes_where_the_run_imports_from(tmp_path: Path, layout: str) -> None:
    """In each second layout the package is a namespace, without a file of its own."""
    is_namespace = list(LAYOUTS).index(layout) % 2 == 1
    folder, files = LAYOUTS[layout]
    home = "a/b/" if layout == "a project of several" else ""
    help_ = "import help\n" if "tests/help.py" in files else ""
    files = {
        f"{folder}/core.py": "def double(x):\n    raise NotImplementedError\n",
        f"{home}tests/test_cd.py": (
            f"{help_}from cd.core import double, half\nfrom cd.fresh import four\n\n"
            "def test_old():\n    assert double(2) == 4\n\n"
            "def test_half():\n    assert half(4) == 2\n\n"
            "def test_four():\n    assert four() == 4\n"
        ),
        **({} if is_namespace else {f"{folder}/__init__.py": ""}),
        **files,
    }
    link = files.pop("link", "")
    root = lay_out(tmp_path / "all", files)
    if link:
        (root / "link").symlink_to(link)
    run = solve(root)
    assert sorted(patched(run)) == [
        (f"{folder}/core.py", "double"),
        (f"{folder}/core.py", "half"),
        (f"{folder}/fresh.py", "four"),
    ], run
