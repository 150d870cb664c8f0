"""Owns the words for a failing test that no function explains: the error, its place, what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from egbot.nodeids import file_of
from egbot.records import Entered, Evidence, FailingTest, Fault

_IMPORT_NAME = re.compile(
    r"cannot import name '([^']+)' from (?:partially initialized module )?'([^']+)'"
)
_NO_MODULE = re.compile(r"No module named '([^']+)'")
_NO_FIXTURE = re.compile(r"fixture '(\w+)' not found")
_MAX_NAMED = 3
_STOPPED = {
    "timeout": "the test ran into its time limit; no function that it calls is missing",
    "crash": "the interpreter crashed during the test",
}


def left_alone(
    failing: FailingTest,
    evidence: Evidence,
    left_out: Mapping[str, str],
) -> str:
    """Why nothing is written for ``failing``: a sentence with the exception, the place, what to do.

    ``left_out`` are the requirements that are not installed and the modules (paths; of a folder's
    with a / at the end) that are not in the tree, and why.
    """
    if failing.status in _STOPPED:
        return _STOPPED[failing.status]
    place = _left_out_module(failing.fault, left_out)
    if place:
        return f"needs {place}, which was left out: {left_out[place]}"
    why = _lacking_package(failing.fault, left_out) or _import(failing.fault)
    return why or _plain(failing) + _entered(evidence.entered)


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


def _import(fault: Fault) -> str:
    module, name = _NO_MODULE.search(fault.message), _IMPORT_NAME.search(fault.message)
    if name and ("partially initialized" in fault.message or "circular" in fault.message):
        return f"{name[2]} takes part in a circular import; that must be untangled by hand"
    if name:
        return f"{name[1]} is not in {name[2]}: check the version that is installed"
    if not module:
        return ""
    top = module[1].partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"this Python has no module {module[1]}"
    return (
        f"needs the package {top}, which is not installed: add it to the dependencies "
        f"(or, if it is to be written here, create {top}.py)"
    )


def _plain(failing: FailingTest) -> str:
    fault = failing.fault
    what = f"{fault.type_name}: {_first_line(fault.message)}".rstrip(": ")
    where = f" at {fault.frames[-1].path}:{fault.frames[-1].line}" if fault.frames else ""
    if failing.phase in {"setup", "teardown"}:
        said = f"a fixture failed in {failing.phase} ({what}{where})"
        return f"{said}, and nothing that it uses is missing"
    if failing.phase == "collect":
        return f"the file cannot be collected ({what}{where}), and nothing that it uses is missing"
    if file_of(failing.node_id).endswith(".py"):
        return f"fails with {what}{where}, and nothing that it uses is missing"
    return f"fails with {what}{where}; tests of this kind are not followed"


def _entered(functions: Sequence[Entered]) -> str:
    """The functions to choose from, where one of them may be wrong, and what to type."""
    names = dict.fromkeys(f"{one.path}::{one.qualname}" for one in functions)
    plain = [name for name in names if "<" not in name]
    if not plain:
        return ""
    more = len(plain) - _MAX_NAMED
    listed = ", ".join(plain[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"; to have one that it runs rewritten: --target '{plain[-1]}' (of {listed})"


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 160 else f"{line[:157]}..."
