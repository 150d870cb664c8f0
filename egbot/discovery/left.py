"""Owns the words for a failing test that no function explains: the error, its place, what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from egbot.nodeids import file_of
from egbot.records import Entered, Evidence, FailingTest

_IMPORT = re.compile(
    r"No module named '([^']+)'"
    r"|cannot import name '([^']+)' from (?:partially initialized module )?'([^']+)'"
)
_NO_FIXTURE = re.compile(r"fixture '(\w+)' not found")
_MAX_NAMED = 3
_MAX_CHARS = 160
_STOPPED = {
    "timeout": "the test ran into its time limit; no function that it calls is missing",
    "crash": "the interpreter crashed during the test",
}


def left_alone(failing: FailingTest, evidence: Evidence, left_out: Mapping[str, str]) -> str:
    """Why nothing is written for ``failing``: a sentence with the exception, the place, what to do.

    ``left_out`` are the requirements that are not installed and the modules (paths; of a folder's
    with a / at the end) that are not in the tree, and why.
    """
    if failing.status in _STOPPED:
        return _STOPPED[failing.status]
    message = failing.fault.message
    found = _IMPORT.search(message)
    module, name, home = found.groups("") if found else ("", "", "")
    for place, why in left_out.items():
        if _holds(place, module or f"{home}.{name}"):
            return f"needs {place}, which was left out: {why}"
    said = _lacking_package(message, module, left_out)
    if not said and name:
        said = f"{name} is not in {home}: check the version that is installed"
        if "partially initialized" in message or "circular" in message:
            said = f"{home} takes part in a circular import; that must be untangled by hand"
    return said or _lacking_module(module) or _plain(failing) + _entered(evidence.entered)


def _holds(place: str, module: str) -> bool:
    """Whether a path is a module's, or the folder of one above it."""
    is_folder, parts = place.endswith("/"), module.split(".")
    stem = re.sub(r"(/__init__)?\.[^/]*$|/$", "", f"/{place}")
    ways = ["/" + "/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return place.endswith((".py", ".so", ".pyd", "/")) and stem.endswith(
        tuple(ways if is_folder else ways[-1:])
    )


def _lacking_package(message: str, module: str, left_out: Mapping[str, str]) -> str:
    """Which requirement that could not be installed a failure speaks of, by its bare name."""
    top, fixture = module.partition(".")[0], _NO_FIXTURE.search(message)
    for line, why in left_out.items():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0].lower()
        bare = re.sub(r"^(py|python)-?|-?(py|python)$", "", name)
        if top and top.lower().replace("_", "-") in (name, bare):
            return f"needs the package {name}, which could not be installed: {why}"
        if fixture and name.startswith("pytest-"):
            return f"lacks the fixture {fixture[1]}; {name} could not be installed: {why}"
    return ""


def _lacking_module(module: str) -> str:
    top = module.partition(".")[0]
    if not top:
        return ""
    if top in sys.stdlib_module_names:
        return f"this Python has no module {module}"
    return (
        f"needs the package {top}, which is not installed: add it to the dependencies "
        f"(or, if it is to be written here, create {top}.py)"
    )


def _plain(failing: FailingTest) -> str:
    fault = failing.fault
    line = fault.message.strip().partition("\n")[0]
    line = line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}..."
    what = f"{fault.type_name}: {line}".rstrip(": ")
    where = f" at {fault.frames[-1].path}:{fault.frames[-1].line}" if fault.frames else ""
    if failing.phase in {"setup", "teardown"}:
        said = f"a fixture failed in {failing.phase} ({what}{where})"
    elif failing.phase == "collect":
        said = f"the file cannot be collected ({what}{where})"
    elif file_of(failing.node_id).endswith(".py"):
        said = f"fails with {what}{where}"
    else:
        return f"fails with {what}{where}; tests of this kind are not followed"
    return f"{said}, and nothing that it uses is missing"


def _entered(functions: Sequence[Entered]) -> str:
    """The functions to choose from, where one of them may be wrong, and what to type."""
    names = dict.fromkeys(f"{one.path}::{one.qualname}" for one in functions)
    plain = [name for name in names if "<" not in name]
    if not plain:
        return ""
    more = len(plain) - _MAX_NAMED
    listed = ", ".join(plain[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"; to have one that it runs rewritten: --target '{plain[-1]}' (of {listed})"
