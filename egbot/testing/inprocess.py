"""Collects and runs plain tests of a tree in this process. FOR TRUSTED TEST PROGRAMS ONLY.

It executes whatever the tree holds, with no sandbox and no limit. It knows test functions and
``Test...`` classes without parameters, fixtures or marks; modules of the tree see one another and
everything that is installed, and leave nothing behind in ``sys.modules``.
"""

from __future__ import annotations

import ast
import builtins
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from types import ModuleType, TracebackType

from egbot.nodeids import file_of, names_of
from egbot.records import Comparison, FailingTest, Fault, Frame, TestOutcome, Tree

_SKIPPED = frozenset({"Skipped", "SkipTest"})


def collect(tree: Tree, tests: Sequence[str]) -> tuple[tuple[str, ...], tuple[FailingTest, ...]]:
    """The node ids below ``tests`` (none: all), and the modules that cannot be imported."""
    node_ids: list[str] = []
    errors: list[FailingTest] = []
    for path in sorted(tree):
        if not _is_test_file(path) or not _is_wanted(path, tests):
            continue
        found = _guarded(tree, lambda path=path: Modules(tree).load(path))  # type: ignore[misc]
        if isinstance(found, ModuleType):
            node_ids.extend(node for node in _node_ids(path, found) if _is_wanted(node, tests))
        else:
            errors.append(FailingTest(path, "collect", found[1], "error"))
    return tuple(node_ids), tuple(errors)


def run_test(tree: Tree, node_id: str) -> TestOutcome:
    """Run one test in modules of its own."""
    path, names = file_of(node_id), names_of(node_id)

    def run() -> ModuleType:
        module = Modules(tree).load(path)
        thing: object = module
        for name in names:
            thing = getattr(thing, name)
            if isinstance(thing, type):
                thing = thing()
        assert callable(thing)  # noqa: S101  # a test that the tree does not have
        thing()
        return module

    result = _guarded(tree, run)
    if isinstance(result, ModuleType):
        return TestOutcome(node_id, "passed")
    error, fault = result
    if type(error).__name__ in _SKIPPED:
        return TestOutcome(node_id, "skipped", fault=fault)
    return TestOutcome(node_id, "failed", fault=fault, comparison=_comparison(tree, error))


def _is_test_file(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


def _is_wanted(node_id: str, tests: Sequence[str]) -> bool:
    """Whether a file or test is asked for, or holds what is asked for."""
    return not tests or any(
        node_id == one
        or node_id.startswith((f"{one}::", f"{one}/"))
        or one.startswith(f"{node_id}::")
        for one in tests
    )


def _node_ids(path: str, module: ModuleType) -> Iterable[str]:
    for name, thing in vars(module).items():
        if isinstance(thing, type) and name.startswith("Test"):
            methods = [method for method in vars(thing) if method.startswith("test")]
            yield from (f"{path}::{name}::{method}" for method in methods)
        elif callable(thing) and name.startswith("test"):
            yield f"{path}::{name}"


# --- modules -----------------------------------------------------------------------------------


class Modules:
    """The modules of one tree, loaded at most once each and never shared."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._loaded: dict[str, ModuleType] = {}

    def load(self, path: str) -> ModuleType:
        """The module of the file ``path``. Raises whatever its code raises."""
        return self._module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    def _module(self, name: str) -> ModuleType:
        if name in self._loaded:
            return self._loaded[name]
        path = self._file(name)
        if path is None and not self._is_folder(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        parent, _, last = name.rpartition(".")
        module = ModuleType(name)
        is_package = path is None or path.endswith("/__init__.py")
        module.__dict__["__package__"] = name if is_package else parent
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self._loaded[name] = module
        if parent:
            setattr(self._module(parent), last, module)
        if path is not None:
            module.__file__ = path
            try:
                code = compile(self._tree[path].data, path, "exec", dont_inherit=True)
                exec(code, module.__dict__)  # noqa: S102  # trusted, as the top of this file says
            except BaseException:
                del self._loaded[name]
                raise
        return module

    def _file(self, name: str) -> str | None:
        stem = name.replace(".", "/")
        return next(
            (one for one in (f"{stem}.py", f"{stem}/__init__.py") if one in self._tree), None
        )

    def _is_folder(self, name: str) -> bool:
        folder = name.replace(".", "/") + "/"
        return any(path.startswith(folder) and path.endswith(".py") for path in self._tree)

    def _import(
        self,
        name: str,
        scope: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What ``__import__`` does, for modules of the tree first."""
        if level:
            package = str((scope or {}).get("__package__", ""))
            base = package.rsplit(".", level - 1)[0]
            name = f"{base}.{name}".rstrip(".")
        top = name.partition(".")[0]
        if self._file(top) is None and not self._is_folder(top):
            return builtins.__import__(name, scope, local, wanted or (), 0)
        parts = name.split(".")
        for count in range(1, len(parts)):  # parents first, as Python does it
            self._module(".".join(parts[:count]))
        module = self._module(name)
        for one in wanted or ():
            below = f"{name}.{one}"
            if not hasattr(module, one) and (self._file(below) or self._is_folder(below)):
                self._module(below)
        return module if wanted else self._module(top)


# --- faults ------------------------------------------------------------------------------------


def _guarded(tree: Tree, run: Callable[[], ModuleType]) -> ModuleType | tuple[BaseException, Fault]:
    """What ``run`` returns, or what it raised; only Ctrl-C goes on."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # pytest.fail raises what is no Exception
        return error, _fault(tree, error)


def _fault(tree: Tree, error: BaseException) -> Fault:
    frames = tuple(
        Frame(entry.filename, entry.lineno or 0, entry.name)
        for entry in _entries(error.__traceback__)
        if entry.filename in tree
    )
    return Fault(type(error).__name__, str(error), frames, tuple(_attributes(error)))


def _entries(trace: TracebackType | None) -> traceback.StackSummary:
    return traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False)


def _attributes(error: BaseException) -> Iterable[tuple[str, str]]:
    """What the exception says of itself, as ``egbot.records.Fault`` describes it."""
    name = getattr(error, "name", None)
    if isinstance(name, str):
        yield "name", name
    if isinstance(error, AttributeError) and name is not None:
        owner = error.obj
        holder = owner if isinstance(owner, type) else type(owner)
        if isinstance(owner, ModuleType):
            yield from (("owner_type", "module"), ("owner_name", owner.__name__))
        else:
            yield "owner_type", "type" if isinstance(owner, type) else "instance"
            yield "owner_name", f"{holder.__module__}:{holder.__qualname__}"


def _comparison(tree: Tree, error: BaseException) -> Comparison | None:
    """The source of the assertion that failed; its sides are not known here."""
    entries = [entry for entry in _entries(error.__traceback__) if entry.filename in tree]
    if not isinstance(error, AssertionError) or not entries:
        return None
    last = entries[-1]
    text = tree[last.filename].data.decode()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert) and node.lineno == last.lineno:
            return Comparison(ast.get_source_segment(text, node) or "")
    return None
