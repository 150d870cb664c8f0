"""Owns which names a module binds, and which imports of the standard library its code still lacks.

It does not know where in a file an import goes.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.source.layout import SourceSyntaxError, parse_text
from egbot.source.quiet import quietly

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


@dataclass(frozen=True, slots=True)
class Bindings:
    """The names that a module binds: at run time, and for type checkers only. ``open``: unknown."""

    runtime: frozenset[str]
    checked: frozenset[str]
    open: bool
    lazy_annotations: bool


def read_bindings(tree: ast.Module) -> Bindings:
    """What the module's top level binds. ``open`` says that a star import hides names."""
    runtime: set[str] = set()
    checked: set[str] = set()
    is_open = lazy = False
    for node, for_checkers in _module_nodes(tree):
        names = checked if for_checkers else runtime
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            known = {name for name, module in _MODULE_OF.items() if module == node.module}
            names |= known
            is_open = is_open or (node.module or "") not in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
            lazy = lazy or any(alias.name == "annotations" for alias in node.names)
        names.update(_bound_by(node))
    return Bindings(frozenset(runtime), frozenset(runtime | checked), is_open, lazy)


def _module_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """The nodes that run when the module is imported, and whether only a type checker sees them."""
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in tree.body]
    while stack:
        node, checked = stack.pop()
        yield node, checked
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
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


NOTHING_BOUND = Bindings(frozenset(), frozenset(), open=False, lazy_annotations=False)


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
