"""Owns what a name means where it stands: an import, a builtin, a local. It forbids nothing."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_BUILTINS = frozenset(dir(builtins))
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
class FileNames:
    """What a file's top level binds and what the file does.

    ``imports`` gives a name's dotted origin, ``modules`` are all that it imports anywhere with those
    above them, ``used`` dotted names of imports and builtins that it uses.
    """

    imports: Mapping[str, str]
    definitions: frozenset[str]
    others: frozenset[str]
    modules: frozenset[str]
    used: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that a function, class or comprehension binds; None: not an import."""

    names: Mapping[str, str | None]
    is_class: bool = False
    globals: frozenset[str] = field(default=frozenset())


def read_names(tree: ast.Module) -> FileNames:
    """What a file's names mean."""
    imports: dict[str, str] = {}
    definitions: set[str] = set()
    others: set[str] = set()
    for node in _own_nodes(tree):
        imports.update(imported_names(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            definitions.add(node.name)
        else:
            others.update(_bound_names(node))
    statements, loads = [], []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            loads.append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            statements.append(node)
    origins = {name: origin for one in statements for name, origin in imported_names(one).items()}
    modules = {one for origin in origins.values() for one in prefixes(origin)}
    modules.update(one for node in statements for one in modules_of(node))
    anywhere = FileNames(origins, frozenset(definitions), frozenset(), frozenset(), frozenset())
    used = {dotted for node in loads if (dotted := resolve(node, (), anywhere)) is not None}
    names = (frozenset(definitions), frozenset(others))
    return FileNames(imports, *names, frozenset(modules), frozenset(used))


def modules_of(node: ast.AST) -> list[str]:
    """The modules that an import statement names as such, with those above them."""
    if isinstance(node, ast.ImportFrom):
        return prefixes("." * node.level + (node.module or ""))
    names = node.names if isinstance(node, ast.Import) else []
    return [one for alias in names for one in prefixes(alias.name)]


def prefixes(dotted: str) -> list[str]:
    """``a``, ``a.b``, ``a.b.c`` for ``a.b.c``."""
    ends = [place for place, letter in enumerate(dotted) if letter == "." and place]
    return [*(dotted[:end] for end in ends), dotted]


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
        return {alias.asname or alias.name: module + joint + alias.name for alias in node.names}
    return {}


def resolve(node: ast.expr, scopes: tuple[Scope, ...], file: FileNames) -> str | None:
    """The dotted origin of a name or attribute chain, or None for everything else."""
    if isinstance(node, ast.Name):
        return _resolve_name(node.id, scopes, file)
    if isinstance(node, ast.Attribute):
        base = resolve(node.value, scopes, file)
        return f"{base}.{node.attr}" if base else None
    return None


def is_local(name: str, scopes: tuple[Scope, ...]) -> bool:
    """Whether a name is bound by the function itself."""
    return any(name in scope.names for scope in scopes)


def _resolve_name(name: str, scopes: tuple[Scope, ...], file: FileNames) -> str | None:
    for depth, scope in enumerate(reversed(scopes)):
        if name in scope.globals:
            break
        if scope.is_class and depth:
            continue  # a class's names are not seen by its methods
        if name in scope.names:
            return scope.names[name]
    if name in file.imports:
        return file.imports[name]
    if name in file.definitions or name in file.others:
        return None
    return f"builtins.{name}" if name in _BUILTINS or name == "__builtins__" else None


def open_scope(node: Scoped) -> Scope:
    """The names that a function, class, lambda or comprehension binds by itself.

    One that an import binds, too, is that import's.
    """
    names: dict[str, str | None] = {}
    imports: dict[str, str] = {}
    declared: set[str] = set()
    only_global: set[str] = set()
    if isinstance(node, _FUNCTIONS):
        names.update(dict.fromkeys(parameters(node.args)))
    for child in _own_nodes(node):
        names.update(dict.fromkeys(_bound_names(child)))
        imports.update(imported_names(child))
        if isinstance(child, (ast.Global, ast.Nonlocal)):
            declared.update(child.names)
        if isinstance(child, ast.Global):
            only_global.update(child.names)
    kept = {name: origin for name, origin in {**names, **imports}.items() if name not in declared}
    return Scope(kept, isinstance(node, ast.ClassDef), frozenset(only_global))


def parameters(arguments: ast.arguments) -> Iterator[str]:
    """The names of a function's parameters."""
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


def bound_in(node: ast.AST) -> set[str]:
    """The names that a class's body binds, in whatever way."""
    found = {name for child in _own_nodes(node) for name in _bound_names(child)}
    return found.union(*(imported_names(child) for child in _own_nodes(node)))


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
