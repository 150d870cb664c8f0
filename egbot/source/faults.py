"""Owns the reading of one failure: which function would have to be written, or why none would.

It knows nothing of stubs' text and never changes a file.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from egbot.nodeids import file_of
from egbot.records import FailingTest, Fault
from egbot.source.absent import Need, missing_imports
from egbot.source.examples import Key
from egbot.source.modules import is_test_path
from egbot.source.outline import is_abstract, is_stub
from egbot.source.reach import Reached, covers, enclosing_function, find_test, stubs_reached
from egbot.source.symbols import Code, Function, Symbol

_IMPORT_NAME = re.compile(
    r"cannot import name '([^']+)' from (?:partially initialized module )?'([^']+)'"
)
_NO_MODULE = re.compile(r"No module named '([^']+)'")
_NO_FIXTURE = re.compile(r"fixture '(\w+)' not found")
_MODULE_MEMBER = re.compile(r"module '([^']+)' has no attribute '([^']+)'")
_CLASS_MEMBER = re.compile(r"(type object )?'([^']+)'(?: object)? has no attribute '([^']+)'")
_NAME = re.compile(r"name '([^']+)' is not defined")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one failure says: needs, or (without any) a plain sentence why there are none."""

    needs: tuple[Need, ...] = ()
    why: str = ""


def read_failure(
    code: Code, failing: FailingTest, left_out: Mapping[str, str] = MappingProxyType({})
) -> Reading:
    """Which functions the failure asks for, in the order in which the test would call them.

    ``left_out`` are the requirements that are not installed and the modules (paths; of a folder's
    with a / at the end) that are not in the tree, and why.
    """
    path = file_of(failing.node_id)
    if failing.status in {"timeout", "crash"}:
        return Reading(why=_STOPPED[failing.status])
    if path.endswith(".py") and path in code.tree and code.problem(path):
        return Reading(why=code.problem(path))
    place = _left_out_module(failing.fault, left_out)
    if place:
        return Reading(why=f"needs {place}, which was left out: {left_out[place]}")
    reader = _READERS.get(failing.fault.type_name.rpartition(".")[2], _read_other)
    reading = reader(code, failing)
    lacking = "" if reading.needs else _lacking_package(failing.fault, left_out)
    return Reading(why=lacking) if lacking else reading


def _left_out_module(fault: Fault, left_out: Iterable[str]) -> str:
    """Which of the paths in ``left_out`` holds the module that a failed import asks for, or ""."""
    module, name = _NO_MODULE.search(fault.message), _IMPORT_NAME.search(fault.message)
    dotted = module[1] if module else f"{name[2]}.{name[1]}" if name else ""
    parts = dotted.split(".") if dotted else []
    ways = ["/" + "/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    for place in left_out:
        folder, _, last = f"/{place}".rpartition("/")
        stem = f"{folder}/{last.partition('.')[0]}".removesuffix("/__init__").removesuffix("/")
        is_module = place.endswith((".py", ".so", ".pyd", "/"))
        if is_module and any(stem.endswith(way) for way in (ways[-1:] if last else ways)):
            return place
    return ""


def _lacking_package(fault: Fault, left_out: Mapping[str, str]) -> str:
    """Which requirement that could not be installed a failure speaks of, by its bare name."""
    module, fixture = _NO_MODULE.search(fault.message), _NO_FIXTURE.search(fault.message)
    top = module[1].partition(".")[0].lower().replace("_", "-") if module else None
    for line, why in left_out.items():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0].lower()
        bare = re.sub(r"^(py|python)-?|-?(py|python)$", "", name)
        if top in (name, bare):
            return f"needs the package {name}, which could not be installed: {why}"
        if fixture and name.startswith("pytest-"):
            return f"lacks the fixture {fixture[1]}; {name} could not be installed: {why}"
    return ""


# --- imports ----------------------------------------------------------------------------------


def _read_import(code: Code, failing: FailingTest) -> Reading:
    match = _IMPORT_NAME.search(failing.fault.message)
    importers = _importers(failing)
    needs = _first_needs(code, importers)
    if needs or match is None:
        return Reading(needs, "" if needs else _plain(failing))
    name, module = match[1], match[2]
    path = code.modules.file_of(module)
    if path is None:
        return Reading(
            why=f"{name} is not in {module}, which is not part of the repository; "
            "check the version that is installed"
        )
    if "partially initialized" in failing.fault.message or "circular" in failing.fault.message:
        return Reading(
            why=f"{path} takes part in a circular import; that must be untangled by hand"
        )
    return Reading(why=_export_advice(code, path, module, name))


def _export_advice(code: Code, path: str, module: str, name: str) -> str:
    folder = path.removesuffix("__init__.py")
    for other in sorted(code.tree):
        inside = path.endswith("__init__.py") and other.startswith(folder) and other != path
        if inside and other.endswith(".py") and code.definition(other, name) is not None:
            return f"{path} does not export {name}, which {other} defines; add the import there"
    return f"{name} cannot be imported from {module} for a reason that its text does not show"


def _read_module(code: Code, failing: FailingTest) -> Reading:
    fault = failing.fault
    name = _attribute(fault, "name") or _matched(_NO_MODULE, fault.message)
    needs = _first_needs(code, _importers(failing))
    if needs:
        return Reading(needs)
    if not name:
        return Reading(why=_plain(failing))
    importers = _importers(failing)
    place = code.module_path(importers[0], name) if importers else None
    if place is not None:
        return Reading(why=f"no test says what the missing module {name} should hold")
    top = name.partition(".")[0]
    if top in code.modules.paths:
        return Reading(why=f"{name} cannot be a module: {top} is no package")
    if top in sys.stdlib_module_names:
        return Reading(why=f"this Python has no module {name}")
    return Reading(
        why=f"needs the package {top}, which is not installed: add it to the dependencies "
        f"(or, if it is to be written here, create {top}.py)"
    )


def _first_needs(code: Code, importers: tuple[str, ...]) -> tuple[Need, ...]:
    return next((needs for path in importers if (needs := missing_imports(code, path))), ())


def _importers(failing: FailingTest) -> tuple[str, ...]:
    """The files whose imports may have failed: of the traceback, innermost first, then the test."""
    frames = [frame.path for frame in reversed(failing.fault.frames)]
    return tuple(dict.fromkeys([*frames, file_of(failing.node_id)]))


# --- attributes and names ---------------------------------------------------------------------


def _read_attribute(code: Code, failing: FailingTest) -> Reading:
    owner, name = _owner(code, failing.fault)
    if owner is None or not name:
        return _read_other(code, failing)
    if is_test_path(owner.path):
        return Reading(why=f"{owner.path} belongs to the tests and lacks {name}")
    found = code.member(owner, name)
    at = f"{owner.path} {owner.qualname}".strip()
    if found is not None and found.kind == "module":
        return Reading(why=f"{name} is a module of its own that nothing imports")
    if found is not None and found.kind != "missing":
        return Reading(why=f"{at} defines {name}, but did not have it when the test asked")
    qualname = f"{owner.qualname}.{name}".lstrip(".")
    need = Need((owner.path, qualname), "missing_member", f"{at} has no attribute {name}")
    return Reading((need, *_direct(code, failing, {need.key})))


def _owner(code: Code, fault: Fault) -> tuple[Symbol | None, str]:
    name = _attribute(fault, "name")
    kind, owner = _attribute(fault, "owner_type"), _attribute(fault, "owner_name")
    if name and kind == "module":
        return _module_symbol(code, owner), name
    if name and kind in {"type", "instance"}:
        module, _, qualname = owner.rpartition(":")
        return _class_symbol(code, module, qualname, is_type=kind == "type"), name
    in_module = _MODULE_MEMBER.search(fault.message)
    if in_module:
        return _module_symbol(code, in_module[1]), in_module[2]
    in_class = _CLASS_MEMBER.search(fault.message)
    if in_class:
        is_type = bool(in_class[1])
        return _class_symbol(code, "", in_class[2], is_type=is_type), in_class[3]
    return None, name


def _module_symbol(code: Code, name: str) -> Symbol | None:
    path = code.modules.file_of(name)
    return Symbol("module", path) if path is not None and path in code.tree else None


def _class_symbol(code: Code, module: str, qualname: str, *, is_type: bool) -> Symbol | None:
    path = code.modules.file_of(module)
    paths = [path] if path is not None else _paths_with_class(code, qualname)
    if len(paths) != 1 or not isinstance(code.definition(paths[0], qualname), ast.ClassDef):
        return None
    return Symbol("class" if is_type else "instance", paths[0], qualname)


def _paths_with_class(code: Code, qualname: str) -> list[str]:
    first = f"class {qualname.partition('.')[0]}".encode()
    return [
        path
        for path in sorted(code.tree)
        if path.endswith(".py")
        and first in code.tree[path].data
        and code.definition(path, qualname) is not None
    ]


def _read_name(code: Code, failing: FailingTest) -> Reading:
    fault = failing.fault
    name = _attribute(fault, "name") or _matched(_NAME, fault.message)
    frames = [frame for frame in fault.frames if frame.path in code.tree]
    if not name or not frames:
        return Reading(why=_plain(failing))
    path = frames[-1].path
    if is_test_path(path):
        return Reading(why=f"{path} uses {name} without defining or importing it")
    if name in sys.stdlib_module_names:
        return Reading(why=f"{path} uses {name} without importing it")
    found = code.lookup(path, name)
    if found is not None and found.kind != "missing":
        return Reading(why=f"{path} uses {name} before it is defined")
    need = Need((path, name), "missing_name", f"{path}:{frames[-1].line} calls {name}")
    return Reading((need, *_direct(code, failing, {need.key})))


# --- stubs ------------------------------------------------------------------------------------


def _read_unwritten(code: Code, failing: FailingTest) -> Reading:
    for frame in reversed(failing.fault.frames):
        if is_test_path(frame.path) or frame.path not in code.tree:
            continue
        key = enclosing_function(code, frame)
        node = code.definition(*key) if key is not None else None
        if key is None or node is None:
            continue
        if is_abstract(node, code.definition(key[0], key[1].rpartition(".")[0])):
            return Reading(why=f"{key[1]} of {key[0]} is abstract: a subclass must define it")
        evidence = f"{frame.path}:{frame.line} {key[1]} raised NotImplementedError"
        need = Need(key, "stub", evidence)
        return Reading((need, *_direct(code, failing, {key})))
    return _read_other(code, failing)


def _read_other(code: Code, failing: FailingTest) -> Reading:
    """Follow the names that the test calls: a stub on the way to the failing line is the reason."""
    doctest = _doctest_target(code, failing.node_id)
    if doctest is not None:
        return doctest
    test = find_test(code, failing.node_id)
    if test is None:
        return Reading(why=_plain(failing))
    reached = stubs_reached(code, test)
    last = _last_line(failing.fault, test.path, test.function)
    before = [item for item in reached if item.line <= last]
    causes = [item for item in before if item.direct] or [item for item in before if item.silent]
    if not causes:
        return Reading(why=_plain(failing))
    wanted = [item for item in reached if item.direct or item in causes]
    return Reading(tuple(_stub_need(item) for item in wanted))


def _direct(code: Code, failing: FailingTest, known: set[Key]) -> tuple[Need, ...]:
    """The other stubs that the test's own code calls; it cannot pass without them."""
    test = find_test(code, failing.node_id)
    reached = stubs_reached(code, test) if test is not None else ()
    return tuple(_stub_need(r) for r in reached if r.direct and r.key not in known)


def _stub_need(reached: Reached) -> Need:
    where = f"line {reached.line} of the test" if reached.line else "a fixture of the test"
    path, qualname = reached.key
    return Need(reached.key, "stub", f"{where} leads to {qualname} of {path}, which is not written")


def _doctest_target(code: Code, node_id: str) -> Reading | None:
    path, _, name = node_id.partition("::")
    if "." not in name or "::" in name or not path.endswith(".py"):
        return None
    for module in code.modules.names(path):
        qualname = name.removeprefix(f"{module}.")
        node = code.definition(path, qualname) if qualname != name else None
        owner = code.definition(path, qualname.rpartition(".")[0])
        if node is not None and is_stub(node, owner):
            need = Need((path, qualname), "stub", f"the doctest of {qualname} in {path} fails")
            return Reading((need,))
    return None


def _last_line(fault: Fault, path: str, function: Function) -> int:
    """The end of the statement at which the test failed; its own end where that is not known."""
    end = function.end_lineno or function.lineno
    lines = [frame.line for frame in fault.frames if frame.path == path]
    if not lines or not function.lineno <= lines[-1] <= end:
        return end
    around = [
        node.end_lineno or node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.stmt) and not hasattr(node, "body") and covers(node, lines[-1])
    ]
    return min(around, default=lines[-1])


# --- sentences --------------------------------------------------------------------------------

_STOPPED = {
    "timeout": "the test ran into its time limit; no function it calls is missing",
    "crash": "the interpreter crashed during the test",
}


def _read_syntax(code: Code, failing: FailingTest) -> Reading:
    for path in _importers(failing):
        if path in code.tree and code.problem(path):
            return Reading(why=code.problem(path))
    mentioned = re.search(r"\(([^()]+\.py), line (\d+)\)", failing.fault.message)
    broken = [path for path in sorted(code.tree) if mentioned and path.endswith(mentioned[1])]
    for path in broken:
        if code.problem(path):
            return Reading(why=code.problem(path))
    return Reading(why=f"syntax error: {_first_line(failing.fault.message)}")


def _plain(failing: FailingTest) -> str:
    fault = failing.fault
    what = f"{fault.type_name}: {_first_line(fault.message)}".rstrip(": ")
    if failing.phase in {"setup", "teardown"}:
        return f"a fixture failed in {failing.phase} ({what}), and no function it calls is missing"
    where = f" at {fault.frames[-1].path}:{fault.frames[-1].line}" if fault.frames else ""
    if failing.phase == "collect":
        return f"the file cannot be collected ({what}{where}), and no function is missing"
    if file_of(failing.node_id).endswith(".py"):
        return f"fails with {what}{where}, and every function that it calls is written"
    return f"fails with {what}{where}; tests of this kind are not followed"


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 160 else f"{line[:157]}..."


def _attribute(fault: Fault, name: str) -> str:
    return dict(fault.attributes).get(name, "")


def _matched(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


_READERS: dict[str, Callable[[Code, FailingTest], Reading]] = {
    "ImportError": _read_import,
    "ModuleNotFoundError": _read_module,
    "AttributeError": _read_attribute,
    "NameError": _read_name,
    "NotImplementedError": _read_unwritten,
    "SyntaxError": _read_syntax,
    "IndentationError": _read_syntax,
    "TabError": _read_syntax,
}
