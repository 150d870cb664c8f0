"""Owns the veto on a written function: what it uses beyond what is allowed, whatever its tests say.

It reads the code and runs nothing. Allowed are the grammar, the function's own names, a table of
builtins, what its file binds and imports, standard modules that compute and touch nothing, the
repository's own modules that are no tests, and attributes that lead to no frame, code or module
(``allowed``). Modules, builtins and classes of others are never values that are handed around or
changed; classes made inside compare as ``object`` does. Whatever stands in no table is vetoed.

Not covered:
- what functions called from here do: other functions of the repository and its dependencies;
- classes and modules that reach the function in data: containers, arguments, globals;
- answers written down for the tests' inputs, endless loops, and memory or disk filled up.
The sandbox, the fresh verification run and the reviewer stand behind this check.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from egbot.source import allowed
from egbot.source.guardflow import is_handed_in, made_names
from egbot.source.guardscope import (
    FileNames,
    Scope,
    Scoped,
    bound_in,
    folded,
    imported_names,
    is_local,
    modules_of,
    open_scope,
    parts_of,
    prefixes,
    read_names,
    resolve,
)
from egbot.source.outline import Function, header_dump, read_outline
from egbot.source.text import SourceSyntaxError, parse_text, read_source

_MAX_VETOES = 20
_HOW = "a maintainer may allow it: [tool.egbot.guard] allow = [{!r}]"
_TEST_MODULE = re.compile(r"(tests?|conftest|test_\w*|\w+_tests?)$")
_TEST_FILE = re.compile(r"(^|[/\\])(test_\w*|\w+_test|conftest)\.py$|PYTEST_CURRENT_TEST")
_PROCESS_FILE = re.compile(r"(^|/)(proc/(self|\d+)|dev/fd)(/|$)")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*|\w+(Error|Exception|Warning|Expired)")
_SELF = ("self", "cls")


def vetoes(  # noqa: PLR0913 (what is asked from outside)
    before: bytes | None,
    after: bytes,
    qualname: str,
    ordinal: int | None = None,
    *,
    path: str | None = None,
    test_paths: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> tuple[str, ...]:
    """What speaks against the function in ``after``; each veto is a sentence with its line.

    ``before`` is the file as it was (None: there was none), ``path`` where it lies in the repository
    and ``test_paths`` what holds its tests: without these, the repository's own modules are told by
    relative imports and what the file imports already. ``allow`` are dotted names that a maintainer
    lets functions use. The name is as in ``outline.find``. Empty means that nothing was found. Code
    that cannot be read is vetoed, never raised.
    """
    try:
        file = _names_of(before or b"")
        functions, imports = _written(before or b"", after, qualname, ordinal)
        if not functions:
            return (f"The file does not define {qualname}.",)
        guard = _Guard(file, path or "", frozenset(test_paths), frozenset(allow))
        guard.own_class = qualname.partition(".")[0] if "." in qualname else ""
        guard.take_imports(imports)
        for node, offset, is_known in functions:
            guard.function(node, offset, is_known=is_known)
    except SourceSyntaxError as error:
        return (f"The file cannot be read: {error}.",)
    except RecursionError:
        return ("The function is nested too deeply to be checked.",)
    found = [text for _, text in sorted(guard.found)]
    return tuple(dict.fromkeys(found))[:_MAX_VETOES]


_outline_of = functools.lru_cache(maxsize=8)(read_outline)


@functools.lru_cache(maxsize=8)
def _names_of(source: bytes) -> FileNames:
    return read_names(_outline_of(source).tree)


_Written = tuple[list[tuple[Function, int, bool]], list[tuple[ast.stmt, int]]]


def _written(before: bytes, after: bytes, qualname: str, ordinal: int | None) -> _Written:
    """The functions to check, with the line above each and whether the header was there before.

    And what came with them at the top level: imports. Where only these and one function's text are
    new, nothing else is parsed.
    """
    old = _outline_of(before)
    was = old.function(qualname, ordinal)
    if was is not None and "<locals>" not in qualname:
        piece = _piece(old.source.text, was.start, was.end, read_source(after).text)
        if piece is not None:
            node, offset, imports = piece
            return [(node, offset, header_dump(node) == header_dump(was.node))], imports
    new = read_outline(after)
    known = {ast.dump(node) for node in old.tree.body}
    name = qualname.partition(".")[0]
    imports = [
        (node, 0)
        for node in new.tree.body
        if getattr(node, "name", "") != name and ast.dump(node) not in known
    ]
    headers = [header_dump(one.node) for one in old.functions if one.qualname == qualname]
    same = {ast.dump(one.node) for one in old.functions if one.qualname == qualname}
    found = [
        (one.node, 0, not headers or header_dump(one.node) in headers)
        for one in new.functions
        if one.qualname == qualname and (ordinal is None or one.ordinal == ordinal)
        if isinstance(one.node, Function)
    ]
    changed = [one for one in found if ast.dump(one[0]) not in same]
    return changed or found, imports


def _piece(
    old: str, start: int, end: int, new: str
) -> tuple[Function, int, list[tuple[ast.stmt, int]]] | None:
    """The function that stands in place of ``old[start:end]``, if but imports are new above it."""
    above, below = old[:start], old[end:]
    if not new.endswith(below):
        return None
    rest = new[: len(new) - len(below)]
    shared = _shared_lines(above, rest)
    tail = above[shared:]
    place = rest.find(tail, shared) if tail else len(above)
    added, text = rest[shared:place], rest[place + len(tail) :]
    if rest[:shared] + added + tail + text != rest or (not tail and shared != len(above)):
        return None
    indent = above[above.rfind("\n") + 1 :]
    nodes = parse_text(f"if 1:\n{indent}{text}" if indent else text).body
    if indent and len(nodes) == 1:
        nodes = getattr(nodes[0], "body", [])
    lines = parse_text(added).body
    if len(nodes) != 1 or not isinstance(nodes[0], Function) or indent.strip():
        return None
    if not all(isinstance(one, ast.Import | ast.ImportFrom) for one in lines):
        return None
    offset = new.count("\n", 0, place + len(tail)) - (1 if indent else 0)
    return nodes[0], offset, [(one, new.count("\n", 0, shared)) for one in lines]


def _shared_lines(first: str, second: str) -> int:
    """How many characters both begin with, up to the end of a line."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[:middle] == second[:middle] else (low, middle - 1)
    return low if low == len(first) else first.rfind("\n", 0, low) + 1


def _is_whole(text: str) -> bool:
    """Whether a text could be a format by itself, or is none."""
    try:
        list(string.Formatter().parse(text))
    except ValueError:
        return False
    return True


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name[:2] == name[-2:] == "__"


class _Guard:
    """Walks over functions and collects vetoes as (line, sentence)."""

    def __init__(
        self, file: FileNames, path: str, test_paths: frozenset[str], allow: frozenset[str]
    ) -> None:
        self.file, self.allow = file, allow
        self.folders = frozenset(PurePosixPath(path).parts)
        self.tests = frozenset(one.removesuffix(".py").replace("/", ".") for one in test_paths)
        self.scopes: tuple[Scope, ...] = ()
        self.found: list[tuple[int, str]] = []
        self.offset = 0
        self.name_of_target = self.own_class = ""
        self.made: frozenset[str] = frozenset()
        self.has_pieces = False  # texts that are parts of a format
        self.modules = {*file.modules}  # names that are modules', also those imported inside
        self.calm: set[int] = set()  # names that are looked at, not handed on

    def take_imports(self, imports: list[tuple[ast.stmt, int]]) -> None:
        """Check the imports that came with a function; its names are known from then on."""
        names = dict(self.file.imports)
        for node, self.offset in imports:
            self.visit(node)
            names.update(imported_names(node))
        self.file = replace(self.file, imports=names)

    def function(self, node: Function, offset: int, *, is_known: bool) -> None:
        """Check a function's body; its header, where that is as it was, is the repository's own."""
        self.offset, self.name_of_target = offset, node.name
        if not is_known:
            self.veto(node, "its header is another than the stub's")
            for part in (*node.decorator_list, node.args, *filter(None, [node.returns])):
                self.visit(part)
        self.made = made_names(node)
        texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
        self.has_pieces = any(isinstance(one, str) and not _is_whole(one) for one in texts)
        self.modules.update(*(modules_of(one) for one in ast.walk(node)))
        self.scopes = (open_scope(node),)
        for child in node.body:
            self.visit(child)
        self.scopes = ()

    def visit(self, node: ast.AST) -> None:
        """Check a node and all below it."""
        if type(node) not in allowed.NODES:
            self.veto(
                node, f"it uses {type(node).__name__}, which is not among the allowed grammar"
            )
        rule = _RULES.get(type(node), _Guard.descend)
        rule(self, node)

    def descend(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def veto(self, node: ast.AST, what: str, allow: str = "") -> None:
        line = getattr(node, "lineno", 0) + self.offset
        how = f"; {_HOW.format(allow)}" if allow else ""
        self.found.append((line, f"Line {line}: {what}{how}."))

    def origin(self, node: ast.expr) -> str | None:
        return resolve(node, self.scopes, self.file)

    # --- scopes ---

    def scoped(self, node: Scoped) -> None:
        outside, inside = parts_of(node)
        for child in outside:
            self.visit(child)
        scopes = self.scopes
        self.scopes = (*scopes, open_scope(node))
        for child in inside:
            self.visit(child)
        self.scopes = scopes

    def class_def(self, node: ast.ClassDef) -> None:
        for name in sorted(bound_in(node)):
            if _is_dunder(name) and name not in allowed.IN_CLASS:
                self.veto(node, f"class {node.name} has a {name} of its own")
        if node.keywords:
            self.veto(node, f"class {node.name} has a metaclass or keywords")
        if any(isinstance(one, ast.Import | ast.ImportFrom) for one in ast.walk(node)):
            self.veto(node, f"class {node.name} imports in its body")
        self.scoped(node)

    def global_names(self, node: ast.Global) -> None:
        taken = self.file.definitions | self.file.imports.keys() | set(dir(builtins))
        for name in sorted(taken.intersection(node.names)):
            self.veto(node, f"it rebinds the file's or the language's own name {name}")

    # --- imports ---

    def plain_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def from_import(self, node: ast.ImportFrom) -> None:
        if node.module:
            self._check_module(node, "." * node.level + node.module)
        for dotted in imported_names(node).values():
            last = dotted.rpartition(".")[2]
            if last == "*":
                self.veto(node, "it imports whatever a module has")
            elif last in allowed.SHOWN and dotted.partition(".")[0] not in allowed.standard():
                self.veto(node, f"it imports {dotted}, which looks like another module")
            elif self._is_test(dotted):
                self.veto(node, f"it imports {dotted}, which holds tests")
            else:
                self.judge(node, dotted, is_import=True)

    def _check_module(self, node: ast.AST, dotted: str) -> None:
        top = dotted.partition(".")[0]
        if top in allowed.standard():
            self.judge(node, dotted, is_import=True)
        elif self._is_test(dotted):
            self.veto(node, f"it imports {dotted}, which holds tests")
        elif (
            top
            and {top, dotted}.isdisjoint(self.folders | self.file.modules)
            and not self._is_allowed(dotted)
        ):
            self.veto(node, f"it imports {dotted}, which the file does not import", dotted)

    def _is_test(self, dotted: str) -> bool:
        name = dotted.lstrip(".")
        if self.tests:
            return any(f".{one}".endswith(f".{name}") for one in self.tests)
        is_standard = name.partition(".")[0] in allowed.standard()
        return not is_standard and any(map(_TEST_MODULE.match, name.split(".")))

    # --- what is allowed ---

    def _is_allowed(self, dotted: str) -> bool:
        plain = dotted.removeprefix("builtins.")
        return not self.allow.isdisjoint([*prefixes(dotted), *prefixes(plain)])

    def judge(self, node: ast.AST, dotted: str, *, is_import: bool = False) -> None:
        """Veto a dotted name of an import or builtin that is not allowed."""
        parts = dotted.split(".")
        if self._is_allowed(dotted):
            return
        if parts[0] == "builtins" and len(parts) > 1:
            self._judge_builtin(node, parts[1:])
            return
        never = next((one for one in prefixes(dotted) if one in allowed.NEVER), "")
        if never or (dotted in _GETTERS and not is_import):
            self.veto(node, f"it uses {never}" if never else f"it hands {dotted} on", never)
            return
        known = [one for one in prefixes(dotted) if one in self.modules]
        rest = parts[max((one.count(".") - one[:1].count(".") for one in known), default=0) + 1 :]
        if parts[0] in allowed.standard():
            module = [one for one in prefixes(dotted) if one in allowed.standard()][-1]
            rest = parts[module.count(".") + 1 :]
            if not self._has(module, rest[:1]):
                name = ".".join([module, *rest[:1]])
                self.veto(node, f"it uses {name}, which the file does not use", name)
                return
            if not rest and not is_import and id(node) not in self.calm:
                self.veto(node, f"it hands the module {module} around as a value")
            rest = rest[1:]
        for name in rest:
            if name in allowed.SHOWN:
                self.veto(node, f"it uses {dotted}, which leads to another module")
            self.attribute_name(node, name)

    def _has(self, module: str, member: list[str]) -> bool:
        """Whether a standard module, or one member of it, may be used."""
        is_known = module in self.file.modules
        if not member:
            free = {*allowed.FREE, *allowed.SOME}
            return is_known or any(f"{one}.".startswith(f"{module}.") for one in free)
        name = f"{module}.{member[0]}"
        if member[0] in allowed.standard()[module] or name in self.file.used:
            return True
        is_constant = is_known and _CONSTANT.fullmatch(member[0]) is not None
        return is_constant or member[0] in allowed.SOME.get(module, ())

    def _judge_builtin(self, node: ast.AST, parts: list[str]) -> None:
        name, *rest = parts
        is_error = isinstance(getattr(builtins, name, None), type) and issubclass(
            getattr(builtins, name), BaseException
        )
        is_calm = id(node) in self.calm and (name in allowed.ENDS or name == "type")
        if name in allowed.ENDS and not is_calm:
            self.veto(node, f"it uses {name}, which may only be caught")
        elif name in allowed.CALLED and not rest and not is_calm:
            self.veto(node, f"it hands {name} around as a value")
        elif name == "type" and rest and rest != ["mro"]:
            self.veto(node, f"it uses {'.'.join(parts)}")
        elif name == "open" and "builtins.open" not in self.file.used:
            self.veto(node, "it uses open, which the file does not use", "open")
        elif not (name in allowed.BUILTINS | allowed.CALLED | {"open"} or is_error):
            self.veto(node, f"it uses {name}", name)
        for one in rest:
            self.attribute_name(node, one)

    # --- names and attributes ---

    def name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        dotted = self.origin(node)
        if dotted is not None:
            self.judge(node, dotted)
        elif (
            _is_dunder(node.id)
            and not is_local(node.id, self.scopes)
            and node.id not in allowed.BUILTINS | self.file.others
        ):
            self.veto(node, f"it uses {node.id}")

    def attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store | ast.Del):
            self._check_change(node, node.value, node.attr)
            self.visit(node.value)
            return
        dotted = self.origin(node)
        if dotted is not None:
            self.judge(node, dotted)
            return
        if node.attr == "__class__" and self._foreign(node.value) is not None:
            self.veto(node, "it asks for the class of a class")
        is_super = (
            isinstance(node.value, ast.Call) and self.origin(node.value.func) == "builtins.super"
        )
        if not (is_super and node.attr == self.name_of_target):
            self.attribute_name(node, node.attr, node.value)
        self.visit(node.value)

    def attribute_name(self, node: ast.AST, name: str, owner: ast.expr | None = None) -> None:
        """Veto the name of an attribute that leads into the interpreter, or to another module."""
        is_own = isinstance(owner, ast.Name) and owner.id in _SELF
        if name in allowed.FRAMES and not is_own:
            self.veto(node, f"it uses {name}, which leads into the interpreter")
        elif _is_dunder(name) and name in allowed.LANGUAGE - allowed.READ:
            self.veto(node, f"it uses {name}")
        elif name in ("os", "sys", "builtins", "importlib", "_os", "_sys") and not is_own:
            self.veto(node, f"it uses {name} as an attribute, which leads to a module")

    def subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Store | ast.Del):
            value = node.value
            is_names = isinstance(value, ast.Attribute) and value.attr in (
                "__dict__",
                "__annotations__",
            )
            owner = value.value if is_names and isinstance(value, ast.Attribute) else None
            if is_names and not (isinstance(owner, ast.Name) and owner.id in _SELF):
                self.veto(node, "it changes the namespace of an object of others")
            if (foreign := self._foreign(value)) is not None:
                self.veto(node, f"it changes {foreign}, which belongs to others")
        self.descend(node)

    # --- changes to foreign objects ---

    def _check_change(self, node: ast.AST, owner: ast.expr, name: str) -> None:
        is_own = isinstance(owner, ast.Name) and owner.id in _SELF
        is_harmless = name in allowed.SET or (is_own and name == "__dict__")
        if name in allowed.LANGUAGE and not is_harmless:
            self.veto(node, f"it sets {name}")
        foreign = self._foreign(owner)
        if foreign is not None and not self._is_allowed(foreign):
            self.veto(node, f"it changes {foreign}.{name}, which belongs to others")

    def _foreign(self, owner: ast.expr) -> str | None:
        """The module, builtin, or class of others that an expression names; else None."""
        dotted = self.origin(owner)
        if isinstance(owner, ast.Call) and self.origin(owner.func) == "builtins.type":
            own = [a for a in owner.args if isinstance(a, ast.Name) and a.id in _SELF]
            return None if own else "type(...)"
        if isinstance(owner, ast.Attribute) and owner.attr == "__class__":
            is_own = isinstance(owner.value, ast.Name) and owner.value.id in _SELF
            return None if is_own else "a class"
        if dotted is None:
            is_defined = isinstance(owner, ast.Name) and owner.id in self.file.definitions
            if not is_defined or not isinstance(owner, ast.Name) or owner.id == self.own_class:
                return None
            return None if is_local(owner.id, self.scopes) else owner.id
        top, _, rest = dotted.partition(".")
        is_module = dotted in self.file.imports.values() and not rest
        is_class = rest.rpartition(".")[2][:1].isupper()
        return dotted if is_module or is_class or top in allowed.standard() else None

    # --- calls ---

    def call(self, node: ast.Call) -> None:
        name = self.origin(node.func) or ""
        rule = _CALLS.get(name)
        if rule is not None:
            rule(self, node)
            return
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "format_map"):
            self._check_format(node.func.value)
        self.descend(node)

    def call_lookup(self, node: ast.Call) -> None:
        """``getattr`` and its relatives: the attribute must be one that could be written out."""
        if len(node.args) < 2 or any(isinstance(one, ast.Starred) for one in node.args):
            self.veto(node, "it hides what it looks up")
            return
        owner, name = node.args[0], node.args[1]
        dotted, literal = self.origin(owner), folded(name)
        is_change = self.origin(node.func) in ("builtins.setattr", "builtins.delattr")
        if is_change:
            self._check_change(node, owner, literal or "(computed)")
        if literal is not None:
            self.attribute_name(node, literal, owner)
            if dotted:
                self.judge(node, f"{dotted}.{literal}")
        elif dotted:
            self.veto(node, f"it looks up a computed attribute of {dotted}")
        elif not is_handed_in(name, self.made):
            self.veto(node, "it looks up an attribute whose name it computes")
        for child in (*(() if dotted else (owner,)), *node.args[1:]):
            self.visit(child)

    def call_type(self, node: ast.Call) -> None:
        first = node.args[0] if len(node.args) in (1, 3) and not node.keywords else None
        names = node.args[2] if len(node.args) == 3 else None
        if names is not None and not self._is_plain(names):
            first = None
        is_nested = isinstance(first, ast.Call) and self.origin(first.func) == "builtins.type"
        if first is None or is_nested or isinstance(first, ast.Starred):
            self.veto(node, "it makes a class at run time")
        for child in node.args:
            self.visit(child)

    def _is_plain(self, names: ast.expr) -> bool:
        """Whether a class's names are written out, none of Python's own, or handed in."""
        if not isinstance(names, ast.Dict):
            return False
        return all(
            is_handed_in(value, self.made) if key is None else not _is_dunder(folded(key) or "____")
            for key, value in zip(names.keys, names.values, strict=True)
        )

    def call_instance(self, node: ast.Call) -> None:
        for one in ast.walk(node.args[1]) if len(node.args) > 1 else ():
            if isinstance(one, ast.Name):
                self.calm.add(id(one))
        for child in (*node.args, *node.keywords):
            self.visit(child)

    def call_vars(self, node: ast.Call) -> None:
        if not (len(node.args) == 1 and isinstance(node.args[0], ast.Name)):
            self.veto(node, "it opens a namespace")
        elif node.args[0].id not in _SELF:
            self.veto(node, f"it opens the namespace of {node.args[0].id}")

    def call_plain(self, node: ast.Call) -> None:
        for child in (*node.args, *node.keywords):
            self.visit(child)

    def call_wraps(self, node: ast.Call) -> None:
        if node.keywords or len(node.args) != 1:
            self.veto(node, "it has wraps copy other attributes than usual")
        self.call_plain(node)

    def call_getter(self, node: ast.Call) -> None:
        for one in (
            node.args[:1] if self.origin(node.func) == "operator.methodcaller" else node.args
        ):
            text = folded(one)
            for name in (text or "").split("."):
                self.attribute_name(node, name)
            if text is None:
                self.veto(node, "it looks up an attribute whose name it computes")
        self.call_plain(node)

    def call_object(self, node: ast.Call) -> None:
        """``object.__setattr__(self, "name", value)``, as frozen classes need it."""
        owner = node.args[0] if node.args else None
        literal = folded(node.args[1]) if len(node.args) > 1 else None
        if not (isinstance(owner, ast.Name) and owner.id in _SELF) or literal is None:
            self.veto(node, "it sets an attribute past its class")
        else:
            self._check_change(node, owner, literal)
        self.call_plain(node)

    def _check_format(self, template: ast.expr) -> None:
        """A format's fields may name attributes, too."""
        text = folded(template)
        if text is None and (self.has_pieces or not is_handed_in(template, self.made)):
            self.veto(template, "it formats with a text that it computes")
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(text or "") if field]
        except ValueError:
            return
        for name in (one for field in fields for one in re.findall(r"\.(\w+)", field)):
            self.attribute_name(template, name)

    # --- other expressions and statements ---

    def compare(self, node: ast.Compare) -> None:
        self._look_at(node.left, *node.comparators)
        self.descend(node)

    def condition(self, node: ast.If | ast.While | ast.IfExp | ast.Assert) -> None:
        self._look_at(node.test)
        self.descend(node)

    def boolean(self, node: ast.BoolOp) -> None:
        self._look_at(*(node.values if id(node) in self.calm else node.values[:-1]))
        self.descend(node)

    def unary(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._look_at(node.operand)
        self.descend(node)

    def _look_at(self, *nodes: ast.expr) -> None:
        self.calm.update(map(id, nodes))

    def handler(self, node: ast.ExceptHandler) -> None:
        if isinstance(node.type, ast.Tuple):
            self._look_at(*node.type.elts)
        if node.type is not None:
            self._look_at(node.type)
        self.descend(node)

    def match_class(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            self.attribute_name(node, name)
        self.descend(node)

    def annotated(self, node: ast.AnnAssign) -> None:
        for child in (node.target, node.value):
            if child is not None:
                self.visit(child)
        if not isinstance(node.target, ast.Name):  # a local's is never evaluated
            self.visit(node.annotation)

    def argument(self, node: ast.arg) -> None:
        if node.annotation is not None:
            self.calm.update(id(one) for one in ast.walk(node.annotation))
            self.visit(node.annotation)

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._check_text(node, node.value)

    def operation(self, node: ast.BinOp) -> None:
        self._check_text(node, folded(node) or "")
        self.descend(node)

    def _check_text(self, node: ast.AST, text: str) -> None:
        if _TEST_FILE.search(text) or any(
            text.endswith(one.rpartition(".")[2] + ".py") for one in self.tests
        ):
            self.veto(node, f"it names a test's file: {text[:60]!r}")
        if _PROCESS_FILE.search(text):
            self.veto(node, f"it names a file of the running process: {text[:60]!r}")

    def expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring does nothing
            self.visit(node.value)


_GETTERS = frozenset(["operator.attrgetter", "operator.methodcaller"])
_LOOKUPS = ("getattr", "hasattr", "setattr", "delattr")
_CALLS: Mapping[str, Callable[[_Guard, ast.Call], None]] = {
    **{f"builtins.{name}": _Guard.call_lookup for name in _LOOKUPS},
    "builtins.type": _Guard.call_type,
    "builtins.isinstance": _Guard.call_instance,
    "builtins.issubclass": _Guard.call_instance,
    "builtins.vars": _Guard.call_vars,
    "builtins.super": _Guard.call_plain,
    "builtins.dir": _Guard.call_plain,
    "builtins.object.__setattr__": _Guard.call_object,
    "functools.wraps": _Guard.call_wraps,
    "operator.attrgetter": _Guard.call_getter,
    "operator.methodcaller": _Guard.call_getter,
}
_RULES: Mapping[type[ast.AST], Callable[[_Guard, Any], None]] = {
    **dict.fromkeys(Scoped.__args__, _Guard.scoped),
    ast.ClassDef: _Guard.class_def,
    ast.Global: _Guard.global_names,
    ast.Import: _Guard.plain_import,
    ast.ImportFrom: _Guard.from_import,
    ast.Name: _Guard.name,
    ast.Attribute: _Guard.attribute,
    ast.Subscript: _Guard.subscript,
    ast.Call: _Guard.call,
    ast.Compare: _Guard.compare,
    ast.BoolOp: _Guard.boolean,
    ast.UnaryOp: _Guard.unary,
    **dict.fromkeys((ast.If, ast.While, ast.IfExp, ast.Assert), _Guard.condition),
    ast.ExceptHandler: _Guard.handler,
    ast.MatchClass: _Guard.match_class,
    ast.AnnAssign: _Guard.annotated,
    ast.arg: _Guard.argument,
    ast.Constant: _Guard.constant,
    ast.BinOp: _Guard.operation,
    ast.Expr: _Guard.expression,
}
