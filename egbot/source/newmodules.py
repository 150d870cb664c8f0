"""Owns the modules that tests import and nobody has written: which are ours, and where they go.

It knows nothing of what they hold. What is installed is told by whoever calls.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from egbot.source.modules import is_test_path, resolve_relative, source_folder
from egbot.source.symbols import Code, dynamic_import

Installed = Callable[[str], str]
"""Where a top-level package is installed outside the repository, or ""."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One import of a module. ``optional``: the tests can do without it."""

    name: str
    path: str
    line: int
    optional: bool

    @property
    def top(self) -> str:
        """The first part of the name, which decides whose it is."""
        return self.name.partition(".")[0]

    @property
    def place(self) -> str:
        """PATH:LINE of the import."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class NewModules:
    """``files`` are the paths to create, each with the first import that asks for it.

    ``problems`` are sentences; ``foreign`` the packages of others that the tests import.
    ``num_own`` counts the imports that are of the repository.
    """

    files: dict[str, str]
    problems: tuple[str, ...]
    foreign: tuple[str, ...]
    num_own: int


def new_modules(code: Code, paths: Iterable[str], installed: Installed) -> NewModules:
    """The modules that the test files ``paths`` ask for and the tree lacks."""
    paths = tuple(paths)
    asked = [item for path in paths for item in asked_modules(code, path)]
    files: dict[str, str] = {}
    problems: dict[str, None] = {}
    own = _own_names(code, asked, installed, problems)
    mine = [item for item in asked if item.top in own]
    wanted: dict[str, str] = {}
    for item in mine:
        parts = item.name.split(".")
        for length in range(1, len(parts) + 1):
            wanted.setdefault(".".join(parts[:length]), item.place)
    for name in wanted:
        _place(code, name, wanted, files, problems)
    relative = [found for path in paths for found in _relative(code, path)]
    for path, place in relative:
        files.setdefault(path, place)
    foreign = dict.fromkeys(
        item.top
        for item in asked
        if item.top not in own and item.top not in sys.stdlib_module_names
    )
    num_own = len(mine) + sum(1 for path in paths for _ in _relative(code, path, present=True))
    return NewModules(files, tuple(problems), tuple(foreign), num_own)


def asked_modules(code: Code, path: str) -> Iterator[Asked]:
    """Every absolute import of ``path``: statements, import_module, importorskip, patch strings."""
    module = code.parse(path)
    if module is None:
        return
    optional = {id(part) for node in ast.walk(module) for part in _guarded(node)}
    for node in ast.walk(module):
        for name, may_lack in _names(node):
            line = getattr(node, "lineno", 1)
            yield Asked(name, path, line, may_lack or id(node) in optional)


def _guarded(node: ast.AST) -> Iterator[ast.AST]:
    """What stands under ``try: ... except ImportError`` or ``if TYPE_CHECKING``."""
    if isinstance(node, ast.Try):
        caught = [ast.unparse(h.type) if h.type is not None else "Exception" for h in node.handlers]
        if any(
            "Import" in name or "ModuleNotFound" in name or name == "Exception" for name in caught
        ):
            for part in (*node.body, *node.handlers, *node.orelse):
                yield from ast.walk(part)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for part in node.body:
            yield from ast.walk(part)


def _names(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, False) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module, False
    elif isinstance(node, ast.Call):
        item = dynamic_import(node)
        if item is not None:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield item.module, name == "importorskip"
        elif _is_patch(node) and (module := _patched_module(node.args[0])):
            yield module, True


def _is_patch(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in {"patch", "setattr"} and bool(call.args)


def _patched_module(node: ast.expr) -> str:
    """``pkg.module`` of the string "pkg.module.Class.name"; what looks like a module counts."""
    text = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(text, str) or not all(part.isidentifier() for part in text.split(".")):
        return ""
    kept: list[str] = []
    for place, part in enumerate(text.split(".")[:-1]):
        if part != part.lower() or (place and part in sys.stdlib_module_names):
            break
        kept.append(part)
    return ".".join(kept)


def _own_names(
    code: Code, asked: list[Asked], installed: Installed, problems: dict[str, None]
) -> frozenset[str]:
    """The top-level names that the repository has or is to provide."""
    own: dict[str, None] = {}
    for item in asked:
        is_here = item.top in code.modules.paths and not _only_tests(code, item.top)
        if is_here or code.modules.is_project(item.top):
            own.setdefault(item.top)
        elif item.optional or _is_promised(code, item.top):
            continue
        elif code.modules.is_named_after(item.top, item.path):
            at = installed(item.top)
            if at:
                problems.setdefault(
                    f"{item.place} imports {item.top}, whose stub would hide the package that is "
                    f"installed at {at}; rename one of them"
                )
            else:
                own.setdefault(item.top)
    if any(code.modules.is_project(name) for name in own):
        return frozenset(own)
    served = {item.path for item in asked if item.top in own}
    for item in asked:
        if item.path in served or item.optional or _is_foreign(code, item.top, installed):
            continue
        own.setdefault(item.top)
    return frozenset(own)


def _is_foreign(code: Code, top: str, installed: Installed) -> bool:
    return _is_promised(code, top) or top in code.modules.paths or bool(installed(top))


def _is_promised(code: Code, top: str) -> bool:
    return top in sys.stdlib_module_names or code.modules.is_declared(top)


def _only_tests(code: Code, top: str) -> bool:
    """Whether the repository's package ``top`` is a part of its tests, not of what they test."""
    path = code.modules.paths[top]
    return is_test_path(path) or is_test_path(f"{path}x.py")


def _place(
    code: Code, name: str, wanted: dict[str, str], files: dict[str, str], problems: dict[str, None]
) -> None:
    known = code.modules.file_of(name)
    children = [other for other in wanted if other.startswith(f"{name}.")]
    if known is not None and known.endswith("/"):
        if _holds_only_tests(code, known):
            files.setdefault(f"{known}__init__.py", wanted[name])
    elif known is not None:
        if children and not known.endswith("__init__.py"):
            problems.setdefault(
                f"{wanted[children[0]]} imports {children[0]}, but {name} is the module {known}, "
                "no package"
            )
    elif (folder := _folder_for(code, name)) is not None:
        last = name.rpartition(".")[2]
        path = f"{folder}{last}/__init__.py" if children else f"{folder}{last}.py"
        files.setdefault(path, wanted[name])


def _folder_for(code: Code, name: str) -> str | None:
    """Where the module ``name`` goes; None inside what is a plain module already."""
    parent = name.rpartition(".")[0]
    if not parent:
        return source_folder(code.modules, code.tree)
    at = code.modules.file_of(parent)
    if at is None:
        above = _folder_for(code, parent)
        return None if above is None else f"{above}{parent.rpartition('.')[2]}/"
    return at.removesuffix("__init__.py") if at.endswith(("/", "__init__.py")) else None


def _holds_only_tests(code: Code, folder: str) -> bool:
    held = [path for path in code.tree if path.startswith(folder) and path.endswith(".py")]
    return all(is_test_path(path) for path in held)


def _relative(code: Code, path: str, *, present: bool = False) -> Iterator[tuple[str, str]]:
    """The modules that relative imports of ``path`` name and the tree lacks (or has)."""
    module = code.parse(path)
    for node in ast.walk(module) if module is not None else ():
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        at = resolve_relative(code.modules, code.tree, path, node.level, node.module or "")
        if at.endswith("/"):
            if at == "/" or not _holds_only_tests(code, at) or is_test_path(f"{at}x.py"):
                continue
            at += "__init__.py"
        if (at in code.tree) is present and not at.startswith(".."):
            yield at, f"{path}:{node.lineno}"
