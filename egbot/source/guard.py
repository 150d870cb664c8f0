"""Owns the veto on a written function: what it must not do, whatever its tests say of it.

It does not know if the function is right, and it is no sandbox: it reads the code and runs nothing.

Covered, in the new function and in the imports that came with it: frames and tracebacks, ending or
signalling the process, hooks of the interpreter, test frameworks and the tests' own files, code
from computed strings, imports by computed names, changes to modules, builtins and foreign classes,
processes and network that the file did not use before, classes that are equal to anything. Names
are followed through ``import ... as``, ``from ... import ... as``, ``getattr`` and constants that
are put together; modules such as ``os`` must not be handed around as values.

Not covered:
- what functions called from here do: other functions of the repository and its dependencies;
- attribute names computed at run time, on objects that are not modules;
- names that reach the function in data: containers, arguments, the repository's own globals;
- files whose names are computed: a walk over the whole tree can find the tests;
- answers written down for the tests' inputs, endless loops, and memory or disk filled up;
- objects of the target's own class that are made equal to anything by the target itself.
The sandbox, the fresh verification run and the reviewer stand behind this check.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from egbot.source import forbidden
from egbot.source.guardscope import (
    ModuleNames,
    Scope,
    Scoped,
    folded,
    imported_names,
    open_scope,
    parts_of,
    prefixes,
    read_module,
    resolve,
    rooted,
)
from egbot.source.outline import find
from egbot.source.text import SourceSyntaxError, parse_text, read_source

_MAX_VETOES = 20


def vetoes(
    before: bytes | None, after: bytes, qualname: str, ordinal: int | None = None
) -> tuple[str, ...]:
    """What speaks against the function in ``after``; each veto is a sentence with its line.

    ``before`` is the file as it was (None: there was none); the name is as in ``outline.find``. Empty means that nothing was found.
    Code that cannot be read is vetoed, never raised.
    """
    try:
        definition = find(after, qualname, ordinal)
        if definition is None:
            return (f"The file does not define {qualname}.",)
        new_tree = parse_text(read_source(after).text)
        old_tree = parse_text(read_source(before).text) if before else ast.Module([], [])
        code = parse_text(definition.code)
        module = read_module(new_tree, old_tree, qualname)
        guard = _Guard(module, definition.span.start_line - 1)
        guard.visit(code)
        for node in added_imports(old_tree, new_tree):
            guard.offset = 0
            guard.visit(node)
    except SourceSyntaxError as error:
        return (f"The file cannot be read: {error}.",)
    except RecursionError:
        return ("The function is nested too deeply to be checked.",)
    found = [text for _, text in sorted(guard.found)]
    return tuple(dict.fromkeys(found))[:_MAX_VETOES]


def added_imports(old: ast.Module, new: ast.Module) -> Iterator[ast.stmt]:
    """The top-level imports that the new tree has and the old one lacks."""
    known = {ast.dump(node) for node in old.body if isinstance(node, (ast.Import, ast.ImportFrom))}
    for node in new.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.dump(node) not in known:
            yield node


class _Guard:
    """Walks over one function and collects vetoes as (line, sentence)."""

    def __init__(self, module: ModuleNames, offset: int) -> None:
        self.module = module
        self.offset = offset
        self.scopes: tuple[Scope, ...] = ()
        self.found: list[tuple[int, str]] = []

    def visit(self, node: ast.AST) -> None:
        """Check a node and all below it."""
        rule = _RULES.get(type(node), _Guard.descend)
        rule(self, node)

    def descend(self, node: ast.AST) -> None:
        """Check what stands below a node."""
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def veto(self, node: ast.AST, what: str) -> None:
        line = getattr(node, "lineno", 0) + self.offset
        self.found.append((line, f"Line {line}: {what}."))

    def origin(self, node: ast.expr) -> str | None:
        return resolve(node, self.scopes, self.module)

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
        for name in _constant_comparisons(node):
            self.veto(node, f"class {node.name} has a constant {name}, which fools any assertion")
        self.scoped(node)

    def global_names(self, node: ast.Global) -> None:
        taken = self.module.definitions | self.module.imports.keys() | set(dir(builtins))
        for name in sorted(taken.intersection(node.names)):
            self.veto(node, f"it rebinds the file's or the language's own name {name}")

    # --- imports ---

    def plain_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_import(node, alias.name)

    def from_import(self, node: ast.ImportFrom) -> None:
        for dotted in imported_names(node).values():
            self._check_import(node, dotted)

    def _check_import(self, node: ast.AST, dotted: str) -> None:
        parts = dotted.strip(".").split(".")
        is_standard = parts[0] in sys.stdlib_module_names
        if not is_standard and any(forbidden.TEST_MODULE.match(part) for part in parts):
            self.veto(node, f"it imports {dotted}, which looks like a test module")
        self._check_dotted(node, dotted)

    def _check_dotted(self, node: ast.AST, dotted: str) -> bool:
        """Veto a forbidden dotted name; True if it was one."""
        for prefix in prefixes(dotted):
            if prefix in forbidden.NEVER:
                self.veto(node, f"it uses {prefix}, which {forbidden.NEVER[prefix]}")
                return True
            if prefix in forbidden.UNLESS_USED and prefix not in self.module.used:
                reason = forbidden.UNLESS_USED[prefix]
                self.veto(node, f"it uses {prefix}, which {reason}; the file did not before")
                return True
        return False

    # --- names and attributes ---

    def name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        if node.id == "__builtins__":
            self.veto(node, "it uses __builtins__")
        dotted = self.origin(node)
        if dotted is None or self._check_dotted(node, dotted):
            return
        if dotted in forbidden.SENSITIVE_MODULES:
            self.veto(node, f"it hands the module {dotted} around as a value")
        elif dotted in forbidden.EXITS:
            self.veto(node, f"it uses {node.id}, which ends the test run")
        elif dotted in forbidden.CODE_RUNNERS or dotted == "builtins.__import__":
            self.veto(node, f"it uses {node.id} on text that is computed at run time")
        elif dotted in forbidden.GETTERS | forbidden.SETTERS | {"builtins.vars"}:
            self.veto(node, f"it hands {node.id} around as a value")

    def attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            self._check_change(node, node.value, node.attr)
        is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if node.attr in forbidden.ATTRIBUTES and not (is_own and node.attr == "_exit"):
            self.veto(node, f"it uses {node.attr}, which {forbidden.ATTRIBUTES[node.attr]}")
            return
        dotted = self.origin(node)
        if dotted is None:
            self.visit(node.value)
        else:
            self._check_written(node, dotted, node.attr)

    def _check_written(self, node: ast.AST, dotted: str, attribute: str) -> None:
        """An attribute of an import or builtin, whether after a dot or in ``getattr``."""
        if self._check_dotted(node, dotted):
            return
        if attribute == "__dict__" or "__self__" in dotted.split("."):
            self.veto(node, f"it opens the namespace {dotted}")
        elif dotted in forbidden.SENSITIVE_MODULES:
            self.veto(node, f"it hands the module {dotted} around as a value")
        elif dotted in forbidden.CODE_RUNNERS | forbidden.EXITS | {"builtins.__import__"}:
            self.veto(node, f"it uses {dotted}")

    # --- changes to foreign objects ---

    def _check_change(self, node: ast.AST, owner: ast.expr, name: str) -> None:
        if name == "__class__":
            self.veto(node, "it changes the class of an object")
        elif name in forbidden.COMPARISONS | {"__bool__", "__defaults__"}:
            self.veto(node, f"it replaces {name} of an object or class")
        foreign = self._foreign(owner)
        if foreign:
            self.veto(node, f"it changes {foreign}.{name}, which belongs to others")

    def _foreign(self, owner: ast.expr) -> str | None:
        """The module, builtin, or class of others that an expression names; else None."""
        dotted = self.origin(owner)
        if isinstance(owner, ast.Call) and self.origin(owner.func) == "builtins.type":
            own = [a for a in owner.args if isinstance(a, ast.Name) and a.id in ("self", "cls")]
            return None if own else "type(...)"
        if dotted is None:
            if not isinstance(owner, ast.Name) or owner.id not in self.module.definitions:
                return None
            is_local = any(owner.id in scope.names for scope in self.scopes)
            return None if is_local else owner.id
        top, _, rest = dotted.partition(".")
        last = rest.rpartition(".")[2]
        is_module = dotted in self.module.imports.values() and not rest
        is_class = last[:1].isupper()
        is_known = top in sys.stdlib_module_names or top == "builtins"
        return dotted if is_module or is_class or is_known else None

    # --- calls and other statements ---

    def call(self, node: ast.Call) -> None:
        name = self.origin(node.func) or ""
        first = node.args[0] if node.args else None
        if name in forbidden.GETTERS | forbidden.SETTERS and len(node.args) > 1:
            self._check_lookup(node, name)
        elif name in forbidden.CODE_RUNNERS and first is not None and folded(first) is not None:
            self._check_literal_code(node, first)
        elif name == "builtins.__import__" and first is not None and folded(first) is not None:
            self._check_import(node, folded(first) or "")
        elif name in ("builtins.isinstance", "builtins.issubclass") and len(node.args) > 1:
            self.visit(node.args[0])
        elif name == "builtins.vars" and first is not None:
            if self.origin(first):
                self.veto(node, "it opens the namespace of a module or builtin")
            self.visit(first)
        else:
            self._check_opening(node, name)
            self._check_dynamic_class(node, name)
            self.descend(node)

    def _check_lookup(self, node: ast.Call, function: str) -> None:
        """``getattr`` and its relatives: the attribute must be one that could be written out."""
        owner, name = node.args[0], node.args[1]
        dotted = self.origin(owner)
        literal = folded(name)
        if function in forbidden.SETTERS:
            self._check_change(node, owner, literal or "(computed)")
        if literal is not None:
            if not isinstance(name, ast.Constant):
                self.veto(node, f"it hides the attribute name {literal!r}")
            elif literal in forbidden.ATTRIBUTES:
                self.veto(node, f"it uses {literal}, which {forbidden.ATTRIBUTES[literal]}")
            elif dotted:
                self._check_written(node, rooted(f"{dotted}.{literal}"), literal)
        elif dotted and _is_module(dotted):
            self.veto(node, f"it looks up a computed attribute of {dotted}")
        elif not self._has_variables(name):
            self.veto(node, "it hides an attribute's name in an expression of constants")
        for child in (*(() if dotted else (owner,)), *node.args[1:]):
            self.visit(child)

    def _has_variables(self, node: ast.expr) -> bool:
        """Does the expression depend on anything but constants and builtin functions?"""
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        return any(not (self.origin(name) or "").startswith("builtins.") for name in names)

    def _check_literal_code(self, node: ast.Call, text: ast.expr) -> None:
        try:
            inner = parse_text(folded(text) or "")
        except SourceSyntaxError:
            inner = ast.Module([], [])
        scopes, offset = self.scopes, self.offset
        self.offset = offset + node.lineno - 1
        self.descend(inner)
        self.scopes, self.offset = scopes, offset
        for child in node.args[1:]:
            self.visit(child)

    def _check_opening(self, node: ast.Call, name: str) -> None:
        if name not in forbidden.FILE_OPENERS or not node.args:
            return
        first = node.args[0]
        if isinstance(first, ast.Constant) and type(first.value) is int:
            self.veto(node, "it opens a file descriptor by its number")
        text = folded(first)
        if text and forbidden.TEST_FOLDER.search(text):
            self.veto(node, f"it opens {text!r}, where the tests are")

    def _check_dynamic_class(self, node: ast.Call, name: str) -> None:
        if name == "builtins.type" and len(node.args) == 3:  # type(name, bases, namespace)
            texts = {n.value for n in ast.walk(node.args[2]) if isinstance(n, ast.Constant)}
            if texts & forbidden.COMPARISONS:
                self.veto(node, "it makes a class with comparisons of its own at run time")

    def handler(self, node: ast.ExceptHandler) -> None:
        for child in node.body:  # naming SystemExit in order to catch it is no harm
            self.visit(child)

    def expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring does nothing
            self.visit(node.value)

    def operation(self, node: ast.BinOp) -> None:
        text = folded(node)
        if text is not None:
            self._check_text(node, text)
        self.descend(node)

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._check_text(node, node.value)

    def _check_text(self, node: ast.AST, text: str) -> None:
        if forbidden.TEST_FILE.search(text):
            self.veto(node, f"it names a test file: {text[:60]!r}")
        if forbidden.TEST_ENVIRONMENT.search(text):
            self.veto(node, "it names the test framework in a text")
        if forbidden.PROCESS_FILES.search(text):
            self.veto(node, f"it names a file of the running process: {text[:60]!r}")
        if forbidden.DUNDER_TEXT.search(text) or any(
            part in forbidden.ATTRIBUTES for part in text.split(".")
        ):
            self.veto(node, f"it names a forbidden attribute in a text: {text[:60]!r}")


_RULES: Mapping[type[ast.AST], Callable[[_Guard, Any], None]] = {
    **dict.fromkeys(Scoped.__args__, _Guard.scoped),
    ast.ClassDef: _Guard.class_def,
    ast.Global: _Guard.global_names,
    ast.Import: _Guard.plain_import,
    ast.ImportFrom: _Guard.from_import,
    ast.Name: _Guard.name,
    ast.Attribute: _Guard.attribute,
    ast.Call: _Guard.call,
    ast.ExceptHandler: _Guard.handler,
    ast.Expr: _Guard.expression,
    ast.BinOp: _Guard.operation,
    ast.Constant: _Guard.constant,
}


def _is_module(dotted: str) -> bool:
    """Does a dotted name, by all that its spelling tells, mean a module?"""
    if dotted in forbidden.OPEN_MODULES:
        return False
    top, _, rest = dotted.partition(".")
    is_inner = top in sys.stdlib_module_names and top != "builtins"
    return not rest or (is_inner and rest.rpartition(".")[2].islower())


def _constant_comparisons(node: ast.ClassDef) -> Iterator[str]:
    """The comparison methods of a class that give the same constant whatever they are given."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name in forbidden.COMPARISONS:
            returns = [n.value for n in ast.walk(item) if isinstance(n, ast.Return)]
            if returns and all(isinstance(value, ast.Constant) for value in returns):
                values = {value.value for value in returns if isinstance(value, ast.Constant)}
                if len(values) == 1 and type(next(iter(values))) in (bool, int):
                    yield item.name
            elif returns and _ignores_other(item, returns):
                yield item.name
        elif isinstance(item, ast.Assign):
            for target in item.targets:
                if isinstance(target, ast.Name) and target.id in forbidden.COMPARISONS:
                    yield target.id


def _ignores_other(method: ast.FunctionDef, returns: list[ast.expr | None]) -> bool:
    """Does a comparison give a result without ever reading what it is compared with?"""
    if all(isinstance(value, ast.Name) and value.id == "NotImplemented" for value in returns):
        return False
    arguments = [*method.args.posonlyargs, *method.args.args][1:]
    names = {argument.arg for argument in arguments}
    if method.args.vararg:
        names.add(method.args.vararg.arg)
    return not any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(method))
