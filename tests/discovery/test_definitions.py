"""What is missing becomes what the tests show it to be: each case is a test file and what is written for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from egbot.discovery.needs import Needs, merge
from egbot.discovery.probe import Probed, ask, inside, probe_of
from egbot.discovery.stubplan import make_plan
from egbot.execution.process import process_sandbox
from egbot.records import FailingTest, Fault, Limits, Tree, TreeFile

CASES = Path(__file__).with_name("definitions.txt")
_SETTINGS = (
    b'[project]\nname = "none"\nversion = "1"\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
)


@dataclass(frozen=True, slots=True)
class Written:
    """What came of all cases at once: the files by case, and what is wrong or lacking with them."""

    files: Mapping[str, str]
    lacking: tuple[str, ...]


def table() -> dict[str, tuple[str, str]]:
    """By title the files of a case (its test first), and what is to be written."""
    parts = re.split(r"^== (.+)\n", CASES.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    pairs = (text.partition("\n>>\n")[::2] for text in parts[1::2])
    return {
        title: (given, expected.strip("\n"))
        for title, (given, expected) in zip(parts[::2], pairs, strict=True)
    }


def tree_of(cases: Mapping[str, tuple[str, str]]) -> Tree:
    """All cases in one repository; each has a package of its own in place of ``box``."""
    tree = {"pyproject.toml": TreeFile(_SETTINGS)}
    for number, (given, _) in enumerate(cases.values()):
        test, *others = re.split(r"^-- (\S+)\n", given, flags=re.MULTILINE)
        files = ["tests/test_box.py", test, *others]
        for path, text in zip(files[::2], files[1::2], strict=True):
            own = re.sub(r"(?<![a-z])box\b", f"box{number:02}", text)
            tree[path.replace("box", f"box{number:02}")] = TreeFile(own.encode())
    return tree


@cache
def written() -> Written:
    """Run the tests of all cases against recorders, write stubs, and collect the tests again."""
    cases = table()
    tree, sandbox = tree_of(cases), process_sandbox()
    paths = tuple(path for path in tree if path.startswith("tests/"))
    asked = [FailingTest(path, "collect", Fault("", "")) for path in paths]

    def needed(tree: Tree) -> tuple[Needs, Probed]:
        found = ask(sandbox, tree, asked, Limits(), probe_of(tree, ""), to_end=True)
        return merge(found.evidence, tree, found.probe, is_bold=True), found

    needs, found = needed(tree)
    early = {path: inside(path, found.collected) for path in paths}
    plan = make_plan(needs, tree, early, is_shown=True)
    with sandbox.open(plan.tree, paths, Limits()) as executor:
        broken = [*executor.collection.errors]
    again, found = needed(plan.tree)
    lacking = [f"{one.path}::{one.qualname}" for one in again.needs if one.origin != "stub"]
    new = {path: file.data.decode() for path, file in plan.tree.items() if file != tree.get(path)}
    files = {}
    for number, title in enumerate(cases):
        own = f"box{number:02}"
        texts = {path.replace(own, "box"): new[path] for path in sorted(new) if own in path}
        files[title] = _shown(texts).replace(own, "box")
    errors = [f"{one.node_id}: {one.fault.message}" for one in (*broken, *found.errors)]
    return Written(files, (*errors, *lacking, *again.modules))


def _shown(files: Mapping[str, str]) -> str:
    """The files' texts without a new module's docstring; one that is not box.py has its name above."""
    shown = []
    for path, text in files.items():
        plain = re.sub(r'^"""The (module|package) \w+\."""\n*', "", text).strip("\n")
        shown.append(plain if path == "box.py" else f"-- {path}\n{plain}")
    return "\n".join(shown)


@pytest.mark.parametrize("title", table())
def test_what_is_missing_becomes_what_the_tests_show(title: str) -> None:
    assert written().files[title] == table()[title][1]


def test_with_the_stubs_all_tests_are_collected_and_lack_nothing() -> None:
    assert written().lacking == ()
