"""Owns what a file imports and binds: which imports code still lacks, and where they go.

Only names of the standard library that leave no doubt are imported without being asked for.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import re
import symtable
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from egbot.source.outline import Function, Outline, read_outline
from egbot.source.text import Edit, SourceSyntaxError, parse_text, readable

_Import = ast.Import | ast.ImportFrom
_Defining = Function | ast.ClassDef
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=]")
# Modules that a program means when it writes ``name.attribute`` without having defined name.
_MODULE_NAMES = """
    abc argparse array ast asyncio base64 binascii bisect calendar cmath collections contextlib
    copy csv dataclasses datetime decimal difflib enum fnmatch fractions functools glob hashlib
    heapq hmac html io itertools json keyword locale logging math numbers operator os pathlib
    posixpath pprint queue random re secrets shlex shutil statistics string struct sys tempfile
    textwrap threading time timeit traceback types typing unicodedata uuid warnings weakref zlib
    zoneinfo
"""
_MODULES = frozenset(_MODULE_NAMES.split())
_MEMBERS = {
    "abc": "ABC abstractmethod",
    "bisect": "bisect_left bisect_right insort",
    "collections": "Counter OrderedDict defaultdict deque namedtuple",
    "collections.abc": "AsyncIterator Awaitable Hashable Mapping MutableMapping",
    "contextlib": "ExitStack closing contextmanager nullcontext suppress",
    "copy": "copy deepcopy",
    "dataclasses": "asdict astuple dataclass field",
    "datetime": "date timedelta timezone",
    "decimal": "Decimal ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP",
    "enum": "Enum IntEnum IntFlag StrEnum auto",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce total_ordering wraps",
    "heapq": "heapify heappop heappush heappushpop heapreplace nlargest nsmallest",
    "io": "BytesIO StringIO",
    "itertools": "accumulate chain combinations combinations_with_replacement count cycle dropwhile"
    " groupby islice pairwise permutations product starmap takewhile tee zip_longest",
    "math": "ceil comb cos exp factorial floor gcd hypot inf isclose isqrt lcm log log10 log2 perm pi"
    " prod sin sqrt tan trunc",
    "operator": "attrgetter itemgetter methodcaller",
    "pathlib": "Path PurePath PurePosixPath",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation",
    "textwrap": "dedent",
    "typing": "Any Callable ClassVar Dict Final FrozenSet Generator Generic Iterable Iterator List"
    " Literal NamedTuple NoReturn Optional Protocol Sequence Set Tuple Type TypedDict TypeVar Union",
}
_MODULE_OF = {name: module for module, names in _MEMBERS.items() for name in names.split()}
_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__class__", "__path__"}


# --- what a module binds -----------------------------------------------------------------------


def read_bindings(tree: ast.Module) -> frozenset[str] | None:
    """The names that the module's top level binds; None where a star import may bind any."""
    entries = (entry for node in ast.walk(tree) for entry in _entries(node))
    stars = {module for module, name, _ in entries if name == "*"}
    members = (name for name, home in _MODULE_OF.items() if home in stars)
    return bound_names(tree).union(members) if stars <= sys.stdlib_module_names else None


def bound_names(node: ast.AST) -> frozenset[str]:
    """The names that a module or a statement of its top level binds, also below ``if`` and ``try``."""
    found: set[str] = set()
    waiting = [node]
    for one in waiting:  # which grows meanwhile
        found.update(_bound_by(one))
        is_scope = isinstance(one, _Defining | ast.Lambda)
        inner = ast.walk(one) if is_scope else ast.iter_child_nodes(one)
        waiting += [each for each in inner if not is_scope or isinstance(each, ast.Global)]
    return frozenset(found)


def used_at_import(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The names that statements read while they run."""
    used: set[str] = set()
    waiting = list(nodes)
    for node in waiting:  # which grows meanwhile
        inner = list(ast.iter_child_nodes(node))
        if isinstance(node, Function):
            inner = [one for one in inner if not isinstance(one, ast.stmt)]
        elif isinstance(node, ast.Lambda):
            inner = [node.args]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        waiting += inner
    return frozenset(used)


def _bound_by(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Import(names=aliases):
            return tuple(alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.ImportFrom(names=aliases):
            return tuple(alias.asname or alias.name for alias in aliases)
        case ast.Global(names=names):
            return tuple(names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return (name,)
        case _:
            return ()


# --- what code lacks ---------------------------------------------------------------------------


def missing_imports(
    source_text: str, around: frozenset[str] | None = frozenset()
) -> tuple[str, ...]:
    """The import lines that a text (a module, or a function) needs and lacks.

    ``around`` are the names that its module binds, as ``read_bindings`` returns them. Only names of
    the standard library that leave no doubt are imported. Raises SourceSyntaxError.
    """
    tree = parse_text(source_text)
    own = read_bindings(tree)
    if own is None or around is None:
        return ()
    return _import_lines(tree, _read_globally(source_text) - around - own)


def _read_globally(text: str) -> frozenset[str]:
    """The global names that the text reads, without those of builtins."""
    with readable():
        top = symtable.symtable(text, "<source>", "exec")
    used: set[str] = set()
    tables = [top]
    for table in tables:  # which grows meanwhile
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table is top):
                used.add(symbol.get_name())
    return frozenset(used - _BUILTINS)


def _import_lines(tree: ast.Module, names: frozenset[str]) -> tuple[str, ...]:
    """The lines for those of ``names`` that are known."""
    owned = {
        node.value: node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    uses: dict[str, set[str]] = defaultdict(set)  # the attributes of names, "" where they are plain
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            uses[node.id].add(owned.get(node, ""))
    modules: set[str] = set()
    members: dict[str, set[str]] = defaultdict(set)
    for name in names:
        attributes, is_plain = uses[name] - {""}, "" in uses[name]
        if name == "datetime" and not attributes & {*dir(datetime)}:
            members[name].add(name)
        elif name in _MODULES and attributes and not (is_plain and name in _MODULE_OF):
            modules.add(name)
        elif name in _MODULE_OF:
            members[_MODULE_OF[name]].add(name)
    lines = [f"import {name}" for name in sorted(modules)]
    lines += [f"from {name} import {', '.join(sorted(members[name]))}" for name in sorted(members)]
    return tuple(lines)


# --- where imports go --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """One or more statements that share lines (from 0, the end excluded)."""

    start: int
    end: int
    statements: tuple[ast.stmt, ...]

    @property
    def is_future(self) -> bool:
        return any(getattr(one, "module", None) == "__future__" for one in self.statements)

    @property
    def is_import(self) -> bool:
        return all(isinstance(one, _Import) for one in self.statements) and not self.is_future

    @property
    def is_docstring(self) -> bool:
        return ast.get_docstring(ast.Module([*self.statements], [])) is not None


def add_imports(source: bytes, lines: tuple[str, ...]) -> bytes:
    """The file with the import statements that it does not have yet, among its own imports.

    They stand with the first imports of the standard library, sorted in, else above the other
    imports, else under the docstring; never inside ``if TYPE_CHECKING``. All other bytes stay.
    Raises SourceSyntaxError, and UsageError if the encoding lacks a character.
    """
    outline = read_outline(source)
    return outline.source.edited(place_imports(outline, lines))


def place_imports(outline: Outline, lines: Iterable[str]) -> tuple[Edit, ...]:
    """Where each import line that the file lacks belongs. Raises SourceSyntaxError."""
    there = {entry for node in outline.tree.body for entry in _entries(node)}
    new = {line: _statement(line) for line in lines}
    lacking = [line for line in new if not _entries(new[line]) <= there]
    lacking.sort(key=lambda line: (isinstance(new[line], ast.ImportFrom), _module(new[line])))
    opening = _rows(outline)
    group = _standard_group(opening)
    if lacking and not group:
        return (_new_group(outline, opening, lacking),)
    places: dict[int, list[str]] = {}
    for line in lacking:
        places.setdefault(_place(group, new[line]), []).append(line)
    return tuple(Edit(at, at, tuple(some)) for at, some in places.items())


def opening_end(outline: Outline) -> int:
    """The row (from 0) below the docstring and the imports that open a file, or below its head."""
    end = _below_head(outline.rows.rows)
    for place, row in enumerate(_rows(outline)):
        if not (row.is_future or row.is_import or (place == 0 and row.is_docstring)):
            break
        end = row.end
    return end


def above_comments(rows: list[str], at: int) -> int:
    """Above the comments that belong to row ``at``, unless they open the file."""
    row, head = at, _num_magic(rows)
    while row > head and rows[row - 1].lstrip().startswith("#"):
        row -= 1
    return row if row > head else at


def _statement(line: str) -> _Import:
    body = parse_text(line).body
    if len(body) != 1 or not isinstance(body[0], _Import):
        raise SourceSyntaxError(f"not an import statement: {line!r}", 1)
    return body[0]


def _module(node: ast.stmt) -> str:
    """What a statement imports from, or its first module."""
    if isinstance(node, ast.ImportFrom):
        return "." * node.level + (node.module or "")
    return node.names[0].name if isinstance(node, ast.Import) else ""


def _entries(node: ast.AST) -> frozenset[tuple[str, str, str]]:
    if not isinstance(node, _Import):
        return frozenset()
    module = _module(node) if isinstance(node, ast.ImportFrom) else ""
    return frozenset((module, alias.name, alias.asname or "") for alias in node.names)


def _rows(outline: Outline) -> list[_Row]:
    """The statements above the first function or class, in rows of whole lines."""
    found: list[_Row] = []
    for node in outline.tree.body:
        if any(isinstance(one, _Defining) for one in ast.walk(node)):
            break
        start, end = outline.rows.first(node.lineno - 1), outline.rows.below(node)
        if found and start < found[-1].end:
            last = found.pop()
            found.append(_Row(last.start, max(end, last.end), (*last.statements, node)))
        else:
            found.append(_Row(start, end, (node,)))
    return found


def _standard_group(rows: list[_Row]) -> list[_Row]:
    """The first block of neighbouring imports that imports from the standard library, or []."""
    groups: list[list[_Row]] = [[]]
    for row in rows:
        if not row.is_import or (groups[-1] and groups[-1][-1].end != row.start):
            groups.append([])
        if row.is_import:
            groups[-1].append(row)
    return next((group for group in groups if any(map(_is_standard, group))), [])


def _is_standard(row: _Row) -> bool:
    return _module(row.statements[0]).partition(".")[0] in sys.stdlib_module_names


def _place(group: list[_Row], node: _Import) -> int:
    """The row below the last of the group's imports that is of its kind and sorts before ``node``.

    "import x" stands above "from x import y" where there is none of its kind.
    """
    same = [row for row in group if isinstance(row.statements[0], type(node))]
    before = [row for row in same if _module(row.statements[0]).lower() <= _module(node).lower()]
    if before:
        return before[-1].end
    if same:
        return same[0].start
    return group[0].start if isinstance(node, ast.Import) else group[-1].end


def _new_group(outline: Outline, opening: list[_Row], new: list[str]) -> Edit:
    """A block of its own: above the other imports, else under what opens the file."""
    rows = outline.rows.rows
    first = next((row.start for row in opening if row.is_import), None)
    if first is not None:
        at = above_comments(rows, first)
        return Edit(at, at, (*new, ""))
    at = opening_end(outline)
    above = [""] if at and rows[at - 1].strip() else []
    below = "".join(rows[at : at + 1])
    if not below.strip():
        return Edit(at, at, (*above, *new))
    num_blank = 2 if re.match(r"@|def |class |async ", below) else 1
    return Edit(at, at, (*above, *new, *[""] * num_blank))


def _num_magic(rows: list[str]) -> int:
    """How many lines the shebang and the encoding take: they count at the file's start alone."""
    if len(rows) > 1 and rows[0].strip()[:1] in ("", "#") and _COOKIE.match(rows[1]):
        return 2
    return int(bool(rows) and (rows[0].startswith("#!") or bool(_COOKIE.match(rows[0]))))


def _below_head(rows: list[str]) -> int:
    """Under the shebang, the encoding and a licence comment that an empty line sets apart."""
    end = head = _num_magic(rows)
    while end < len(rows) and rows[end].lstrip().startswith("#"):
        end += 1
    return end if end == len(rows) or not rows[end].strip() else head
