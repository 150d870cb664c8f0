"""Owns what a name means where it stands: an import, a builtin, a local. It forbids nothing."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_BUILTINS = frozenset(dir(builtins))
# Modules that other modules show as their own attributes: ``shutil.os`` is ``os``.
_SHOWN_THROUGH = {name: name.lstrip("_") for name in ("os", "sys", "_os", "_sys", "builtins")}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Scoped = (
    ast.FunctionDef
    | ast.AsyncFunctionDef
    | ast.Lambda
    | ast.ClassDef
    | ast.ListComp
    | ast.SetComp
    | ast.DictComp
    | ast.GeneratorExp
)


@dataclass(frozen=True, slots=True)
class ModuleNames:
    """What the file's top level binds, and what the file did before the change.

    ``imports`` gives a name's dotted origin. ``definitions`` are functions and classes; the
    target's own class is not among them. ``used`` holds dotted names that the old file used.
    """

    imports: Mapping[str, str]
    definitions: frozenset[str]
    others: frozenset[str]
    used: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a function, class or comprehension binds; None: not an import."""

    names: Mapping[str, str | None]
    is_class: bool = False
    globals: frozenset[str] = field(default=frozenset())


def read_module(new: ast.Module, old: ast.Module, qualname: str) -> ModuleNames:
    """What the new file's names mean, and what the old file used."""
    imports: dict[str, str] = {}
    definitions: set[str] = set()
    others: set[str] = set()
    for node in _own_nodes(new):
        imports.update(imported_names(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            definitions.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            others.add(node.id)
    own_class = qualname.partition(".")[0] if "." in qualname else ""
    return ModuleNames(
        imports, frozenset(definitions - {own_class}), frozenset(others), _used_by(old)
    )


def _used_by(old: ast.Module) -> frozenset[str]:
    """Every dotted name of an import that the file uses anywhere, and the imports themselves."""
    imports: dict[str, str] = {}
    for node in ast.walk(old):
        imports.update(imported_names(node))
    used = set(imports.values())
    module = ModuleNames(imports, frozenset(), frozenset(), frozenset())
    for node in ast.walk(old):
        if isinstance(node, ast.Attribute):
            dotted = resolve(node, (), module)
            if dotted:
                used.add(dotted)
    return frozenset(prefix for dotted in used for prefix in prefixes(dotted))


def prefixes(dotted: str) -> Iterator[str]:
    """``a``, ``a.b``, ``a.b.c`` for ``a.b.c``."""
    for end, letter in enumerate(dotted):
        if letter == ".":
            yield dotted[:end]
    yield dotted


def imported_names(node: ast.AST) -> dict[str, str]:
    """The names that an import statement binds and where they come from."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )
            for alias in node.names
        }
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        joint = "" if module.endswith(".") else "."
        return {
            alias.asname or alias.name: rooted(module + joint + alias.name) for alias in node.names
        }
    return {}


def rooted(dotted: str) -> str:
    """The dotted name from the last module on that is only shown through another one."""
    parts = dotted.split(".")
    for index in range(len(parts) - 1, 0, -1):
        if parts[index] in _SHOWN_THROUGH and parts[0] != "builtins":
            return ".".join([_SHOWN_THROUGH[parts[index]], *parts[index + 1 :]])
    return dotted


def resolve(node: ast.expr, scopes: tuple[Scope, ...], module: ModuleNames) -> str | None:
    """The dotted origin of a name or attribute chain, or None for everything else."""
    if isinstance(node, ast.Name):
        return _resolve_name(node.id, scopes, module)
    if isinstance(node, ast.Attribute):
        base = resolve(node.value, scopes, module)
        return rooted(f"{base}.{node.attr}") if base else None
    return None


def _resolve_name(name: str, scopes: tuple[Scope, ...], module: ModuleNames) -> str | None:
    for depth, scope in enumerate(reversed(scopes)):
        if name in scope.globals:
            break
        if scope.is_class and depth:
            continue  # a class's names are not seen by its methods
        if name in scope.names:
            return scope.names[name]
    if name in module.imports:
        return module.imports[name]
    if name in module.definitions or name in module.others:
        return None
    return f"builtins.{name}" if name in _BUILTINS or name == "__builtins__" else None


def open_scope(node: Scoped) -> Scope:
    """The names that a function, class, lambda or comprehension binds by itself."""
    names: dict[str, str | None] = {}
    declared: set[str] = set()
    if isinstance(node, _FUNCTIONS):
        names.update(dict.fromkeys(_arguments(node.args)))
    for child in _own_nodes(node):
        names.update(dict.fromkeys(_bound_names(child)))
        names.update(imported_names(child))
        if isinstance(child, (ast.Global, ast.Nonlocal)):
            declared.update(child.names)
    kept = {name: origin for name, origin in names.items() if name not in declared}
    only_global = (name for c in _own_nodes(node) if isinstance(c, ast.Global) for name in c.names)
    return Scope(kept, isinstance(node, ast.ClassDef), frozenset(only_global))


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        yield argument.arg
    for extra in (arguments.vararg, arguments.kwarg):
        if extra:
            yield extra.arg


def _bound_names(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return (name,)
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return (name,)
        case _:
            return ()


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """The nodes below ``root`` that belong to its own scope."""
    stack = list(ast.iter_child_nodes(root))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, _COMPREHENSIONS) and not isinstance(root, _COMPREHENSIONS):
            # What ``:=`` binds in a comprehension belongs to the function around it.
            stack.extend(n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            continue
        stack.extend(ast.iter_child_nodes(node))


def parts_of(node: Scoped) -> tuple[list[ast.AST], list[ast.AST]]:
    """The children that are read in the scope around a node, and those in its own."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        body: list[ast.AST] = list(node.body)
        own = set(map(id, body))
        return [n for n in ast.iter_child_nodes(node) if id(n) not in own], body
    if isinstance(node, ast.Lambda):
        return [node.args], [node.body]
    first = node.generators[0]
    inside = [n for n in ast.iter_child_nodes(node) if n is not first]
    return [first.iter], [first.target, *first.ifs, *inside]


def folded(node: ast.expr) -> str | None:
    """The text that constants add up to, or None if it is not known before the run."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = folded(node.left), folded(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.JoinedStr):
        parts = [folded(v.value if isinstance(v, ast.FormattedValue) else v) for v in node.values]
        return None if None in parts else "".join(part or "" for part in parts)
    return None
