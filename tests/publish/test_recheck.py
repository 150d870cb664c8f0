"""The second look: a run's claims against the real files. What does not hold is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egbot.errors import UsageError
from egbot.publish.recheck import Checked, recheck
from egbot.records import Outcome, Patch, Run, Tree, TreeFile, Verdict
from egbot.report.files import read_run, run_json
from egbot.source.diff import unified_diff
from egbot.workbench import deliver
from tests.publish.scenes import STUB, TESTS_FILE, WRITTEN, outcome, run_of, target, written
from tests.report.samples import hostile

HEAD = {"shop.py": STUB.encode()}


def patched(found: Outcome) -> Patch:
    assert found.patch is not None
    return found.patch


def with_patch(found: Outcome, **changes: str) -> Outcome:
    return replace(found, patch=replace(patched(found), **changes))


def refused(run: Run, contents: dict[str, bytes | None] | None = None) -> str:
    checked = recheck(run, HEAD if contents is None else contents)
    assert checked.functions == ()
    assert checked.after is None
    return "\n".join(checked.refusals)


def test_an_honest_run_is_rebuilt_from_the_real_file() -> None:
    checked = recheck(run_of(outcome(HEAD["shop.py"])), HEAD)
    assert checked.refusals == ()
    assert checked.after == {"shop.py": written(HEAD["shop.py"], "total", WRITTEN)}
    assert [one.qualname for one in checked.functions] == ["total"]


def test_functions_of_one_file_build_on_each_other() -> None:
    """The second one's base is the file with the first one; alone it stands on the head's file."""
    first = outcome(HEAD["shop.py"])
    middle = written(HEAD["shop.py"], "total", WRITTEN)
    mean = "def mean(prices):\n    return statistics.mean(prices)\n"
    second = outcome(middle, "mean", mean)
    checked = recheck(run_of(first, second), HEAD)
    assert checked.refusals == ()
    assert checked.after == {"shop.py": written(middle, "mean", mean)}
    assert checked.functions[1].alone == written(HEAD["shop.py"], "mean", mean)


def test_a_new_file_and_the_exception_classes_that_came_with_it_hold() -> None:
    """What the pipeline's own delivery makes of a missing module is taken."""
    code = 'def total(prices):\n    raise EmptyError("no prices")\n'
    classes = 'class EmptyError(Exception):\n    """Raised as the tests expect."""\n'
    others = "class OtherError(ValueError):\n    pass\n"
    stubbed = f"{classes}\n\n{others}\n\ndef total(prices):\n    raise NotImplementedError\n"
    tree: Tree = {"shop.py": TreeFile(stubbed.encode())}
    added = ("shop.py::OtherError", "shop.py::EmptyError")
    for plain in ({}, {"shop.py": TreeFile(b'"""Shop."""\n\nimport os\n\nX = os.sep\n')}):
        delivery = deliver(plain, tree, target(), code, added)
        run = run_of(replace(outcome(HEAD["shop.py"]), patch=delivery.patch))
        before = plain["shop.py"].data if plain else None
        checked = recheck(run, {"shop.py": before})
        assert checked.refusals == ()
        assert checked.after == {"shop.py": delivery.plain["shop.py"].data}


def test_a_class_with_code_in_it_does_not_come_along() -> None:
    code = "def total(prices):\n    raise EmptyError\n"
    classes = "class EmptyError(Exception):\n    def __init__(self):\n        print('hello')\n"
    stubbed = f"{classes}\n\ndef total(prices):\n    raise NotImplementedError\n"
    delivery = deliver(
        {}, {"shop.py": TreeFile(stubbed.encode())}, target(), code, ("shop.py::EmptyError",)
    )
    run = run_of(replace(outcome(HEAD["shop.py"]), patch=delivery.patch))
    assert "changes more than this one function" in refused(run, {"shop.py": None})


def test_a_file_in_another_encoding_and_with_windows_lines_survives() -> None:
    head = (
        b"# -*- coding: latin-1 -*-\r\nNAME = '\xe4'\r\n\r\n\r\ndef total(prices):\r\n    pass\r\n"
    )
    checked = recheck(run_of(outcome(head)), {"shop.py": head})
    assert checked.refusals == ()
    assert checked.after == {"shop.py": written(head, "total", WRITTEN)}


def test_a_diff_that_does_more_than_the_function_is_refused() -> None:
    """The words in front of people and the change that is made must be the same."""
    found = outcome(HEAD["shop.py"])
    after = written(HEAD["shop.py"], "total", WRITTEN).replace(b"TAX = 0.2", b"TAX = 0.0")
    for diff in (unified_diff("shop.py", HEAD["shop.py"], after), "", "@@ -1 +1 @@\n-a\n+b\n"):
        assert "changes more" in refused(run_of(with_patch(found, unified_diff=diff)))


def test_code_that_is_more_than_one_definition_is_refused() -> None:
    found = outcome(HEAD["shop.py"])
    for code in (WRITTEN + "\nimport os\n", "import os\n", WRITTEN * 2, "def total(:\n"):
        assert "cannot be put into shop.py" in refused(run_of(with_patch(found, replacement=code)))


def test_a_file_that_is_not_the_one_it_was_written_for_is_not_touched() -> None:
    checked = recheck(run_of(outcome(HEAD["shop.py"])), {"shop.py": HEAD["shop.py"] + b"X = 1\n"})
    assert checked.is_moved
    assert not checked.is_there
    assert "is not the file" in checked.refusals[0]


def test_a_function_that_stands_there_already_is_seen() -> None:
    """After a merge, or after its own commit, a run has nothing left to do."""
    after = written(HEAD["shop.py"], "total", WRITTEN) + b"X = 1\n"
    assert recheck(run_of(outcome(HEAD["shop.py"])), {"shop.py": after}).is_there


def test_what_no_final_check_accepted_is_refused() -> None:
    found = outcome(HEAD["shop.py"])
    assert found.verdict is not None
    for claim in (
        replace(found, verdict=None),
        replace(found, verdict=replace(found.verdict, accepted=False)),
        replace(found, reason="no_patch"),
    ):
        assert "no final check accepted" in refused(run_of(claim))
    for verdict in (
        replace(found.verdict, regressions=("test_shop.py::test_a",)),
        replace(found.verdict, vetoes=("Line 1: it uses os.",)),
        replace(found.verdict, target_passed=()),
        replace(found.verdict, proof=()),
    ):
        assert "contradicts itself" in refused(run_of(replace(found, verdict=verdict)))


def test_a_written_function_is_replaced_only_where_the_request_names_it() -> None:
    code = STUB.replace("raise NotImplementedError", "return 0", 1).encode()
    head: dict[str, bytes | None] = {"shop.py": code}
    run = run_of(outcome(code))
    assert "is written already" in refused(run, head)
    named = frozenset({"shop.py::total"})
    assert recheck(run, head, named=named).refusals == ()


def test_another_header_than_the_stub_s_is_refused() -> None:
    for header in "def total(prices, *, x=print('!')):", "@staticmethod\ndef total(prices):":
        code = WRITTEN.replace("def total(prices):", header)
        assert "header" in refused(run_of(outcome(HEAD["shop.py"], code=code)))


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.py",
        ".github/actions/x/main.py",
        "tests/test_shop.py",
        "test_shop.py",
        "shop_test.py",
        "src/tests/helpers.py",
        "conftest.py",
        "setup.py",
        "noxfile.py",
        "../shop.py",
        "/etc/shop.py",
        "a//b.py",
        "a/../../b.py",
        "a\\b.py",
        "a/./b.py",
        "shop.py\n",
        "shop.txt",
        "",
        ".git/hooks/x.py",
        "C:/x.py",
        "hatch_build.py",
        "toxfile.py",
        "docs/conf.py",
        "integration_tests/x.py",
        "src/test-data/x.py",
        "x" * 500 + ".py",
    ],
)
def test_no_function_goes_where_workflows_settings_and_tests_are(path: str) -> None:
    found = outcome(HEAD["shop.py"])
    claim = replace(with_patch(found, path=path), target=target(path))
    assert refused(run_of(claim), {path: HEAD["shop.py"]})


def test_the_patch_must_be_for_its_target() -> None:
    claim = replace(outcome(HEAD["shop.py"]), target=target("other.py"))
    assert "another file" in refused(run_of(claim), {**HEAD, "other.py": b""})
    assert "a patch without a target" in refused(run_of(replace(claim, target=None)))


def test_the_guard_looks_again() -> None:
    evil = "def total(prices):\n    import os\n    os._exit(0)\n"
    assert "the guard has a veto" in refused(run_of(outcome(HEAD["shop.py"], code=evil)))


def test_text_that_reads_otherwise_than_it_runs_is_refused() -> None:
    for hidden in "\u202e", "\u200b", "\u2028", "\x1b[2K", "\u3164", "\U000e0041", "\x0c":
        code = WRITTEN.replace("result = 0", f"result = 0  # {hidden} evil")
        assert "not seen" in refused(run_of(outcome(HEAD["shop.py"], code=code)))
    code = WRITTEN.replace("result = 0", f"result = 0{' ' * 3000}; evil()")
    assert "hundred blanks" in refused(run_of(outcome(HEAD["shop.py"], code=code)))


def test_one_refusal_refuses_the_whole_run() -> None:
    """The functions were verified together, so that one alone is not proved."""
    good = outcome(HEAD["shop.py"])
    bad = with_patch(outcome(None, path="other.py"), unified_diff="")
    checked = recheck(run_of(good, bad), {**HEAD, "other.py": None})
    assert checked.after is None
    assert len(checked.refusals) == 1


def added(path: str = "tests/test_from_issue.py", text: str = TESTS_FILE, base: str = "") -> Patch:
    return Patch(path, base, unified_diff(path, None, text.encode()), text)


def with_tests(*patches: Patch) -> Run:
    return replace(run_of(outcome(HEAD["shop.py"])), tests_added=patches)


def test_the_tests_of_a_request_come_along_word_for_word() -> None:
    checked = recheck(with_tests(added()), HEAD, frozenset({TESTS_FILE}))
    assert checked.after is not None
    assert checked.after["tests/test_from_issue.py"] == TESTS_FILE.encode()


def test_no_other_tests_come_along() -> None:
    """Neither other text than the request holds now, nor another place, nor a file that exists."""
    texts = frozenset({TESTS_FILE})
    contents: dict[str, bytes | None] = {**HEAD, "tests/test_old.py": b"def test_a(): ...\n"}
    for patch in (
        added(text=TESTS_FILE + "# more\n"),
        added("tests/conftest.py"),
        added(".github/workflows/x.yml"),
        added("tests/../test_x.py"),
        added("tests/test_old.py"),
        added(base=hashlib.sha256(b"x").hexdigest()),
    ):
        checked: Checked = recheck(with_tests(patch), contents, texts)
        assert checked.refusals, patch.path
        assert checked.after is None


def test_a_run_made_of_attacks_is_refused_and_does_not_crash() -> None:
    claim = replace(hostile(10_000), reason="patched", verdict=Verdict(True, (), ()))
    assert refused(run_of(claim), {})


# --- edited by a stranger -----------------------------------------------------------------------

GOOD = outcome(HEAD["shop.py"])
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        ["", "..", "shop.py", "x", "\u202e", "a" * 300, "def total(prices):\n    return 1\n"]
    ),
    st.text(max_size=8),
    st.lists(st.none(), max_size=2),
)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_an_edited_run_is_delivered_as_it_was_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    document = json.loads(run_json(run_of(GOOD)))
    holder, key = data.draw(st.sampled_from([*_places(document)]))
    holder[key] = data.draw(_ODD)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    try:
        checked = recheck(read_run(path), HEAD)
    except UsageError:
        return
    assert checked.refusals or checked.after in (None, {}, recheck(run_of(GOOD), HEAD).after)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])
