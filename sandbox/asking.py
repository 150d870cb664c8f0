"""Who asks a recorder, where that stands in the repository, and what the source says there.

It asks no recorder anything. Where an interpreter tells no columns (3.10), a place is a line.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import linecache
import os
import re
import sys
from importlib.util import resolve_name
from types import CodeType, FrameType
from typing import Any, NamedTuple

OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_FOREIGN = frozenset(("site-packages", "dist-packages", ".venv", "node_modules"))
_TEST_NAME = re.compile(r"(^|[./])(tests?|conftest|test_\w+|\w+_test)(\.|/|$)")
_THROUGH = ("_pytest/monkeypatch.py", "unittest/mock.py", "/pkgutil.py", "importlib/__init__.py")
"""Files that ask for a name on behalf of whoever called them."""


class Moment(NamedTuple):
    """A frame as it stood when an exception passed through it, under a frame's own names."""

    f_code: CodeType
    f_lasti: int
    f_lineno: int
    f_globals: dict[str, Any]
    f_locals: dict[str, Any]
    f_back: FrameType | None


Frame = Any
"""A frame, or a Moment."""


def moments(error: BaseException) -> list[Moment]:
    """Return the frames of an exception's traceback, the innermost last, without our own."""
    found, one = [], error.__traceback__
    while one is not None:
        frame = one.tb_frame
        if not frame.f_code.co_filename.startswith(OWN_FOLDER):
            names = (frame.f_globals, frame.f_locals, frame.f_back)
            found.append(Moment(frame.f_code, one.tb_lasti, one.tb_lineno or 0, *names))
        one = one.tb_next
    return found


Position = tuple[int, int, int, int]
"""Line, last line, column, last column; the columns in bytes from 0."""


class Ground:
    """The repository's files in ``root``: which may be stood in for, and which hold the tests."""

    def __init__(self, root: str, test_paths: list[str]) -> None:
        self.root = root + os.sep
        self._tests = frozenset(test_paths)
        self._known: dict[str, str | None] = {}

    def relative(self, file: str) -> str | None:
        """Return the path below the root, or None for what lies elsewhere or was installed."""
        if file not in self._known:
            inside = file[len(self.root) :] if file.startswith(self.root) else None
            foreign = inside is None or not _FOREIGN.isdisjoint(inside.split(os.sep))
            self._known[file] = None if foreign else inside
        return self._known[file]

    def is_ours(self, file: str) -> bool:
        """Whether it is a file of the repository that holds no tests."""
        path = self.relative(file)
        return path is not None and path not in self._tests and not _names_test(path)

    def frame(self, frame: Frame | None) -> Frame | None:
        """Return the innermost frame, from this one outwards, whose code lies in the repository."""
        while frame is not None and self.relative(frame.f_code.co_filename) is None:
            frame = frame.f_back
        return frame

    def place(self, frame: Frame | None) -> dict[str, Any] | None:
        """Return where the frame stands as a Place, None without a frame."""
        if frame is None:
            return None
        line, end_line, column, end_column = position(frame)
        path = str(self.relative(frame.f_code.co_filename))
        keys = ("path", "line", "column", "end_line", "end_column")
        return dict(zip(keys, (path, line, column, end_line, end_column), strict=True))


def _names_test(path: str) -> bool:
    return bool(_TEST_NAME.search(path.rpartition(os.sep)[2].removesuffix(".py")))


def names_test(module: str) -> bool:
    """Whether a module's dotted name is one of tests, which nothing stands in for."""
    return bool(_TEST_NAME.search(module))


def asker() -> FrameType | None:
    """Return the frame that asks, without the import machinery's and the sandbox's own."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((OWN_FOLDER, "<frozen importlib")):
            return frame
        frame = frame.f_back
    return None


def principal(frame: FrameType | None) -> FrameType | None:
    """Return the frame on whose behalf this one asks for a name: patching is asked for by tests."""
    while frame is not None and frame.f_code.co_filename.endswith(_THROUGH):
        frame = frame.f_back
    return frame


_POSITIONS: dict[int, tuple[CodeType, list[Any]]] = {}


def position(frame: Frame) -> Position:
    """Return what the frame runs now; columns and last line are 0 where they are not known."""
    code = frame.f_code
    if hasattr(code, "co_positions"):
        known = _POSITIONS.get(id(code))
        if known is None or known[0] is not code:
            known = _POSITIONS[id(code)] = (code, list(code.co_positions()))
        with contextlib.suppress(IndexError):
            found = known[1][frame.f_lasti // 2]
            if None not in found:
                return found  # type: ignore[no-any-return]
    return (frame.f_lineno or 0, 0, 0, 0)


class Source:
    """One file's syntax tree, by positions and upwards."""

    def __init__(self, file: str) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.by_position: dict[Position, ast.AST] = {}
        self._statements: dict[int, ast.stmt] = {}
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            for node in ast.walk(ast.parse("".join(linecache.getlines(file)))):
                self._add(node)

    def _add(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
        if isinstance(node, ast.stmt):  # shares its position with an expression that is all of it
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            self._statements.update(dict.fromkeys(lines, node))  # outer ones are walked first
        elif isinstance(node, ast.expr):
            at = (node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0)
            self.by_position.setdefault(at, node)

    def statement(self, line: int) -> ast.stmt | None:
        """Return the innermost statement on a line."""
        return self._statements.get(line)

    def binds(self, name: str) -> bool:
        """Whether a statement of the file, wherever it stands, makes a function, class or name."""
        return any(
            getattr(node, "name", None) == name
            or (
                getattr(node, "id", None) == name
                and isinstance(getattr(node, "ctx", None), ast.Store)
            )
            for node in self.parents
        )

    def above(self, node: ast.AST | None) -> list[ast.AST]:
        """Return the node and what holds it, the innermost first."""
        found = []
        while node is not None:
            found.append(node)
            node = self.parents.get(node)
        return found


@functools.cache
def source_in(file: str) -> Source:
    """Return the tree of a file, empty where that cannot be read."""
    return Source(file)


def source_of(frame: Frame) -> Source:
    """Return the tree of the frame's file."""
    return source_in(frame.f_code.co_filename)


def node_at(frame: Frame) -> ast.AST | None:
    """Return the expression that the frame evaluates now, else its statement."""
    source, at = source_of(frame), position(frame)
    return source.by_position.get(at) or source.statement(at[0])


def _at_hand(frame: Frame) -> list[ast.AST]:
    """Return all nodes of the statement that the frame runs now."""
    statement = source_of(frame).statement(position(frame)[0])
    return [*ast.walk(statement)] if statement else []


# --- what the source says there ---------------------------------------------------------------

_NEGATIONS = frozenset(("assertFalse", "assertNotIn", "assertNotIsInstance", "assertNotRegex"))
_GIVING_UP = frozenset(("fail", "skip", "xfail", "exit"))


def wanted(frame: Frame | None, times: int) -> bool:
    """What truth the statement at hand wants of a question that it asks for the ``times``-th time.

    ``assert not``, ``assertFalse``, ``is False`` and ``if ...: fail()`` want no; a loop's condition
    is true twice.
    """
    answer = True
    if frame is None:
        return answer
    inner: ast.AST | None = None
    for node in source_of(frame).above(node_at(frame)):
        if isinstance(node, ast.stmt):
            inner = node.test if isinstance(node, ast.While) and inner is None else inner
            return answer if inner is None else _statement_wants(node, inner, answer, times)
        if _negates(node, inner):
            answer = not answer
        inner = node
    return answer


def _statement_wants(node: ast.stmt, inner: ast.AST, answer: bool, times: int) -> bool:
    if isinstance(node, ast.While) and node.test is inner:
        return answer if times < 2 else not answer
    if isinstance(node, ast.If) and node.test is inner and _gives_up(node.body[0]):
        return not answer
    asserts = isinstance(node, (ast.Assert, ast.Expr, ast.While, ast.If))
    return answer if asserts else True


def _negates(node: ast.AST, inner: ast.AST | None) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", "") in _NEGATIONS and inner is not node.func
    if isinstance(node, ast.Compare) and node.left is inner:
        first, value = node.ops[0], getattr(node.comparators[0], "value", None)
        return (isinstance(first, (ast.Is, ast.Eq)) and value is False) or (
            isinstance(first, (ast.IsNot, ast.NotEq)) and value is True
        )
    return False


def _gives_up(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _name(node.value.func) in _GIVING_UP
    return isinstance(node, ast.Raise) or (
        isinstance(node, ast.Assert) and getattr(node.test, "value", None) is False
    )


def is_called(frame: Frame | None, name: str) -> bool:
    """Whether what the frame asks for by ``name`` is called there, or kept in a table."""
    if frame is None:
        return False
    source, node = source_of(frame), node_at(frame)
    if not isinstance(node, (ast.Name, ast.Attribute)):
        plain = "__" + name.partition("__")[2]  # of a mangled name
        node = next((one for one in _at_hand(frame) if _name(one) in (name, plain)), None)
    parent = source.parents.get(node) if node is not None else None
    if isinstance(parent, ast.Dict):  # a table of functions
        return node in parent.values and node not in parent.keys
    return isinstance(parent, ast.Call) and parent.func is node


def calls_one_of(frame: Frame | None, names: tuple[str, ...]) -> bool:
    """Whether the frame is at a call of a function of one of these names."""
    node = None if frame is None else node_at(frame)
    nodes = ast.walk(node) if isinstance(node, ast.stmt) else [node]  # where no column is known
    return any(isinstance(one, ast.Call) and _name(one.func) in names for one in nodes)


def is_equal_to(frame: Frame, name: str, value: Any) -> bool:
    """Whether what the function ``name`` (``len``) gives in the frame is compared with this value."""
    call = node_at(frame)
    above = source_of(frame).parents.get(call) if call is not None else None
    sides: list[ast.AST] = []
    if isinstance(above, ast.Compare) and isinstance(above.ops[0], ast.Eq):
        sides = [above.left, *above.comparators]
    elif isinstance(above, ast.Call) and _name(above.func) == "assertEqual":
        sides = [*above.args]
    return calls_one_of(frame, (name,)) and any(ast.unparse(one) == repr(value) for one in sides)


def is_asserted(frame: Frame) -> bool:
    """Whether the statement at hand says what must be: it asserts, or gives up where it is not so."""
    node = source_of(frame).statement(position(frame)[0])
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _name(node.value.func).lower().startswith(("assert", "expect", "check", "verify"))
    return isinstance(node, ast.Assert) or (isinstance(node, ast.If) and _gives_up(node.body[0]))


def is_soft(frame: FrameType, name: str) -> bool:
    """Whether the frame only looks whether there is a ``name``: hasattr, getattr with a default."""
    for node in _at_hand(frame):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            soft = node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) > 2)
            if soft and getattr(node.args[1], "value", name) == name:
                return True
    return False


def mentions(frame: Frame, name: str) -> bool:
    """Whether the statement at hand itself names an attribute, or imports something by a name."""
    names = ("attr", "name")
    return any(name == getattr(one, each, "") for one in _at_hand(frame) for each in names)


_BROAD = frozenset(("Exception", "BaseException"))
_EXPECTING = frozenset(("raises", "assertRaises", "assertRaisesRegex", "suppress"))


def is_guarded(frame: FrameType, *errors: str) -> bool:
    """Whether the code there is ready for one of these exceptions: a try, a ``raises``."""
    source = source_of(frame)
    inner: ast.AST | None = None
    for node in source.above(source.statement(position(frame)[0])):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and inner:
            return False
        kinds: list[ast.expr | None] = []
        if isinstance(node, ast.Try) and inner in node.body:
            kinds = [one.type for one in node.handlers]
        if isinstance(node, (ast.With, ast.AsyncWith)):
            calls = [one.context_expr for one in node.items]
            expecting = [one for one in calls if _name(getattr(one, "func", one)) in _EXPECTING]
            kinds = [kind for one in expecting for kind in getattr(one, "args", ())]
        if any(_catches(one, errors) for one in kinds):
            return True
        inner = node
    return False


def _catches(kind: ast.expr | None, errors: tuple[str, ...]) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or _name(one) in errors or _name(one) in _BROAD for one in kinds)


def _name(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def imports_name(frame: FrameType, parent: str, name: str) -> bool:
    """Whether the frame runs ``from parent import name``, where a name may be meant or a module."""
    node = source_of(frame).statement(position(frame)[0])
    if not isinstance(node, ast.ImportFrom) or all(one.name != name for one in node.names):
        return False
    base = "." * node.level + (node.module or "")
    return resolve_name(base, str(frame.f_globals.get("__package__") or "")) == parent


# --- who is not answered ---

_DEAF = re.compile(
    r"_pytest/|/pluggy/|/(inspect|doctest|typing|functools|copy|dataclasses|pickle)\.py$"
    r"|/unittest/(case|loader|suite)\.py$|/hypothesis/"
)
"""They ask every object for attributes that nobody meant."""

HOOKS = re.compile(
    r"pytest_plugins|pytestmark|_pytestfixturefunction|pytest_mock_example_attribute_\w+|load_tests"
    r"|(setup|teardown)(_module|_function)?|(setUp|tearDown)Module|collect_ignore(_glob)?"
)
"""What they ask modules for."""
_ANSWERED = frozenset(("__version__", "__author__", "__license__", "__title__", "__members__"))


def is_deaf(frame: Frame | None) -> bool:
    """Whether an attribute is asked for by what asks every object for it."""
    frame = principal(frame)
    return frame is None or bool(_DEAF.search(frame.f_code.co_filename))


def is_hidden(name: str) -> bool:
    """Whether a name is one that Python or pytest ask for of their own accord."""
    special = name.startswith("__") and name.endswith("__")
    return (special and name not in _ANSWERED) or bool(HOOKS.fullmatch(name))
