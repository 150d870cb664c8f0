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
LINT_NAMES = {"doc", "docs", "documentation", "format", "formatting", "lint", "linters", "linting"}
LINT_NAMES |= {"pre-commit", "publish", "release", "style", "types", "typing"}
"""The extras, groups and files that serve other ends than tests."""

_TOOL = re.compile(
    r"(?:flake8|mkdocs|mkdocstrings|pylint|sphinx|sphinxcontrib|types)(?:-.*)?|autoflake|autopep8"
    r"|bandit|basedpyright|black|build|bump-my-version|bump2version|check-manifest|cibuildwheel"
    r"|codespell|commitizen|docformatter|furo|hatch|interrogate|isort|mypy|myst-parser|nox|numpydoc"
    r"|pdoc3?|pip-audit|poetry|pre-commit|pydocstyle|pyre-check|pyright|python-semantic-release"
    r"|pytype|pyupgrade|ruff|safety|towncrier|tox(?:-uv)?|twine|ty|uv|vulture|yapf|zizmor"
)
"""Distributions that only lint, document or publish; they stand beside what tests need."""

_DEV_WORDS = {"dev", "develop", "development"}
_TEST_WORDS = {"test", "tests", "testing", "ci", "base", *_DEV_WORDS}
_REQUIREMENTS_FOLDERS = {"", "requirements", "test", "tests"}


@dataclass(frozen=True, slots=True)
class Declared:
    """What one file declares. ``project`` and the keys of ``extras`` are canonical names.

    ``spare`` are requirements that count only where code of the repository speaks of them.
    ``other`` is what else is declared, not for tests or not to be had; not all of it is PEP 508.
    """

    path: str
    requirements: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    requires_python: str = ""
    project: str = ""
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Lines:
    """The requirements of one file while it is read."""

    def __init__(self) -> None:
        self.requirements: list[str] = []
        self.spare: list[str] = []

    def add(self, name: str, lines: Iterable[str]) -> None:
        """Add those of the extra, group or file ``name``; "" is what the project itself needs."""
        is_dev = bool(_DEV_WORDS & set(name.split("-")))
        for line in lines:
            word = re.match(r"\s*([\w.-]*)", line)
            is_tool = word is not None and _TOOL.fullmatch(_name(word[1])) is not None
            is_spare = name in LINT_NAMES or (is_dev and is_tool)
            (self.spare if is_spare else self.requirements).append(line)


def is_requirements_path(path: str) -> bool:
    """Say whether ``path`` looks like a requirement file that tests may need."""
    pure = PurePosixPath(path)
    folder = "" if str(pure.parent) == "." else str(pure.parent)
    if pure.suffix != ".txt" or folder not in _REQUIREMENTS_FOLDERS:
        return False
    words = _words(pure)
    if "requirements" in words:
        return words == {"requirements"} or bool(words & _TEST_WORDS)
    return folder == "requirements" and bool(words & _TEST_WORDS)


def _words(path: PurePosixPath) -> set[str]:
    return set(re.split(r"[-_.]+", path.stem.lower()))


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
    lines = Lines()
    lines.add("", strings(project.get("dependencies")))
    for name, found in (
        *((name, extras.get(name, ())) for name in TEST_NAMES),
        *_groups(table(document, "dependency-groups"), ignored),
        *poetry_lines(poetry, TEST_NAMES, ignored),
        *_of_other_tools(table(document, "tool")),
    ):
        lines.add(name, found)
    named = project.get("name") or poetry.get("name") or ""
    return Declared(
        path,
        requirements=tuple(lines.requirements),
        spare=tuple(lines.spare),
        requires_python=str(project.get("requires-python") or poetry_python(poetry, ignored)),
        project=_name(str(named)),
        extras=extras,
        other=tuple(_other_lines(document)),
        ignored=tuple(ignored),
    )


def _other_lines(document: Mapping[str, object]) -> Iterable[str]:
    yield from strings(table(document, "build-system").get("requires"))
    for group in table(document, "dependency-groups").values():
        yield from strings(group)
    poetry = table(document, "tool", "poetry")
    for _, lines in poetry_lines(poetry, table(poetry, "group"), []):
        yield from lines


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
    lines = Lines()
    lines.add("", setup_lines(options.get("install_requires", "")))
    lines.add("test", setup_lines(options.get("tests_require", "")))
    for name in TEST_NAMES:
        lines.add(name, extras.get(name, ()))
    named = parser.get("metadata", "name", fallback="")
    return Declared(
        path,
        requirements=tuple(lines.requirements),
        spare=tuple(lines.spare),
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
    lines = Lines()
    lines.add("", strings(arguments.get("install_requires")))
    lines.add("test", strings(arguments.get("tests_require")))
    for name in TEST_NAMES:
        lines.add(name, extras.get(name, ()))
    return Declared(
        path,
        requirements=tuple(lines.requirements),
        spare=tuple(lines.spare),
        requires_python=str(arguments.get("python_requires") or ""),
        project=_name(str(arguments.get("name") or "")),
        extras=extras,
        other=tuple(_setup_texts(ast.parse(text))),
        ignored=tuple(ignored),
    )


def from_requirements_text(path: str, text: str) -> Declared:
    """Read a pip requirement file: its requirements and the files that it includes."""
    requirements: list[str] = []
    other: list[str] = []
    includes: list[str] = []
    ignored: list[str] = []
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not line:
            continue
        include = re.match(r"(?:-r|--requirement)[\s=]*(\S+)$", line)
        if include:
            includes.append(include[1])
            continue
        other.append(line.partition("#egg=")[2] or line)
        if line.startswith("-"):
            ignored.append(f"option {line.split()[0].split('=')[0]} is not used")
        elif "://" in line.split(";")[0] or line.startswith((".", "/")):
            ignored.append(f"{_head(line)}: a requirement from an address is not downloaded")
        else:
            requirements.append(re.sub(r"\s--\S.*$", "", line))
    words = _words(PurePosixPath(path))
    lines = Lines()
    named = sorted(words & (LINT_NAMES | _DEV_WORDS)) if not words & set(TEST_NAMES[:3]) else []
    lines.add(named[-1] if named else "", requirements)
    return Declared(
        path,
        requirements=tuple(lines.requirements),
        spare=tuple(lines.spare),
        other=tuple(other),
        includes=tuple(includes),
        ignored=tuple(ignored),
    )


def _groups(
    groups: Mapping[str, object], ignored: list[str]
) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Resolve PEP 735 groups, with their includes; a cycle ends where it closes."""
    by_name = {_name(name): value for name, value in groups.items()}
    waiting = [name for name in TEST_NAMES if name in by_name]
    for name in waiting:
        items = by_name[name]
        yield name, strings(items)
        tables = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
        for other in (_name(str(one.get("include-group", ""))) for one in tables):
            if other not in by_name:
                ignored.append(f"dependency group {other or '?'} does not exist")
            elif other not in waiting:
                waiting.append(other)


def _of_other_tools(tools: Mapping[str, object]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield what uv's, PDM's and hatch's own tables add for development and tests."""
    yield "dev", strings(table(tools, "uv").get("dev-dependencies"))
    for name in TEST_NAMES:
        yield name, strings(table(tools, "pdm", "dev-dependencies").get(name))
    for name in ("default", "hatch-test", *TEST_NAMES):
        for key in ("dependencies", "extra-dependencies"):
            lines = strings(table(tools, "hatch", "envs", name).get(key))
            yield "dev" if name == "default" else name, lines


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


def _setup_texts(module: ast.Module) -> Iterable[str]:
    """Yield the texts in what ``setup(...)`` requires, also where that is computed."""
    values = {
        node.targets[0].id: node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for call in ast.walk(module):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            if not re.fullmatch(r"\w+_requires?", keyword.arg or ""):
                continue
            used = [values.get(getattr(node, "id", ""), node) for node in ast.walk(keyword.value)]
            parts = (part for node in used for part in ast.walk(node))
            yield from (str(part.value) for part in parts if isinstance(part, ast.Constant))


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
