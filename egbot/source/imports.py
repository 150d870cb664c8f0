"""Owns what a file imports and binds: which imports code still lacks, and where they go.

Only names of the standard library that leave no doubt are imported without being asked for.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from egbot.source.text import Edit, Rows, SourceSyntaxError, parse_text, quietly, read_source

_Import = ast.Import | ast.ImportFrom
_Defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
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
    "bisect": "bisect_left bisect_right insort insort_left insort_right",
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque namedtuple",
    "collections.abc": "AsyncIterator Awaitable Collection Coroutine Hashable ItemsView KeysView"
    " Mapping MutableMapping MutableSequence MutableSet Reversible Sized ValuesView",
    "contextlib": "ExitStack closing contextmanager nullcontext suppress",
    "copy": "copy deepcopy",
    "dataclasses": "asdict astuple dataclass field",
    "datetime": "date timedelta timezone",
    "decimal": "Decimal ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP",
    "enum": "Enum IntEnum IntFlag StrEnum auto",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce singledispatch"
    " total_ordering wraps",
    "heapq": "heapify heappop heappush heappushpop heapreplace nlargest nsmallest",
    "io": "BytesIO StringIO",
    "itertools": "accumulate chain combinations combinations_with_replacement count cycle dropwhile"
    " groupby islice pairwise permutations product starmap takewhile tee zip_longest",
    "math": "ceil comb cos exp factorial floor fsum gcd hypot inf isclose isqrt lcm log log10 log2"
    " perm pi prod sin sqrt tan tau trunc",
    "operator": "attrgetter itemgetter methodcaller",
    "pathlib": "Path PurePath PurePosixPath",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation",
    "textwrap": "dedent",
    "typing": "Any AnyStr Callable ClassVar Dict Final FrozenSet Generator Generic Iterable Iterator"
    " List Literal NamedTuple NoReturn Optional Protocol Sequence Set Tuple Type TypedDict TypeVar"
    " Union",
}
_MODULE_OF = {name: module for module, names in _MEMBERS.items() for name in names.split()}
_DATETIME_MEMBERS = frozenset(
    {"datetime", "date", "time", "timedelta", "timezone", "tzinfo", "UTC", "MINYEAR", "MAXYEAR"}
)
_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__class__", "__path__"}


# --- what a module binds -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bindings:
    """The names that a module binds: at run time, and for type checkers only.

    ``stars`` are modules of which it imports all names, with the dots of relative ones.
    """

    runtime: frozenset[str] = frozenset()
    checked: frozenset[str] = frozenset()
    stars: tuple[str, ...] = ()
    lazy_annotations: bool = False

    @property
    def open(self) -> bool:
        """Whether a star import may bind more names."""
        return any(module not in sys.stdlib_module_names for module in self.stars)


NOTHING_BOUND = Bindings()


def read_bindings(tree: ast.Module) -> Bindings:
    """What the module's top level binds."""
    runtime: set[str] = set()
    checked: set[str] = set()
    stars: list[str] = []
    lazy = False
    for node, for_checkers in _module_nodes(tree):
        names = checked if for_checkers else runtime
        names.update(_bound_by(node))
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            listed = {alias.name for alias in node.names}
            lazy = lazy or (module == "__future__" and "annotations" in listed)
            if "*" in listed:
                stars.append(module)
                names |= {name for name, home in _MODULE_OF.items() if home == module}
    return Bindings(frozenset(runtime), frozenset(runtime | checked), tuple(stars), lazy)


def bound_names(node: ast.AST) -> frozenset[str]:
    """The names that a statement at the top level binds, also below ``if`` and ``try``."""
    tree = ast.Module(body=[node], type_ignores=[])  # type: ignore[list-item]
    return frozenset(name for one, _ in _module_nodes(tree) for name in _bound_by(one))


def names_inside(body: Iterable[ast.stmt]) -> dict[str, frozenset[str]]:
    """The names that each function and class of a top level speaks of."""
    return {
        one.name: frozenset(n.id for n in ast.walk(one) if isinstance(n, ast.Name))
        for one in body
        if isinstance(one, _Defining)
    }


def used_at_import(
    nodes: Iterable[ast.AST], inside: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The names that statements read while they run, by what is ``inside`` of others, too."""
    waiting, used = list(nodes), set[str]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = (getattr(node, "decorator_list", []), [node.args], [getattr(node, "returns", 0)])
            waiting += [one for some in own for one in some if isinstance(one, ast.AST)]
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
            waiting += ast.iter_child_nodes(node)
    names = list(used)
    while names:
        more = inside.get(names.pop(), frozenset()) - used
        used |= more
        names += more
    return frozenset(used)


def _module_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """The nodes that run when the module is imported, and whether only a type checker sees them."""
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in tree.body]
    while stack:
        node, checked = stack.pop()
        yield node, checked
        if isinstance(node, _Defining | ast.Lambda):
            stack.extend((n, checked) for n in ast.walk(node) if isinstance(n, ast.Global))
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            stack.extend((child, True) for child in node.body)
            stack.extend((child, checked) for child in node.orelse)
        else:
            stack.extend((child, checked) for child in ast.iter_child_nodes(node))


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


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


def missing_imports(source_text: str, around: Bindings = NOTHING_BOUND) -> tuple[str, ...]:
    """The import lines that a text (a module, or a function in ``around``) needs and lacks.

    Only names of the standard library that leave no doubt are imported. Raises SourceSyntaxError.
    """
    tree = parse_text(source_text)
    own = read_bindings(tree)
    if own.open or around.open:
        return ()
    lazy = own.lazy_annotations or around.lazy_annotations
    used = _unbound(source_text, lazy=lazy) - around.runtime - own.runtime
    if lazy:
        used |= _in_annotations(tree) - _BUILTINS - around.checked - own.checked
    needed = used & (_MODULES | _MODULE_OF.keys())
    return _import_lines(tree, needed) if needed else ()


def _unbound(text: str, *, lazy: bool) -> frozenset[str]:
    """The global names that the text reads; without those of annotations when they are lazy."""
    future = "from __future__ import annotations\n" if lazy else ""
    try:
        with quietly():
            top = symtable.symtable(future + text, "<source>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        raise SourceSyntaxError(str(error) or type(error).__name__, line) from error
    used: set[str] = set()
    stack = [top]
    while stack:
        table = stack.pop()
        if lazy and table.get_name() == "_annotation":
            continue
        stack.extend(table.get_children())
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table is top):
                used.add(symbol.get_name())
    return frozenset(used - _BUILTINS)


def _in_annotations(tree: ast.Module) -> frozenset[str]:
    """The names in annotations, which a lazy module needs only for its readers and checkers."""
    annotations: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            annotations.append(node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            annotations.append(node.returns)
    inner = (n for annotation in annotations if annotation for n in ast.walk(annotation))
    return frozenset(n.id for n in inner if isinstance(n, ast.Name))


def _import_lines(tree: ast.Module, names: frozenset[str]) -> tuple[str, ...]:
    attributes: dict[str, set[str]] = {}
    plain: set[str] = set()
    bases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
            bases.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node not in bases:
            plain.add(node.id)
    modules: set[str] = set()
    members: dict[str, set[str]] = {}
    for name in names:
        seen = attributes.get(name, set())
        if name == "datetime" and not seen & _DATETIME_MEMBERS:
            members.setdefault("datetime", set()).add("datetime")
        elif name in _MODULES and seen and (name not in plain or name not in _MODULE_OF):
            modules.add(name)
        elif name in _MODULE_OF:
            members.setdefault(_MODULE_OF[name], set()).add(name)
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

    They stand with the first imports of the standard library (sorted in if those are sorted), else
    above the other imports, else under the docstring; never inside ``if TYPE_CHECKING``. All
    other bytes stay. Raises SourceSyntaxError, and UsageError if the encoding lacks a character.
    """
    read = read_source(source)
    edits = place_imports(Rows(read.text), parse_text(read.text), lines)
    return read.edited(edits) if edits else source


def place_imports(rows: Rows, tree: ast.Module, lines: Iterable[str]) -> tuple[Edit, ...]:
    """Where each import line that the file lacks belongs. Raises SourceSyntaxError."""
    there = {entry for node in tree.body for entry in _entries(node)}
    new = {line: _statement(line) for line in lines}
    new = {line: node for line, node in new.items() if not _entries(node) <= there}
    if not new:
        return ()
    opening = _rows(rows, tree)
    group = _standard_group(opening)
    if group:
        return _sort_in(group, new)
    ordered = sorted(new, key=lambda line: _by_kind(new[line]))
    return (_new_group(rows.rows, opening, ordered),)


def opening_end(rows: Rows, tree: ast.Module) -> int:
    """The row (from 0) below the docstring and the imports that open a file, or below its head."""
    end = _below_head(rows.rows)
    for place, row in enumerate(_rows(rows, tree)):
        if not (row.is_future or row.is_import or (place == 0 and row.is_docstring)):
            break
        end = row.end
    return end


def above_comments(rows: list[str], at: int, top: int = 0) -> int:
    """Above the comments that belong to row ``at``, unless they open the file; not above ``top``."""
    head = max(top, _num_magic(rows))
    row = at
    while row > head and rows[row - 1].lstrip().startswith("#"):
        row -= 1
    return row if row > head or top else at


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


def _entries(node: ast.stmt) -> frozenset[tuple[str, str, str]]:
    if not isinstance(node, _Import):
        return frozenset()
    module = _module(node) if isinstance(node, ast.ImportFrom) else ""
    return frozenset((module, alias.name, alias.asname or "") for alias in node.names)


def _rows(rows: Rows, tree: ast.Module) -> list[_Row]:
    """The statements above the first function or class, in rows of whole lines."""
    found: list[_Row] = []
    for node in tree.body:
        if any(isinstance(one, _Defining) for one in ast.walk(node)):
            break
        start, end = rows.first(node.lineno - 1), rows.below(node)
        if found and start < found[-1].end:
            last = found.pop()
            found.append(_Row(last.start, max(end, last.end), (*last.statements, node)))
        else:
            found.append(_Row(start, end, (node,)))
    return found


def _standard_group(rows: list[_Row]) -> list[_Row]:
    """The first block of neighbouring imports that imports from the standard library, or []."""
    groups: list[list[_Row]] = []
    for row in rows:
        if row.is_import and groups and groups[-1][-1].end == row.start:
            groups[-1].append(row)
        elif row.is_import:
            groups.append([row])
    tops = sys.stdlib_module_names
    standard = (
        group
        for group in groups
        if any(_module(row.statements[0]).partition(".")[0] in tops for row in group)
    )
    return next(standard, [])


def _by_kind(node: ast.stmt) -> tuple[str, str]:
    """ "import x" above "from x import y"."""
    return "2" if isinstance(node, ast.ImportFrom) else "1", _module(node).lower()


def _by_module(node: ast.stmt) -> tuple[str, str]:
    kind, module = _by_kind(node)
    return module, kind


def _sort_in(group: list[_Row], new: dict[str, _Import]) -> tuple[Edit, ...]:
    """Each line at its place when the block is sorted one of the two usual ways; else at its end."""
    nodes = [row.statements[0] for row in group]
    orders = [order for order in (_by_kind, _by_module) if nodes == sorted(nodes, key=order)]
    rank = orders[0] if orders else _by_kind
    places: dict[int, list[str]] = {}
    for line in sorted(new, key=lambda one: rank(new[one])):
        above = [row for row in group if not orders or rank(row.statements[0]) <= rank(new[line])]
        places.setdefault(above[-1].end if above else group[0].start, []).append(line)
    return tuple(Edit(at, at, tuple(lines)) for at, lines in places.items())


def _new_group(rows: list[str], opening: list[_Row], new: list[str]) -> Edit:
    """A block of its own: above the other imports, else under what opens the file."""
    imports = [row for row in opening if row.is_import]
    if imports:
        at = above_comments(rows, imports[0].start)
        return Edit(at, at, (*new, ""))
    tops = [row for row in opening if row.is_future] or [r for r in opening[:1] if r.is_docstring]
    at = tops[-1].end if tops else _below_head(rows)
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
