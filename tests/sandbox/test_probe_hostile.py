"""Hostile and odd tests under a probe: each costs its own entry, in bounded time and room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from egbot.records import Job, Limits
from tests.sandbox.probes import Asked, closing, module_of

FINE = {
    "fork": "import os\npid = os.fork()\nf(1)\nif pid: os.waitpid(pid, 0)\nassert f(2) == 3",
    "hugeargs": "assert f('x' * 10**8, list(range(10**6)), **{f'k{i}': i for i in range(10**5)}) == 1",
    "hugeval": "assert f(1) == 'y' * 10**7\nassert f(2) == list(range(10**6))\nassert f(3) == {i: 'z'*1000 for i in range(10000)}",
    "hugename": "assert getattr(f, 'n' * 10**6)(1) == 2",
    "deep": "x = f\nfor i in range(3000):\n    x = x.a\nassert x == 2",
    "deepval": "x = []\nfor i in range(5000):\n    x = [x]\nassert f(x) == x",
    "dictkey": "d = {f(1): 1, f(2): 2}\nassert len(d) == 2\nassert set([f(1)])",
    "sorted": "assert sorted([f(1), f(2), f(3)])\nassert max(f(1), f(2))\nassert min([f(3)])",
    "pickled": "import pickle\ntry:\n    pickle.dumps(f(1))\nexcept TypeError: pass\nassert f(1) == 2",
    "deepcopied": "import copy\nassert copy.deepcopy([f(1)]) == [2]",
    "subclassed": "class X(f): pass\nclass Y(type(f)): pass\nassert X(1).a == 2",
    "self": "x = f(1)\nassert x == x\nassert x is x\nassert not x != x\nassert [x] == [x]",
    "json": "import json\ntry:\n    json.dumps({'a': f(1)})\nexcept TypeError: pass\nassert f(3) == 1",
    "badrepr": "class B:\n    def __repr__(self): raise ValueError\n    def __eq__(self, o): raise KeyError\n    def __hash__(self): return 1\nassert f(B())\nf(2)",
    "reprcalls": "class B:\n    def __repr__(self): return str(f(self))\nassert f(B()) == 2",
    "surrogate": "assert f('\\ud800', '\\x00') == '\\udfff'\nassert getattr(f, 'a\\ud800b')(1) == 2",
    "nan": "assert f(float('nan'), float('inf'), -0.0, 1e400) == float('inf')",
    "frozen": "import sys\nsys.modules.clear()\nassert f(1) == 2",
    "settrace": "import sys\nsys.settrace(None)\nsys.setrecursionlimit(60)\nassert f(1) == 2",
    "endless": "while f():\n    pass",
    "endless3": "for i in iter(lambda: f(), None):\n    pass",
}
"""Tests that come to their end against recorders."""

OTHER = {
    "endless2": ("x = 0\nwhile x < 3:\n    pass", "timeout"),
    "endless4": (
        "while True:\n    try:\n        f()\n    except Exception:\n        pass",
        "failed",
    ),
    "endless5": (
        "while True:\n    try:\n        f()\n    except BaseException:\n        pass",
        "timeout",
    ),
    "exit": ("import os\nf(1)\nos._exit(0)", "crash"),
    "sysexit": ("import sys\nf(1)\nsys.exit(0)", "failed"),
    "crash": ("import ctypes\nf(1)\nctypes.string_at(0)", "crash"),
    "gig": (
        "import sys\nfor i in range(1000):\n    sys.stdout.write('x' * 1000000)\nassert f(1) == 2",
        "timeout",
    ),
    "killstate": (
        "import gc\nfor o in gc.get_objects():\n    try:\n        if type(o).__name__ == 'State': o.sights = None\n    except Exception: pass\nassert f(1) == 2",
        "crash",
    ),
    "manynames": ("from pkg import m\nfor i in range(100000):\n    getattr(m, f'n{i}')", "failed"),
    "lens": ("assert len(f(1)) == 10**9", "failed"),
    "numbers": ("assert [0] * int(f(1)) == [0] * 5\nassert int(f(1)) == 10**30", "failed"),
}
"""Tests that do not, with the status that they get."""

HEAD = "import pytest\nfrom pkg.m import f\n"
MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """Return a sandbox with a probe in which all the rows are tests."""
    bodies = {
        **FINE,
        **{name: body for name, (body, _) in OTHER.items()},
        "calm": "assert f(1) == 2",
    }
    files = {"pkg/__init__.py": "", "tests/test_it.py": module_of(bodies, HEAD)}
    yield from closing(Asked(files, test_s=2.0))


@pytest.mark.parametrize("name", [*FINE, *OTHER])
def test_it_ends_in_time_and_its_evidence_is_small(name: str, asked: Asked) -> None:
    outcome = asked.run("test_" + name)
    assert outcome.status == OTHER.get(name, ("", "passed"))[1]
    if outcome.evidence is not None:
        assert len(json.dumps(asdict(outcome.evidence))) < MAX_BYTES
    assert asked.run("test_calm").status == "passed"


def test_a_test_that_runs_out_of_time_tells_what_it_saw_so_far(asked: Asked) -> None:
    evidence = asked.run("test_endless5").evidence
    assert evidence is not None
    assert any("for ever" in one for one in evidence.notes)


def test_those_beside_a_crash_have_their_evidence(asked: Asked) -> None:
    names = ("dictkey", "crash", "calm")
    tests = tuple("tests/test_it.py::test_" + one for one in names)
    outcomes = asked.executor.run(Job(tests, limits=Limits(test_s=2.0))).outcomes
    assert [one.status for one in outcomes] == ["passed", "crash", "passed"]
    assert outcomes[2].evidence is not None
    calls = [one for one in outcomes[2].evidence.sights if one.kind == "call"]
    assert [one.who for one in calls] == ["pkg.m:f"]


def test_thousand_names_are_seen() -> None:
    bodies = {"all": "\n".join(f"assert m.f{i}({i}) == {i}" for i in range(500))}
    text = module_of(bodies, "from pkg import m\n")
    asked = Asked({"pkg/__init__.py": "", "tests/test_it.py": text})
    with asked.executor:
        assert "call pkg:m.f499 (499) -> eq 499" in asked.told("test_all")
