"""Owns the readers of single dependency files, text in, declarations out. It opens no file.

Every reader raises ValueError (or a subclass) when the text is not what its name promises.
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from egbot.execution.poetry import poetry_lines, poetry_python

TEST_NAMES = ("test", "tests", "testing", "dev")
"""The extras and dependency groups that hold what tests need."""

_SETUP_WORDS = ("name", "install_requires", "tests_require", "extras_require", "python_requires")
_TEST_WORDS = {"test", "tests", "testing", "dev", "develop", "development", "ci", "base"}
_REQUIREMENTS_FOLDERS = {"", "requirements", "test", "tests"}


@dataclass(frozen=True, slots=True)
class Declared:
    """What one file declares. ``project`` and the keys of ``extras`` are canonical names."""

    path: str
    requirements: tuple[str, ...] = ()
    requires_python: str = ""
    project: str = ""
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def is_requirements_path(path: str) -> bool:
    """Say whether ``path`` looks like a requirement file that tests may need."""
    pure = PurePosixPath(path)
    folder = "" if str(pure.parent) == "." else str(pure.parent)
    if pure.suffix != ".txt" or folder not in _REQUIREMENTS_FOLDERS:
        return False
    words = set(re.split(r"[-_.]+", pure.stem.lower()))
    if "requirements" in words:
        return words == {"requirements"} or bool(words & _TEST_WORDS)
    return folder == "requirements" and bool(words & _TEST_WORDS)


def from_pyproject(path: str, text: str) -> Declared:
    """Read PEP 621 metadata, PEP 735 dependency groups and poetry's tables."""
    document = tomllib.loads(text)
    project = table(document, "project")
    poetry = table(document, "tool", "poetry")
    extras = {
        _name(name): strings(lines)
        for name, lines in table(project, "optional-dependencies").items()
    }
    ignored: list[str] = []
    lines = list(strings(project.get("dependencies")))
    lines += [line for name in TEST_NAMES for line in extras.get(_name(name), ())]
    lines += _groups(table(document, "dependency-groups"), ignored)
    lines += poetry_lines(poetry, TEST_NAMES, ignored)
    lines += _of_other_tools(table(document, "tool"))
    name = project.get("name") or poetry.get("name") or ""
    return Declared(
        path,
        requirements=tuple(lines),
        requires_python=str(project.get("requires-python") or poetry_python(poetry, ignored)),
        project=_name(str(name)),
        extras=extras,
        ignored=tuple(ignored),
    )


def read_ini(text: str) -> configparser.RawConfigParser:
    """An INI file as setuptools and tox read it. Raises ValueError."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    return parser


def from_setup_cfg(path: str, text: str) -> Declared:
    """Read setuptools' declarative metadata."""
    parser = read_ini(text)
    options = parser["options"] if parser.has_section("options") else {}
    extras: dict[str, tuple[str, ...]] = {}
    if parser.has_section("options.extras_require"):
        for name, value in parser["options.extras_require"].items():
            extras[_name(name)] = setup_lines(value)
    lines = [*setup_lines(options.get("install_requires", ""))]
    lines += setup_lines(options.get("tests_require", ""))
    lines += [line for name in TEST_NAMES for line in extras.get(_name(name), ())]
    named = parser.get("metadata", "name", fallback="")
    return Declared(
        path,
        requirements=tuple(lines),
        requires_python=options.get("python_requires", "").strip(),
        project=_name(named),
        extras=extras,
    )


def from_setup_py(path: str, text: str) -> Declared:
    """Read the literal arguments of ``setup(...)``; nothing is run, computed ones are named."""
    arguments, ignored = setup_arguments(text, _SETUP_WORDS)
    extras_value = arguments.get("extras_require")
    extras = (
        {_name(str(name)): strings(lines) for name, lines in extras_value.items()}
        if isinstance(extras_value, dict)
        else {}
    )
    lines = [*strings(arguments.get("install_requires"))]
    lines += strings(arguments.get("tests_require"))
    lines += [line for name in TEST_NAMES for line in extras.get(_name(name), ())]
    return Declared(
        path,
        requirements=tuple(lines),
        requires_python=str(arguments.get("python_requires") or ""),
        project=_name(str(arguments.get("name") or "")),
        extras=extras,
        ignored=tuple(ignored),
    )


def from_requirements_text(path: str, text: str) -> Declared:
    """Read a pip requirement file: its requirements and the files that it includes."""
    requirements: list[str] = []
    includes: list[str] = []
    ignored: list[str] = []
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not line:
            continue
        include = re.match(r"(?:-r|--requirement)[\s=]*(\S+)$", line)
        if include:
            includes.append(include[1])
        elif line.startswith("-"):
            ignored.append(f"option {line.split()[0].split('=')[0]} is not used")
        elif "://" in line.split(";")[0] or line.startswith((".", "/")):
            ignored.append(f"{_head(line)}: a requirement from an address is not downloaded")
        else:
            requirements.append(re.sub(r"\s--\S.*$", "", line))
    return Declared(
        path,
        requirements=tuple(requirements),
        includes=tuple(includes),
        ignored=tuple(ignored),
    )


def _groups(groups: Mapping[str, object], ignored: list[str]) -> list[str]:
    """Resolve PEP 735 groups, with their includes; a cycle ends where it closes."""
    by_name = {_name(name): value for name, value in groups.items()}
    waiting = [name for name in TEST_NAMES if name in by_name]
    seen = set(waiting)
    lines: list[str] = []
    while waiting:
        items = by_name[waiting.pop()]
        for item in items if isinstance(items, list) else []:
            if isinstance(item, str):
                lines.append(item)
                continue
            other = _name(str(mapping(item).get("include-group", "")))
            if other not in by_name:
                ignored.append(f"dependency group {other or '?'} does not exist")
            elif other not in seen:
                seen.add(other)
                waiting.append(other)
    return lines


def _of_other_tools(tools: Mapping[str, object]) -> Iterable[str]:
    """Yield what uv's, PDM's and hatch's own tables add for development and tests."""
    yield from strings(table(tools, "uv").get("dev-dependencies"))
    pdm = table(tools, "pdm", "dev-dependencies")
    hatch = table(tools, "hatch", "envs")
    for name in TEST_NAMES:
        yield from strings(pdm.get(name))
    for name in ("default", "hatch-test", *TEST_NAMES):
        for key in ("dependencies", "extra-dependencies"):
            yield from strings(table(hatch, name).get(key))


def setup_arguments(text: str, wanted: Collection[str]) -> tuple[dict[str, object], list[str]]:
    """The literal arguments of ``setup(...)``, and which of those ``wanted`` are computed.

    Raises ValueError when the text is no Python.
    """
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    constants = {
        node.targets[0].id: node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    arguments: dict[str, object] = {}
    ignored: list[str] = []
    for call in ast.walk(module):
        if not isinstance(call, ast.Call) or _called_name(call.func) != "setup":
            continue
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg not in wanted:
                continue
            value = keyword.value
            if isinstance(value, ast.Name):
                value = constants.get(value.id, value)
            try:
                arguments[keyword.arg] = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                ignored.append(f"{keyword.arg} is computed, not written out")
    return arguments, ignored


def _called_name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def setup_lines(value: str) -> tuple[str, ...]:
    """The lines of a value in an INI file, without empty ones and comments."""
    lines = (line.strip() for line in value.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def table(document: Mapping[str, object], *names: str) -> Mapping[str, object]:
    """The table below ``names``; an empty one where there is none."""
    for name in names:
        document = mapping(document.get(name))
    return document


def mapping(value: object) -> Mapping[str, object]:
    """``value`` if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def strings(value: object) -> tuple[str, ...]:
    """The texts of a list, or the lines of a text; nothing for other values."""
    if isinstance(value, str):
        return setup_lines(value)
    if isinstance(value, Iterable):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def _name(text: str) -> str:
    return canonicalize_name(text)


def _head(line: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//***@", line)[:60]
