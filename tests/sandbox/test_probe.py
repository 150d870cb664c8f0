"""What recorders tell of failing tests: each row is a way to need something, and what must be seen."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from egbot.execution.options import SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.records import (
    Collection,
    Evidence,
    Job,
    Lesson,
    Limits,
    Probe,
    StubPlace,
    TestOutcome,
    TreeFile,
)

MAX_RUNS = 12


def search(run: Callable[[tuple[Lesson, ...]], TestOutcome]) -> TestOutcome:
    """Run one test with what its failures teach, as long as that brings it further."""
    lessons: tuple[Lesson, ...] = ()
    best = run(lessons)
    queue = list(best.evidence.suggestions) if best.evidence else []
    for _ in range(MAX_RUNS):
        if best.status == "passed" or not queue:
            break
        lesson = queue.pop(0)
        outcome = run((*lessons, lesson))
        assert outcome.evidence is not None
        assert best.evidence is not None
        names = lesson.kind in ("name", "member", "module") and outcome.fault != best.fault
        if (
            outcome.status == "passed"
            or names
            or outcome.evidence.progress > best.evidence.progress
        ):
            lessons = (*lessons, lesson)
            best, queue = outcome, list(outcome.evidence.suggestions)
    return best


def probe(
    files: dict[str, str], *stubs: str, own: tuple[str, ...] = ("pkg",)
) -> tuple[Collection, dict[str, TestOutcome]]:
    """Open the files with recorders, run every test, and return what was collected and seen."""
    tree = {path: TreeFile(dedent(text).encode()) for path, text in files.items()}
    tests = tuple(path for path in tree if "test" in path)
    places = tuple(_stub(one) for one in stubs)
    lessons: tuple[Lesson, ...] = ()
    for _ in range(6):
        sandbox = process_sandbox(options=SandboxOptions())
        asked = Probe(own=own, test_paths=tests, stubs=places, lessons=lessons)
        with sandbox.open(tree, tests, Limits(test_s=5.0), asked) as executor:
            collection = executor.collection
            assert collection.evidence is not None
            fresh = [one for one in collection.evidence.suggestions if one not in lessons][:3]
            if collection.errors and fresh:
                lessons += tuple(fresh)
                continue

            def run(test: str) -> TestOutcome:
                return search(lambda more: executor.run(Job((test,), lessons=more)).outcomes[0])

            return collection, {one.partition("::")[2]: run(one) for one in collection.node_ids}
    raise AssertionError("collection learns for ever")


def _stub(text: str) -> StubPlace:
    path, _, name = text.partition("::")
    qualname, _, rest = name.partition("@")
    return StubPlace(path, qualname, int(rest.rstrip("!") or 0), silent=rest.endswith("!"))


def told(evidence: Evidence | None) -> list[str]:
    """The sights as lines: kind, who, detail, arguments, and what is expected."""
    assert evidence is not None
    lines = []
    for one in evidence.sights:
        args = [seen.text for seen in one.args] + [f"{k}={v.text}" for k, v in one.kwargs]
        line = f"{one.kind} {one.who} {one.detail}".rstrip()
        line += f" ({', '.join(args)})" if one.kind == "call" else ""
        lines.append(line)
        lines += [f"{line} -> {e.via} {e.relation} {e.value.text}" for e in one.expected]
    return lines


CORE = """
    class Shape:
        def __init__(self, w):
            self.w = w
        def area(self):
            raise NotImplementedError
        def known(self):
            return helper(self.w)

    def stub(a, b=2, *args, **kw):
        "Doc."
        raise NotImplementedError
"""
STUBS = ("pkg/core.py::Shape.area", "pkg/core.py::stub")

CASES = {
    "a stub": ("assert core.stub(1, 3) == 5", "call pkg.core:stub (1, 3) ->  eq 5"),
    "negated": ("assert not core.stub(1)", "call pkg.core:stub (1) ->  false False"),
    "steps": ("assert core.stub(1).x[0] == 'q'", "call pkg.core:stub (1) -> .x[0] eq 'q'"),
    "misfit": ("assert core.stub() == 5", "call pkg.core:stub misfit () ->  eq 5"),
    "a method": (
        "assert core.Shape(2).area() == 4",
        "call pkg.core:Shape.area instance () ->  eq 4",
    ),
    "a name": ("assert core.gone(1, k=2) == 3", "call pkg.core:gone (1, k=2) ->  eq 3"),
    "a constant": ("assert core.LIMIT == 3", "name pkg.core:LIMIT ->  eq 3"),
    "a member": (
        "assert core.Shape(2).scale(3) == 6",
        "member pkg.core:Shape.scale instance called",
    ),
    "a global": ("assert core.Shape(2).known() == 4", "call pkg.core:helper (2) ->  eq 4"),
    "a module": (
        "from pkg.util import clamp\n    assert clamp(5) == 3",
        "call pkg.util:clamp (5) ->  eq 3",
    ),
    "raises": (
        "with pytest.raises(ValueError):\n        core.stub(-1)",
        "call pkg.core:stub (-1) ->  raises ValueError",
    ),
    "none": ("assert core.stub(1) is None", "call pkg.core:stub (1) ->  is None"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_way_to_need_something_is_seen(name: str) -> None:
    body, wanted = CASES[name]
    test = f"import pytest\nfrom pkg import core\n\ndef test_it():\n    {body}\n"
    files = {"pkg/__init__.py": "", "pkg/core.py": CORE, "tests/test_it.py": test}
    collection, outcomes = probe(files, *STUBS)
    assert not collection.errors
    lines = told(collection.evidence) + told(outcomes["test_it"].evidence)
    assert wanted in lines, "\n".join(lines)
    assert outcomes["test_it"].status == "passed"
