"""Owns what lock files and test runners' files tell of what tests need. It opens and runs nothing.

They are hints: read only where no dependency file says what the tests run with. Every reader
raises ValueError (or a subclass) when the text is not what its name promises.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping

from egbot.execution.declared import TEST_NAMES, Declared, from_requirements_text, read_ini

_TOX_SECTIONS = ("testenv", *(f"testenv:{name}" for name in TEST_NAMES))
_INSTALLERS = ("install", "conda_install")


def from_uv_lock(path: str, text: str) -> Declared:
    """Read the versions that uv locked for the project's own and its tests' requirements."""
    packages = [one for one in _list(tomllib.loads(text).get("package")) if isinstance(one, dict)]
    versions: dict[str, set[str]] = {}
    for package in packages:
        versions.setdefault(str(package.get("name")), set()).add(str(package.get("version")))
    lines: list[str] = []
    for package in packages:
        source = _mapping(package.get("source"))
        if "editable" not in source and "virtual" not in source:
            continue
        listed = _list(package.get("dependencies"))
        for key in ("optional-dependencies", "dev-dependencies"):
            groups = _mapping(package.get(key))
            listed = [*listed, *(one for name in TEST_NAMES for one in _list(groups.get(name)))]
        lines += [_locked(_mapping(one), versions) for one in listed]
    return Declared(path, requirements=tuple(line for line in lines if line))


def _locked(dependency: Mapping[str, object], versions: Mapping[str, set[str]]) -> str:
    name = dependency.get("name")
    if not isinstance(name, str) or "source" in dependency:
        return ""
    known = versions.get(name, set())
    pin = f"=={next(iter(known))}" if len(known) == 1 and "None" not in known else ""
    marker = dependency.get("marker")
    return f"{name}{pin}" + (f" ; {marker}" if isinstance(marker, str) else "")


def from_tox(path: str, text: str) -> Declared:
    """Read ``deps`` of tox's test environments; lines for one factor alone are left out."""
    parser = read_ini(text)
    lines = [
        line.strip()
        for section in _TOX_SECTIONS
        for line in parser.get(section, "deps", fallback="").splitlines()
    ]
    kept = [line for line in lines if not re.match(r"[\w!,{}.-]+\s*:(?!//)", line)]
    return _from_lines(path, [line for line in kept if "{" not in line])


def from_noxfile(path: str, text: str) -> Declared:
    """Read what test sessions install, where it is written out; nothing is run."""
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    words: list[str] = []
    for function in module.body:
        if isinstance(function, ast.FunctionDef) and _is_test_session(function):
            for call in ast.walk(function):
                words += _installed(call)
    lines: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if before in ("-r", "--requirement"):
            lines.append(f"-r {word}")
        elif not word.startswith(("-", ".")):
            lines.append(word)
    return _from_lines(path, lines)


def _is_test_session(function: ast.FunctionDef) -> bool:
    marks = [one.func if isinstance(one, ast.Call) else one for one in function.decorator_list]
    named = {mark.attr if isinstance(mark, ast.Attribute) else _id(mark) for mark in marks}
    is_test = bool(set(re.split(r"_+", function.name)) & {*TEST_NAMES, "pytest", "unit"})
    return "session" in named and is_test


def _installed(call: ast.AST) -> Iterator[str]:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return
    if call.func.attr in _INSTALLERS:
        for argument in call.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def _from_lines(path: str, lines: Iterable[str]) -> Declared:
    return from_requirements_text(path, "\n".join(lines))


def _id(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
