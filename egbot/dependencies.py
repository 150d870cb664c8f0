"""Owns what a repository declares that it needs: the one reader of its dependency files.

Files are read, never run: ``setup.py`` is looked at as a syntax tree. A file that cannot be read
is left out and named, with the reason. Links, addresses and pip options in requirement files are
left out too: a pull request must not choose where the host downloads from.
"""

from __future__ import annotations

import ast
import configparser
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from egbot.records import Tree

BUILDER_VERSION = 2
"""Changes whenever environments or images are built in another way: old ones are not reused."""

MAX_FILE_BYTES = 1024 * 1024
_ANY_REQUIREMENTS = re.compile(r"(.*/)?([^/]*requirements[^/]*|requirements/[^/]+)\.(txt|in)")

_HELPER = re.compile(r"(?:^|/)(?:docs?/.*|(?:conf|duties|noxfile|setup|tasks)\.py)$")
"""Files that drive tools and are run by no test."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file, or one line of it, that was left out, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the tests need: PEP 508 lines, normalised, and a range of Pythons.

    The lines stand in the order of the files: what the project itself needs comes first.
    ``sources`` are the files that said so.
    """

    lines: tuple[str, ...]
    requires_python: str = ""
    sources: tuple[str, ...] = ()
    ignored: tuple[Ignored, ...] = ()

    def digest(self, *salt: str) -> str:
        """Return the SHA-256 (hex) of the lines, the builder's version and ``salt``."""
        parts = [BUILDER_VERSION, sorted(self.lines), list(salt)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def detect(tree: Tree) -> Requirements:
    """Read every dependency file of ``tree``. Never raises on what a file holds."""
    ignored: list[Ignored] = []
    declared = _read(tree, _readers(tree), ignored)
    if not any(map(_asks_for_pytest, declared)):
        declared += _read(tree, [("uv.lock", from_uv_lock)] if "uv.lock" in tree else [], ignored)
    name = next((found.project for found in declared if found.project), "")
    extras: dict[str, tuple[str, ...]] = {}
    for found in declared:
        extras.update(found.extras)
    lines: dict[str, None] = {}
    for found in declared:
        ignored.extend(Ignored(found.path, why) for why in found.ignored)
        kept, spare = _normalised(found, name, extras, ignored)
        lines |= dict.fromkeys([*kept, *_spoken_of(spare, tree)])
    listed = [Requirement(line) for line in lines]
    if not any(one.name == "pytest" and one.marker is None for one in listed):
        lines = {"pytest": None, **lines}
    return Requirements(
        lines=tuple(lines),
        requires_python=_python_range(declared, ignored),
        sources=tuple(sorted(found.path for found in declared if found.requirements)),
        ignored=tuple(ignored),
    )


def declared_imports(tree: Tree) -> frozenset[str]:
    """The import names (lower case) of all that ``tree`` declares, for whatever purpose.

    They are others' to provide, whether or not they are installed. Never raises.
    """
    texts = [path for path in tree if _ANY_REQUIREMENTS.fullmatch(path)]
    readers = {**dict.fromkeys(texts, _following(tree)), **dict(_readers(tree))}
    declared = _read(tree, readers.items(), [])
    names: set[str] = set()
    for found in declared:
        known = (found.requirements, found.spare, found.other, *found.extras.values())
        for line in chain(*known):
            with suppress(InvalidRequirement):
                names.add(canonicalize_name(Requirement(line).name))
    return frozenset(chain(*map(import_names, names - {found.project for found in declared})))


_Reader = Callable[[str, str], "Declared"]


def _read(
    tree: Tree, readers: Iterable[tuple[str, _Reader]], ignored: list[Ignored]
) -> list[Declared]:
    declared: list[Declared] = []
    for path, read in readers:
        try:
            declared.append(read(path, text_of(tree, path)))
        except (ValueError, RecursionError, MemoryError, tomllib.TOMLDecodeError) as error:
            ignored.append(Ignored(path, _first_line(error)))
    return declared


def _asks_for_pytest(found: Declared) -> bool:
    """Say whether a file tells what the tests run with."""
    return any(re.match(r"pytest(?![\w-])", line, re.IGNORECASE) for line in found.requirements)


def _readers(tree: Tree) -> list[tuple[str, _Reader]]:
    known = {
        "pyproject.toml": from_pyproject,
        "setup.cfg": from_setup_cfg,
        "setup.py": from_setup_py,
    }
    found = [(path, read) for path, read in known.items() if path in tree]
    texts = sorted(path for path in tree if is_requirements_path(path))
    return found + [(path, _following(tree)) for path in texts]


def _following(tree: Tree) -> _Reader:
    """Make a reader of requirement files that follows ``-r other.txt`` inside ``tree``."""

    def include(path: str, name: str) -> str:
        parts: list[str] = []
        for part in (PurePosixPath(path).parent / name).parts:
            if part == "..":
                parts = parts[:-1]
            else:
                parts.append(part)
        return "/".join(parts)

    def read(path: str, text: str) -> Declared:
        waiting, seen = [(path, text)], {path}
        requirements: list[str] = []
        spare: list[str] = []
        others: list[str] = []
        ignored: list[str] = []
        while waiting:
            here, content = waiting.pop()
            found = from_requirements_text(here, content)
            requirements.extend(found.requirements)
            spare.extend(found.spare)
            others.extend(found.other)
            ignored.extend(found.ignored)
            for name in found.includes:
                other = include(here, name)
                if other in tree and other not in seen:
                    seen.add(other)
                    waiting.append((other, text_of(tree, other)))
                elif other not in seen:
                    ignored.append(f"{name} is not in the repository")
        return Declared(
            path, tuple(requirements), tuple(spare), other=tuple(others), ignored=tuple(ignored)
        )

    return read


def text_of(tree: Tree, path: str) -> str:
    """The text of a file that is small and no link. Raises KeyError, ValueError."""
    file = tree[path]
    if file.mode == 0o120000:
        raise ValueError("it is a link")
    if len(file.data) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
    return file.data.decode("utf-8-sig")


def _normalised(
    found: Declared,
    project: str,
    extras: Mapping[str, tuple[str, ...]],
    ignored: list[Ignored],
) -> tuple[list[str], list[str]]:
    """Return both kinds of lines; a project's own extras (``pkg[test]``) are expanded."""
    lines: tuple[list[str], list[str]] = ([], [])
    waiting = [*((one, False) for one in found.requirements), *((one, True) for one in found.spare)]
    seen: set[str] = set()
    for text, is_spare in waiting:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            ignored.append(Ignored(found.path, f"{_shown(text)}: {_first_line(error)}"))
            continue
        name = canonicalize_name(requirement.name)
        if project and name == project:
            for extra in sorted(map(canonicalize_name, requirement.extras)):
                if extra not in seen:
                    seen.add(extra)
                    own = Lines()
                    own.add(extra, extras.get(extra, ()))
                    waiting.extend((one, is_spare) for one in own.requirements)
                    waiting.extend((one, True) for one in own.spare)
        elif requirement.url is not None:
            why = "a requirement from an address is not downloaded"
            ignored.append(Ignored(found.path, f"{requirement.name}: {why}"))
        else:
            requirement.name = name
            lines[is_spare].append(str(requirement))
    return lines


def _spoken_of(lines: Iterable[str], tree: Tree) -> list[str]:
    """Those of ``lines`` that code imports, or names in a string (``run(["mypy", ...])``)."""
    kept: list[str] = []
    texts: list[str] | None = None
    for line in lines:
        if texts is None:
            paths = [path for path in tree if path.endswith(".py") and not _HELPER.search(path)]
            small = [tree[path].data for path in paths if len(tree[path].data) <= MAX_FILE_BYTES]
            texts = [data.decode("utf-8", "replace") for data in small]
        name = Requirement(line).name.replace("-", "[-_]")
        spoken = re.compile(rf"(?im)^[ \t]*(?:from|import)\s+{name}\b|[\"']{name}[\"'.\s]")
        if any(map(spoken.search, texts)):
            kept.append(line)
    return kept


def _python_range(declared: Iterable[Declared], ignored: list[Ignored]) -> str:
    whole = SpecifierSet()
    for found in declared:
        try:
            whole &= SpecifierSet(found.requires_python)
        except InvalidSpecifier as error:
            ignored.append(Ignored(found.path, f"requires-python: {_first_line(error)}"))
    return str(whole)


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


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


def poetry_lines(
    poetry: Mapping[str, object], groups: Iterable[str], ignored: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the requirement lines of the main table ("") and of ``groups``; failures are named."""
    yield "", table_lines(mapping(poetry.get("dependencies")), ignored)
    yield "dev", table_lines(mapping(poetry.get("dev-dependencies")), ignored)
    named = mapping(poetry.get("group"))
    for group in groups:
        table = mapping(mapping(named.get(group)).get("dependencies"))
        yield group, table_lines(table, ignored)


def poetry_python(poetry: Mapping[str, object], ignored: list[str]) -> str:
    """Return the range of Pythons as a PEP 440 specifier, or "" when it says none."""
    value = mapping(poetry.get("dependencies")).get("python")
    return _specifier("python", value, ignored) if isinstance(value, str) else ""


def table_lines(table: Mapping[str, object], ignored: list[str]) -> list[str]:
    """Return the requirement lines of one table of dependencies."""
    lines = []
    for name, value in table.items():
        if name.lower() == "python":
            continue
        for choice in value if isinstance(value, list) else [value]:
            line = _line(name, choice, ignored)
            if line:
                lines.append(line)
    return lines


def _line(name: str, value: object, ignored: list[str]) -> str:
    if isinstance(value, str):
        return name + _specifier(name, value, ignored)
    details = mapping(value)
    version = details.get("version")
    if not isinstance(version, str):
        ignored.append(f"{name}: a requirement from an address is not downloaded")
        return ""
    extras = details.get("extras")
    names = ",".join(map(str, extras)) if isinstance(extras, list) else ""
    line = name + (f"[{names}]" if names else "") + _specifier(name, version, ignored)
    markers = [str(details["markers"])] if "markers" in details else []
    python = details.get("python")
    if isinstance(python, str):
        ranges = [part for part in _specifier(name, python, ignored).split(",") if part]
        markers += [re.sub(r"^([<>=!~]+)(.*)$", r'python_version \1 "\2"', one) for one in ranges]
    return f"{line} ; {' and '.join(f'({one})' for one in markers)}" if markers else line


def _specifier(name: str, text: str, ignored: list[str]) -> str:
    """Translate ``^1.2``, ``~1.2``, ``1.*`` and plain versions (poetry's dependency syntax)."""
    if "|" in text:
        ignored.append(f"{name}: alternatives in {text!r} are not understood, any version is taken")
        return ""
    parts = []
    for raw in text.split(","):
        part = raw.strip()
        if part in ("", "*"):
            continue
        try:
            parts.append(_one(part))
        except InvalidVersion:
            ignored.append(f"{name}: {part!r} is not a version, any version is taken")
    return ",".join(parts)


def _one(part: str) -> str:
    if part.startswith("^"):
        low = Version(part[1:].strip())
        release = list(low.release)
        index = next((at for at, number in enumerate(release) if number), len(release) - 1)
        return f">={low},<{_bumped(release, index)}"
    if part.startswith("~") and not part.startswith("~="):
        low = Version(part[1:].strip())
        return f">={low},<{_bumped(list(low.release), min(1, len(low.release) - 1))}"
    if part[0].isdigit():
        return f"=={part}"
    return part.replace(" ", "")


def _bumped(release: list[int], index: int) -> str:
    return ".".join(map(str, [*release[:index], release[index] + 1]))


def from_uv_lock(path: str, text: str) -> Declared:
    """Read the versions that uv locked for the project's own and its tests' requirements.

    Raises ValueError when the text is no TOML.
    """
    packages = [one for one in _list(tomllib.loads(text).get("package")) if isinstance(one, dict)]
    versions: dict[str, set[str]] = {}
    for package in packages:
        versions.setdefault(str(package.get("name")), set()).add(str(package.get("version")))
    lines = Lines()
    for package in packages:
        source = mapping(package.get("source"))
        if "editable" not in source and "virtual" not in source:
            continue
        listed = [("", _list(package.get("dependencies")))]
        for key in ("optional-dependencies", "dev-dependencies"):
            groups = mapping(package.get(key))
            listed += [(name, _list(groups.get(name))) for name in TEST_NAMES]
        for name, found in listed:
            lines.add(name, filter(None, (_locked(mapping(one), versions) for one in found)))
    return Declared(path, tuple(lines.requirements), tuple(lines.spare))


def _locked(dependency: Mapping[str, object], versions: Mapping[str, set[str]]) -> str:
    name = dependency.get("name")
    if not isinstance(name, str) or "source" in dependency:
        return ""
    known = versions.get(name, set())
    pin = f"=={next(iter(known))}" if len(known) == 1 and "None" not in known else ""
    marker = dependency.get("marker")
    return f"{name}{pin}" + (f" ; {marker}" if isinstance(marker, str) else "")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


_OTHERS = {
    "attrs": "attr attrs",
    "beautifulsoup4": "bs4",
    "biopython": "bio",
    "discord-py": "discord",
    "djangorestframework": "rest_framework",
    "dnspython": "dns",
    "gitpython": "git",
    "graphql-core": "graphql",
    "grpcio": "grpc",
    "mysql-connector-python": "mysql",
    "mysqlclient": "mysqldb",
    "opencv-contrib-python": "cv2",
    "opencv-contrib-python-headless": "cv2",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pillow": "pil",
    "protobuf": "google",
    "psycopg2-binary": "psycopg2",
    "pycryptodome": "crypto",
    "pygithub": "github",
    "pyjwt": "jwt",
    "pymongo": "pymongo bson gridfs",
    "pyopenssl": "openssl",
    "pyserial": "serial",
    "pytest": "pytest _pytest",
    "pyusb": "usb",
    "pyyaml": "yaml",
    "pyzmq": "zmq",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "setuptools": "setuptools pkg_resources",
    "tensorflow-cpu": "tensorflow",
    "websocket-client": "websocket",
}
_SHARED = re.compile(r"(azure|backports|google|jaraco|ruamel|zope)[-_.]")
"""Namespaces that several distributions share: the first part is what is imported."""


def import_names(distribution: str) -> frozenset[str]:
    """The names (lower case, underscores) under which a canonical distribution may be imported."""
    known = _OTHERS.get(distribution)
    if known:
        return frozenset(known.split())
    shared = _SHARED.match(distribution)
    plain = distribution.replace("-", "_")
    bare = re.sub(r"^(python|py)_|_(python|py)$", "", plain)
    return frozenset({plain, bare, *(shared.groups() if shared else ())})
