"""Scenes for the tests of delivery: a shop on the fake GitHub, and runs that wrote its functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from egbot.forge import Forge
from egbot.publish.github import connect
from egbot.publish.transport import Patience
from egbot.records import (
    SCHEMA_RUN,
    Attempt,
    Comparison,
    Fault,
    Guidance,
    LineStep,
    Outcome,
    Patch,
    Run,
    Span,
    Stats,
    Target,
    TestOutcome,
    TokenChoice,
    Trace,
    TraceEvent,
    Trigger,
    Verdict,
)
from egbot.source.diff import unified_diff
from egbot.source.edit import insert, prepare
from egbot.source.outline import find
from tests.github.nouns import Access
from tests.github.nouns import Pull as FakePull
from tests.github.repository import Repository
from tests.github.server import FakeGitHub

CANARY = "ghs_canary0123456789abcdefABCDEF987654"
STUB = '''"""Prices of the shop."""

TAX = 0.2


def net(price):
    return price


def total(prices):
    """The sum of all prices."""
    raise NotImplementedError


def gross(price):
    return price * (1 + TAX)
'''
WRITTEN = '''def total(prices):
    """The sum of all prices."""
    result = 0
    for price in prices:
        result += price
    return result
'''
TESTS_FILE = """from shop import total


def test_total():
    assert total([1, 2]) == 3


def test_total_of_nothing():
    assert total([]) == 0
"""
NODE_IDS = ("tests/test_shop.py::test_total", "tests/test_shop.py::test_total_of_nothing")


def written(before: bytes | None, qualname: str, code: str) -> bytes:
    if before is None or find(before, qualname) is None:
        before = insert(before, qualname, code)
    return prepare(before, qualname).fill(code)


def evidence() -> tuple[TestOutcome, ...]:
    def line(number: int, *changes: tuple[str, str]) -> TraceEvent:
        return TraceEvent("line", "total", number, 0, changes)

    events = (
        TraceEvent("call", "total", 10, 0, (("prices", "[1, 2]"),)),
        line(12, ("result", "0")),
        line(13, ("price", "1")),
        line(14, ("result", "1")),
        line(13, ("price", "2")),
        line(14, ("result", "3")),
        line(13),
        line(15),
        TraceEvent("return", "total", 15, 0, (), "3"),
    )
    return (
        TestOutcome(NODE_IDS[0], "passed", duration_s=0.002, trace=Trace(events)),
        TestOutcome(NODE_IDS[1], "passed", duration_s=0.001),
    )


def target(path: str = "shop.py", qualname: str = "total") -> Target:
    return Target(
        path=path,
        qualname=qualname,
        origin="stub",
        header=f"def {qualname}(prices):",
        docstring="The sum of all prices.",
        span=Span(0, 10, 10, 12),
        file_sha256="ab" * 32,
        tests=NODE_IDS,
    )


def outcome(
    before: bytes | None, qualname: str = "total", code: str = WRITTEN, path: str = "shop.py"
) -> Outcome:
    after = written(before, qualname, code)
    token = TokenChoice("x", -0.5, -0.5, "x")
    steps = tuple(LineStep(line, (), "", (token,), 0.1) for line in code.splitlines()[2:])
    return Outcome(
        reason="patched",
        target=target(path, qualname),
        failing=NODE_IDS,
        patch=Patch(
            path,
            hashlib.sha256(before).hexdigest() if before is not None else "",
            unified_diff(path, before, after),
            code,
        ),
        verdict=Verdict(True, NODE_IDS, ("tests/test_shop.py::test_net",), proof=NODE_IDS),
        attempts=(Attempt(Guidance(), "solved", steps, code, 2, 3.5),),
        stats=Stats(wall_s=4.2, num_tokens_generated=120, num_executions=6),
        evidence=evidence(),
    )


def unsolved() -> Outcome:
    code = WRITTEN.replace("result += price", "result = price")
    bad = TestOutcome(
        NODE_IDS[0],
        "failed",
        fault=Fault("AssertionError", "assert 2 == 3"),
        comparison=Comparison("total([1, 2]) == 3", "2", "==", "3"),
    )
    return Outcome(
        reason="no_patch",
        target=target(),
        failing=NODE_IDS,
        attempts=(Attempt(Guidance(), "wrong", (), code, 1, 3.5),),
        stats=Stats(wall_s=9.0, num_tokens_generated=300, num_executions=4),
        detail="1 attempts, none passes all 2 tests",
        evidence=(bad, evidence()[1]),
    )


def run_of(*outcomes: Outcome, trigger: Trigger | None = None) -> Run:
    return Run(
        schema=SCHEMA_RUN,
        egbot="0.1.0",
        settings={"model": "tiny-coder", "verify_repeats": 3},
        outcomes=outcomes,
        stats=Stats(wall_s=4.2),
        finished=True,
        versions={"python": "3.11.9"},
        trigger=trigger,
    )


@dataclass
class Scene:
    """A shop with a pull request (or an issue), and the run that was made for it."""

    github: FakeGitHub
    shop: Repository
    number: int
    run: Run
    pull: FakePull | None = None

    def forge(self, *, token: str = CANARY, timeout_s: int = 5) -> Forge:
        return connect(
            "octo/shop", token, api_url=self.github.url, patience=quick(timeout_s=timeout_s)
        )


def quick(timeout_s: int = 60, **changes: float) -> Patience:
    patience = Patience(timeout_s=timeout_s, pause_s=0.0, sleep=lambda seconds: None)
    return replace(patience, **changes)  # type: ignore[arg-type]


def settings(delivery: str, **others: object) -> str:
    lines = "".join(
        f"{key} = {value!r}\n".replace("True", "true").replace("False", "false")
        for key, value in others.items()
    )
    return f'[tool.egbot.github]\ndelivery = "{delivery}"\n{lines}'


RIGHTS: dict[str, Access] = {
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "checks": "write",
    "actions": "read",
}


def pull_scene(
    github: FakeGitHub,
    *,
    in_diff: bool,
    delivery: str = "auto",
    fork: bool = False,
    rights: Mapping[str, Access] = RIGHTS,
) -> Scene:
    """A pull request that brings tests (and, ``in_diff``, the stub itself) for ``total``."""
    shop = github.repository("octo/shop")
    base = {"pyproject.toml": settings(delivery), "README.md": "shop\n"}
    change = {"tests/test_shop.py": TESTS_FILE}
    (change if in_diff else base)["shop.py"] = STUB
    shop.push("main", base)
    if fork:
        theirs = shop.fork("eve/shop")
        head = theirs.push("feature", change, start="main")
        pull = shop.open_pull("feature", fork=theirs, author="eve", title="Totals", body="")
    else:
        head = shop.push("feature", change, start="main")
        pull = shop.open_pull("feature", "main", title="Totals", body="", author="alice")
    github.token(CANARY, repositories=None, **rights)
    trigger = Trigger("pull_request", "pull_request", "octo/shop", "alice", pull.number, head)
    run = run_of(outcome(STUB.encode()), trigger=trigger)
    return Scene(github, shop, pull.number, run, pull)


def issue_scene(github: FakeGitHub, *, rights: Mapping[str, Access] = RIGHTS) -> Scene:
    """An issue whose text holds tests for ``total``."""
    shop = github.repository("octo/shop")
    head = shop.push("main", {"shop.py": STUB, "README.md": "shop\n"})
    body = f"Please write `total`:\n\n```python\n{TESTS_FILE}```\n"
    issue = shop.open_issue("total", body, author="alice", labels=("egbot",))
    github.token(CANARY, repositories=None, **rights)
    trigger = Trigger("issues", "issue", "octo/shop", "alice", issue.number, head)
    path = "tests/test_from_issue.py"
    added = Patch(path, "", unified_diff(path, None, TESTS_FILE.encode()), TESTS_FILE)
    run = replace(run_of(outcome(STUB.encode()), trigger=trigger), tests_added=(added,))
    return Scene(github, shop, issue.number, run)
