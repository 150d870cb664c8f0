"""Small repositories that are asked through the real commands; only the language model is a script.

A repository is one text: ``-- PATH`` begins a file, what follows is its content.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from egbot.cli import cli
from egbot.config import Settings
from egbot.local import Effects, run_order
from egbot.ports import Decoder
from egbot.progress import Report
from egbot.records import Prompt
from egbot.testing import Script, ScriptedDecoder
from tests.machine import has

_FILE = re.compile(r"^ *-- (\S+)\n", re.MULTILINE)
_HEADER = re.compile(r"^( *)(?:async )?def ", re.MULTILINE)
_NAME = re.compile(r"Write the Python function `(.+?)`")
_COOKIE = re.compile(r"coding: *([-\w]+)")


def files_of(text: str) -> dict[str, bytes]:
    """The files of a repository, each in the encoding that its own cookie names."""
    parts = [textwrap.dedent(part) for part in _FILE.split(text)]
    encodings = [(_COOKIE.search(part[:200]) or ("", "utf-8"))[1] for part in parts[2::2]]
    return {
        path: content.encode(encoding)
        for path, content, encoding in zip(parts[1::2], parts[2::2], encodings, strict=True)
    }


def git(folder: Path, *words: str) -> str:
    """What git says, asked with quiet defaults."""
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.invalid", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def lay_out(folder: Path, text: str) -> Path:
    """A repository with one commit that holds the files of ``text``, ignored ones apart."""
    for path, data in files_of(text).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin", "--allow-empty")
    return folder


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended; ``said`` is all that it printed, ``json`` what it printed as JSON."""

    repository: Path
    code: int
    said: str
    json: dict[str, Any]

    @property
    def changed(self) -> set[str]:
        """The files that are not as they were committed, new ones too."""
        told = git(self.repository, "status", "--porcelain", "--untracked-files=all", "-z")
        return {line[3:] for line in told.split("\0") if line}

    @property
    def patched(self) -> set[str]:
        """The functions (PATH::QUALNAME) that were accepted."""
        return {
            f"{one['target']['path']}::{one['target']['qualname']}"
            for one in self.json["outcomes"]
            if one["reason"] == "patched"
        }

    @property
    def left(self) -> dict[str, str]:
        """Each test that was left alone, and why."""
        return {
            test["node_id"]: test["why"] for one in self.json["outcomes"] for test in one["left"]
        }

    @property
    def proved(self) -> set[str]:
        """The tests that failed and pass with the accepted functions."""
        verdicts = [one["verdict"] for one in self.json["outcomes"] if one["verdict"]]
        return {test for one in verdicts for test in one["target_passed"]}


# --- the commands ------------------------------------------------------------------------------


def ask(command: str, folder: Path, *words: str) -> Answer:
    """Call a command with ``--json`` and what it needs of this machine."""
    backend = "bubblewrap" if has("bubblewrap") else "process"
    sandbox = ("--sandbox", backend, "--python", sys.executable)
    result = CliRunner().invoke(cli, [command, *words, *sandbox, "--json"])
    start = result.stdout.find("{")
    found = json.loads(result.stdout[start:]) if start >= 0 else {}
    found.setdefault("outcomes", [])
    return Answer(folder, result.exit_code, result.stderr + _told(found), found)


def _told(found: Mapping[str, Any]) -> str:
    """The sentences of a run's record."""
    whys = [
        f"{test['node_id']}: {test['why']}" for one in found["outcomes"] for test in one["left"]
    ]
    return "\n".join([*(one["detail"] for one in found["outcomes"]), *whys])


@dataclass(frozen=True, slots=True)
class Front:
    """The commands, for repositories in ``folder``."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def solve(
        self, text: str | Path, bodies: Mapping[str, str], *words: str, where: str = ""
    ) -> Answer:
        """``egbot solve --apply`` with a model that knows ``bodies`` and else says ``return None``."""
        repository = self._trusted(text)
        effects = Effects(load_decoder=partial(_model, bodies), check_model=lambda _: None)
        order = partial(run_order, effects=effects)
        self.monkeypatch.setattr("egbot.commands.solve.run_order", order)
        greedy = ("--gamma", "0", "--candidates", "0", "--max-seconds", "200")
        output = ("--output", str(self.folder / "out"), "--apply")
        return ask("solve", repository, str(repository / where), *words, *greedy, *output)

    def stubs(self, text: str | Path, *words: str, tests: str = "tests") -> Answer:
        """``egbot stubs tests``, with ``--write`` unless ``words`` say something else."""
        repository = self._trusted(text)
        mode = words or ("--write",)
        return ask("stubs", repository, tests, "--repo", str(repository), *mode)

    def trace(self, text: str | Path, node_id: str, *words: str) -> Answer:
        """``egbot trace NODEID``."""
        repository = self._trusted(text)
        return ask("trace", repository, node_id, "--repo", str(repository), *words)

    def _trusted(self, text: str | Path) -> Path:
        repository = text if isinstance(text, Path) else lay_out(self.folder / "repository", text)
        self.monkeypatch.setenv("EGBOT_STATE", str(self.folder / "state"))
        CliRunner().invoke(cli, ["trust", str(repository)])
        return repository


@dataclass(frozen=True, slots=True)
class Case:
    """A repository, and bodies by [PATH::]QUALNAME (of lib.py), or what holds in the end."""

    text: str
    bodies: Mapping[str, str]


def table(name: str) -> dict[str, Case]:
    """The cases of a file beside this one, by their titles.

    ``== TITLE`` begins one with the content of lib.py, ``-- PATH`` a file, ``-- test`` the test file
    (or what its only test does) and ``>> NAME: `` a body, on this line or on those that follow.
    """
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    titled = re.split(r"^== (.+)\n", text, flags=re.MULTILINE)[1:]
    return {title: _case(case) for title, case in zip(titled[::2], titled[1::2], strict=True)}


def _case(text: str) -> Case:
    files, *parts = re.split(r"^>> (\S+): ?", text, flags=re.MULTILINE)
    lib, is_tested, rest = files.partition("-- test\n")
    test, *others = re.split(r"^(?=-- )", rest, flags=re.MULTILINE)
    if is_tested and "def test" not in test:
        test = f"import lib\n\n\ndef test_it():\n{textwrap.indent(test, '    ')}"
    whole = lib if lib.startswith("-- ") else f"-- lib.py\n{lib}"
    whole += f"-- tests/test_it.py\n{test}{''.join(others)}" if is_tested else ""
    return Case(whole, dict(zip(parts[::2], parts[1::2], strict=True)))


def check(front: Front, text: str, bodies: Mapping[str, str], *words: str) -> Answer:
    """Solve ``text``: all of ``bodies`` (by [PATH::]QUALNAME) and nothing else is written."""
    keys = {name if "::" in name else f"lib.py::{name}" for name in bodies}
    by_name = {name.rpartition("::")[2]: body for name, body in bodies.items()}
    answer = front.solve(text, by_name, *words)
    assert answer.patched == keys, answer.said
    assert answer.code == 0, answer.said
    assert answer.changed == {key.partition("::")[0] for key in keys}
    return answer


def holds(repository: Path, statements: str, *roots: str) -> None:
    """Assert that ``statements`` run without an error where ``roots`` are the import roots."""
    code = f"import sys; sys.path[:0] = {[str(repository / one) for one in (*roots, '.')]}\n"
    command = [sys.executable, "-Bc", code + textwrap.dedent(statements)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- the model ---------------------------------------------------------------------------------


def _model(bodies: Mapping[str, str], settings: Settings, report: Report) -> Decoder:
    """A model that knows bodies by qualified name; ``$1`` in one is its first parameter."""

    def script(prompt: Prompt, again: int) -> Script:
        found = _NAME.search(prompt.head)
        assert found is not None, prompt.head
        body = _filled(bodies.get(found[1], "return None"), prompt.response_prefix)
        return Script(f"\n{body}\n")

    return ScriptedDecoder(script)


def _filled(body: str, opening: str) -> str:
    header = list(_HEADER.finditer(opening))[-1]
    indent = header[1]
    for number, name in enumerate(_parameters(opening[header.start() :], indent), 1):
        body = re.sub(rf"\${number}\b", name, body)
    return textwrap.indent(textwrap.dedent(body).strip("\n"), indent + "    ")


def _parameters(text: str, indent: str) -> Iterator[str]:
    whole = f"{text}\n{indent}    pass\n"
    (definition,) = ast.parse(textwrap.dedent(whole)).body
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    given = definition.args
    names: Iterable[ast.arg | None] = (
        *given.posonlyargs,
        *given.args,
        given.vararg,
        *given.kwonlyargs,
        given.kwarg,
    )
    for place, one in enumerate(names):
        if one is not None and not (indent and place == 0 and one.arg in ("self", "cls")):
            yield one.arg
