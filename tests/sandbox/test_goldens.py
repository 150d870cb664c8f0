"""The tracer tells what small programs do, on every CPython that can be had, as goldens/ holds it.

goldens/NAME.txt is a program, how it is called, and its trace. A version that tells it otherwise
has a file NAME.from-3.X.txt, good from that version on, whose first line says why.
``EGBOT_REGENERATE_GOLDENS=1`` writes all traces anew, for every interpreter that is found.
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import trace_goldens
from tests.sandbox.interpreters import LOCAL, VERSIONS, find_interpreters, run_script
from tests.sandbox.trace_goldens import TRACE_MARK

GOLDENS = Path(__file__).parent / "goldens"
PACKAGE = Path(__file__).parents[2] / "sandbox"
FUTURE = "from __future__ import annotations\n"
NO_REASON = "# (say here why this version tells it otherwise)"

Results = dict[str, dict[str, Any]]


def programs() -> list[str]:
    return sorted(path.stem for path in GOLDENS.glob("*.txt") if ".from-" not in path.name)


def script(then: str = "") -> str:
    """The tracing script with all that it needs inside; ``then`` is run instead of the programs."""
    files = {path.name: path.read_text("utf-8") for path in PACKAGE.glob("*.py")}
    files |= {name: (GOLDENS / f"{name}.txt").read_text("utf-8") for name in programs()}
    text = Path(trace_goldens.__file__).read_text("utf-8")
    values = f"FILES = {json.dumps(files)!r}\nTHEN = {then!r}\n"
    return text.replace(FUTURE, f"{FUTURE}\n{values}", 1)


def minor(version: str) -> int:
    return int(version.partition(".")[2])


def golden(name: str, version: str) -> Path:
    """The file that holds a program's trace for a version."""
    since = {
        minor(path.stem.rpartition("-")[2]): path for path in GOLDENS.glob(f"{name}.from-*.txt")
    }
    good = [one for one in since if one <= minor(version)]
    return since[max(good)] if good else GOLDENS / f"{name}.txt"


def trace_in(path: Path) -> str:
    return path.read_text("utf-8").partition(TRACE_MARK)[2]


def write_trace(path: Path, trace: str) -> None:
    head = path.read_text("utf-8").partition(TRACE_MARK)[0] if path.exists() else NO_REASON
    path.write_text(head + TRACE_MARK + trace, "utf-8")


def regenerate(results: Results) -> None:
    """Write the traces, oldest version first; a new file only where one must be split."""
    written: set[Path] = set()
    for version, result in results.items():
        for name, by_feed in result["traces"].items():
            path = golden(name, version)
            trace = by_feed["SettraceFeed"]
            if trace_in(path) != trace and path in written:
                path = GOLDENS / f"{name}.from-{version}.txt"
            write_trace(path, trace)
            written.add(path)
    for path in GOLDENS.glob("*.from-*.txt"):
        name, _, since = path.stem.partition(".from-")
        if trace_in(path) == trace_in(golden(name, f"3.{minor(since) - 1}")):
            path.unlink()


@pytest.fixture(scope="module")
def results() -> Results:
    """What each interpreter told."""
    text = script()
    told = {
        version: json.loads(run_script(argv, text)) for version, argv in find_interpreters().items()
    }
    if os.environ.get("EGBOT_REGENERATE_GOLDENS"):
        regenerate(told)
    return told


@pytest.fixture
def result(version: str, results: Results) -> dict[str, Any]:
    if version not in results:
        pytest.skip(f"an interpreter is missing: Python {version}; see tests/make_python_images.sh")
    assert results[version]["version"] == version
    return results[version]


def difference(name: str, version: str, trace: str) -> str:
    path = golden(name, version)
    lines = difflib.unified_diff(
        trace_in(path).split("\n"), trace.split("\n"), path.name, f"Python {version}", "", "", 1, ""
    )
    return "\n".join(lines)


@pytest.mark.parametrize("version", VERSIONS)
def test_programs_are_traced_as_the_goldens_say(version: str, result: dict[str, Any]) -> None:
    """Whoever reads a trace of any supported version can rely on what these files show."""
    found = [
        difference(name, version, by_feed["SettraceFeed"])
        for name, by_feed in result["traces"].items()
    ]
    assert not list(filter(None, found)), "\n".join(filter(None, found))
    assert len(result["traces"]) + len(result["skipped"]) == len(programs())


@pytest.mark.parametrize("version", [one for one in VERSIONS if minor(one) >= 12])
def test_monitoring_tells_what_settrace_tells(version: str, result: dict[str, Any]) -> None:
    """The fast way is the slow way, on the same interpreter."""
    for name, by_feed in result["traces"].items():
        assert by_feed["MonitoringFeed"] == by_feed["SettraceFeed"], name


def test_there_are_enough_programs_and_all_run_somewhere(results: Results) -> None:
    assert len(programs()) >= 50
    skipped = set(programs()) - set(results[LOCAL]["traces"])
    assert len(skipped) <= 4, "this interpreter runs nearly all of them"


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*.from-*.txt")), ids=lambda path: path.stem)
def test_what_differs_by_version_has_a_reason(path: Path) -> None:
    reason = path.read_text("utf-8").partition("\n")[0]
    assert reason.startswith("# ")
    assert reason != NO_REASON
    name, _, since = path.stem.partition(".from-")
    assert trace_in(path) != trace_in(golden(name, f"3.{minor(since) - 1}"))
