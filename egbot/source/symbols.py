"""Owns name lookup in a repository's code: what a name or dotted expression there stands for.

It knows nothing of tests or targets, and it reads code without ever running it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeGuard

from egbot.records import Tree
from egbot.source.modules import Modules, is_test_path, place_module, read_modules, resolve_relative
from egbot.source.text import quietly

Function = ast.FunctionDef | ast.AsyncFunctionDef
MAX_DEPTH = 200  # of nested syntax; the interpreter's own recursion limit is 1,000 frames
_MAX_HOPS = 12  # imports, aliases and bases followed for one name
_MAX_FILE_BYTES = 2_000_000
_GIVEN = frozenset({"__file__", "__name__", "__doc__", "__path__", "__spec__", "__loader__"})
_BUILTINS = frozenset(dir(builtins)) | _GIVEN


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name stands for.

    ``path`` is the file that defines it (for ``missing_module``: the path that the module would
    get). ``qualname`` is the definition's, "" for a module. ``instance`` is an object of the class
    ``qualname``; ``missing`` is a name or member that its module or class does not have.
    """

    kind: Literal["function", "class", "value", "module", "instance", "missing", "missing_module"]
    path: str
    qualname: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: ``name`` is None where the module itself is bound."""

    module: str
    level: int
    name: str | None


Binding = Function | ast.ClassDef | Import | ast.expr | None
"""What binds a name in a module; None where something else does (a loop, a with block)."""


class Code:
    """A tree with its modules, parsed when first asked for.

    ``declared`` are the import names (lower case) that dependencies are to provide.
    """

    def __init__(self, tree: Tree, declared: frozenset[str] = frozenset()) -> None:
        self.tree = tree
        self.modules: Modules = read_modules(tree, declared)
        self._parsed: dict[str, ast.Module | str] = {}
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._whole_imports: dict[str, frozenset[str]] = {}
        self._attributes: dict[ast.ClassDef, dict[str, ast.expr | None]] = {}
        self.cache: dict[tuple[str, str], Any] = {}  # what is worked out once: by whom, of what

    def parse(self, path: str) -> ast.Module | None:
        """The syntax tree of ``path``, or None when there is none (``problem`` says why)."""
        if path not in self._parsed:
            self._parsed[path] = _parse(self.tree, path)
        parsed = self._parsed[path]
        return parsed if isinstance(parsed, ast.Module) else None

    def problem(self, path: str) -> str:
        """Why ``path`` cannot be read as Python, or "" when it can."""
        self.parse(path)
        parsed = self._parsed[path]
        return parsed if isinstance(parsed, str) else ""

    def bindings(self, path: str) -> dict[str, Binding]:
        """The names bound at module level of ``path``."""
        if path not in self._bindings:
            module = self.parse(path)
            found: dict[str, Binding] = {}
            if module is not None:
                collect_bindings(module.body, found)
            self._bindings[path] = found
        return self._bindings[path]

    def class_attributes(self, node: ast.ClassDef) -> dict[str, ast.expr | None]:
        """The attributes that the class's methods set on ``self``, with what they are set to."""
        if node not in self._attributes:
            self._attributes[node] = instance_attributes(node)
        return self._attributes[node]

    def whole_imports(self, path: str) -> frozenset[str]:
        """The dotted names ``a.b`` that ``path`` imports with ``import a.b``, anywhere in it."""
        if path not in self._whole_imports:
            module = self.parse(path)
            self._whole_imports[path] = frozenset(
                item.name
                for node in (ast.walk(module) if module is not None else ())
                if isinstance(node, ast.Import)
                for item in node.names
                if "." in item.name and not item.asname
            )
        return self._whole_imports[path]

    def definition(self, path: str, qualname: str) -> Function | ast.ClassDef | None:
        """The syntax of the function or class ``qualname`` (dotted) of ``path``."""
        node: Binding = None
        members = self.bindings(path)
        for part in qualname.split("."):
            node = members.get(part)
            if not isinstance(node, Function | ast.ClassDef):
                return None
            members = {}
            collect_bindings(node.body, members)
        return node if isinstance(node, Function | ast.ClassDef) else None

    def lookup(
        self, path: str, name: str, hops: int = 0, *, as_member: bool = False
    ) -> Symbol | None:
        """What the module-level ``name`` of ``path`` stands for; None when it is not ours.

        ``as_member``: asked for by an import or an attribute, where built-in names do not count.
        """
        if hops > _MAX_HOPS or self.parse(path) is None:
            return None
        bindings = self.bindings(path)
        if name not in bindings:
            is_builtin = hasattr(ModuleType, name) if as_member else name in _BUILTINS
            return None if is_builtin else self._unbound(path, name, hops)
        binding = bindings[name]
        if isinstance(binding, Function):
            return Symbol("function", path, name)
        if isinstance(binding, ast.ClassDef):
            return Symbol("class", path, name)
        item = dynamic_import(binding) if isinstance(binding, ast.Call) else binding
        if isinstance(item, Import):
            return self.imported(path, item, hops + 1)
        if isinstance(binding, ast.Name | ast.Attribute):
            target = self._dotted(path, binding, hops + 1)
            if target is not None and target.kind != "missing":
                return target
        return Symbol("value", path, name)

    def imported(self, importer: str, item: Import, hops: int = 0) -> Symbol | None:
        """What the import ``item`` in ``importer`` stands for; None for a foreign package."""
        module = self.module_path(importer, item.module, item.level)
        if module is None:
            return None
        if not module.endswith("/") and module not in self.tree:
            return Symbol("missing_module", module, item.name or "")
        if item.name is None:
            return Symbol("module", module)
        return self.member(Symbol("module", module), item.name, hops)

    def module_path(self, importer: str, name: str, level: int = 0) -> str | None:
        """The file (or namespace folder) of a module, or where it would go; None if foreign."""
        if level:
            return resolve_relative(self.modules, self.tree, importer, level, name)
        known = self.modules.file_of(name)
        return known or place_module(self.modules, self.tree, name, importer)

    def member(self, owner: Symbol, name: str, hops: int = 0) -> Symbol | None:
        """What ``owner.name`` stands for, for a module, a class or an instance."""
        if hops > _MAX_HOPS:
            return None
        if owner.kind == "module":
            return self._module_member(owner.path, name, hops)
        if owner.kind in {"class", "instance"}:
            return self._class_member(owner, name, hops)
        if owner.kind in {"missing", "missing_module"}:
            kind = owner.kind if not owner.qualname else "missing"
            return Symbol(kind, owner.path, f"{owner.qualname}.{name}".lstrip("."))
        return None

    def _module_member(self, path: str, name: str, hops: int) -> Symbol | None:
        found = None if path.endswith("/") else self.lookup(path, name, hops + 1, as_member=True)
        if found is not None and found.kind != "missing":
            return found
        if path.endswith(("/", "__init__.py")):
            folder = path.removesuffix("__init__.py")
            for child in (f"{folder}{name}/__init__.py", f"{folder}{name}.py"):
                if child in self.tree:
                    return Symbol("module", child)
        return found

    def _class_member(self, owner: Symbol, name: str, hops: int) -> Symbol | None:
        node = self.definition(owner.path, owner.qualname)
        if node is None:
            return Symbol("missing", owner.path, f"{owner.qualname}.{name}")
        if not isinstance(node, ast.ClassDef):
            return None
        members: dict[str, Binding] = {}
        collect_bindings(node.body, members)
        qualname = f"{owner.qualname}.{name}"
        if name in members:
            kind: Literal["function", "value"] = (
                "function" if isinstance(members[name], Function) else "value"
            )
            return Symbol(kind, owner.path, qualname)
        if name in self.class_attributes(node):
            return Symbol("value", owner.path, qualname)
        foreign = bool(node.keywords) or "__getattr__" in members
        lacking = Symbol("missing", owner.path, qualname)
        for base in node.bases:
            parent = self._dotted(owner.path, base, hops + 1)
            if parent is None or parent.kind != "class":
                foreign = foreign or not _is_plain_base(base)
                continue
            found = self.member(Symbol(owner.kind, parent.path, parent.qualname), name, hops + 1)
            if found is None or found.kind != "missing":
                return found
            if is_test_path(owner.path):  # a test's own class lacks what its base is to provide
                lacking = found
        return None if foreign or hasattr(object, name) else lacking

    def _dotted(self, path: str, node: ast.expr, hops: int) -> Symbol | None:
        if isinstance(node, ast.Name):
            return self.lookup(path, node.id, hops + 1)
        if isinstance(node, ast.Attribute):
            owner = self._dotted(path, node.value, hops + 1)
            return None if owner is None else self.member(owner, node.attr, hops + 1)
        return None

    def _unbound(self, path: str, name: str, hops: int) -> Symbol | None:
        module = self.parse(path)
        foreign = False
        lacking = Symbol("missing", path, name)
        for node in module.body if module is not None else []:
            if isinstance(node, ast.ImportFrom) and any(item.name == "*" for item in node.names):
                star = Import(node.module or "", node.level, name)
                found = self.imported(path, star, hops + 1)
                if found is not None and found.kind not in {"missing", "missing_module"}:
                    return found
                foreign = foreign or found is None
                if found is not None and is_test_path(path) and lacking.path == path:
                    lacking = found
        if foreign or name in _GIVEN or "__getattr__" in self.bindings(path):
            return None
        return lacking


def collect_bindings(
    body: list[ast.stmt], found: dict[str, Binding], *, weak: bool = False
) -> None:
    """Add the names that ``body`` binds to ``found``; weak ones never replace earlier ones."""
    for node in body:
        for name, binding in _bound_by(node):
            if not weak or name not in found:
                found[name] = binding
        for inner, is_weak in _inner_bodies(node):
            collect_bindings(inner, found, weak=weak or is_weak)


def _bound_by(node: ast.stmt) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, Function | ast.ClassDef):
        yield node.name, node
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from import_bindings(node)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    yield name.id, node.value if name is target else None
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
    elif isinstance(node, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith):
        heads = (
            [node.target]
            if isinstance(node, ast.For | ast.AsyncFor)
            else [item.optional_vars for item in node.items if item.optional_vars is not None]
        )
        for head in heads:
            yield from ((n.id, None) for n in ast.walk(head) if isinstance(n, ast.Name))


def import_bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """The names that an import statement binds (none for a star)."""
    if isinstance(node, ast.ImportFrom):
        for item in node.names:
            if item.name != "*":
                yield item.asname or item.name, Import(node.module or "", node.level, item.name)
        return
    for item in node.names:
        if item.asname:
            yield item.asname, Import(item.name, 0, None)
        else:
            top = item.name.partition(".")[0]
            yield top, Import(top, 0, None)


def dynamic_import(node: ast.Call) -> Import | None:
    """The module that ``import_module("a.b")`` or ``pytest.importorskip("a.b")`` returns."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in {"import_module", "importorskip"} or not node.args:
        return None
    module = node.args[0]
    if not isinstance(module, ast.Constant) or not isinstance(module.value, str):
        return None
    return None if module.value.startswith(".") else Import(module.value, 0, None)


def _inner_bodies(node: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool]]:
    if isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While):
        yield node.body, False
        yield node.orelse, True
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield node.body, False
    elif isinstance(node, ast.Try | ast.TryStar):
        yield node.body, False
        for handler in node.handlers:
            yield handler.body, True
        yield node.orelse, False
        yield node.finalbody, False


def instance_attributes(node: ast.ClassDef) -> dict[str, ast.expr | None]:
    """The attributes that the class's methods set on ``self``, with what they are set to."""
    found: dict[str, ast.expr | None] = {}
    for inner in ast.walk(node):
        targets: list[ast.expr] = []
        value = None
        if isinstance(inner, ast.Assign):
            targets, value = inner.targets, inner.value
        elif isinstance(inner, ast.AnnAssign | ast.AugAssign):
            targets, value = [inner.target], inner.value
        for target in targets:
            for part in ast.walk(target):
                if _is_self_store(part):
                    found.setdefault(part.attr, value if part is target else None)
    return found


def _is_self_store(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    )


def _is_plain_base(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name in {"object", "ABC", "Protocol", "Generic"}


def _parse(tree: Tree, path: str) -> ast.Module | str:
    file = tree.get(path)
    if file is None:
        return f"{path} does not exist"
    if len(file.data) > _MAX_FILE_BYTES:
        return f"{path} is larger than {_MAX_FILE_BYTES} bytes"
    try:
        with quietly():
            module = ast.parse(file.data, filename=path)
    except SyntaxError as error:
        return f"syntax error in {path}, line {error.lineno or 1}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{path} cannot be read as Python: {error}"
    if _depth_exceeds(module, MAX_DEPTH):
        return f"{path} is nested more than {MAX_DEPTH} levels deep"
    return module


def _depth_exceeds(module: ast.Module, limit: int) -> bool:
    level: list[ast.AST] = [module]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True
