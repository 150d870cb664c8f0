"""A run on a real git repository in a temporary folder: what is read, written, applied, committed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import pytest

from egbot.config import Settings
from egbot.errors import (
    EgbotError,
    InterruptedRunError,
    ModelError,
    OutOfTimeError,
    SandboxError,
    SurroundingsError,
    UsageError,
)
from egbot.execution.process import process_sandbox
from egbot.local import Effects, Order, run_order, versions
from egbot.output import RUN_FILE
from egbot.ports import Decoder
from egbot.progress import Progress, Stage, silent
from egbot.records import Execution, Job, Run, Tree
from egbot.report.files import read_run
from egbot.testing import ReplaySandbox, Script
from tests.shelf import DOUBLE, STUB, decoder_of, reasons

SCRIPTS = {"double": DOUBLE, "half": Script("\n    return 2\n"), "four": Script("\n    return 4\n")}
OVERRIDES: Mapping[str, object] = {"guidance": {"gamma": 0.0, "candidates": 0}}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def lay_out(folder: Path, files: Mapping[str, str] = STUB) -> Path:
    """A repository with one commit."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "A. Tester")
    git(folder, "config", "user.email", "tester@example.invalid")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "repository")


def effects_of(settings_seen: list[Settings] | None = None) -> Effects:
    """No real sandbox, no real model."""

    def load(settings: Settings, report: object) -> Decoder:
        if settings_seen is not None:
            settings_seen.append(settings)
        return decoder_of(SCRIPTS)

    return Effects(lambda *_: ReplaySandbox(), load)


def carry_out(repository: Path, **options: object) -> Run:
    output = repository.parent / "out"
    order = Order(repository, output, OVERRIDES, **options)  # type: ignore[arg-type]
    return run_order(order, silent, effects_of())


# --- the working tree --------------------------------------------------------------------------


def test_the_working_tree_is_left_alone_unless_asked(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    run = carry_out(repository)
    assert reasons(run) == [("double", "patched")]
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "rev-parse", "HEAD") == head
    assert (repository / "calc.py").read_text() == STUB["calc.py"]


def test_the_patch_file_is_one_that_git_applies(repository: Path) -> None:
    carry_out(repository)
    (patch,) = (repository.parent / "out").glob("*/patch.diff")
    git(repository, "apply", str(patch))
    assert (repository / "calc.py").read_text() == STUB["calc.py"].replace(
        "raise NotImplementedError", "return x * 2"
    )


def test_a_patch_that_does_not_apply_costs_no_other_one(tmp_path: Path) -> None:
    files = {
        **STUB,
        "more.py": "def half(x):\n    raise NotImplementedError\n",
        "test_more.py": "from more import half\n\ndef test_half():\n    assert half(4) == 2\n",
    }
    repository = lay_out(tmp_path / "two", files)

    def load(settings: Settings, report: object) -> Decoder:
        (repository / "more.py").write_text("# changed by somebody meanwhile\n")
        return decoder_of(SCRIPTS)

    effects = Effects(lambda *_: ReplaySandbox(), load)
    order = Order(repository, tmp_path / "out", OVERRIDES, apply=True)
    with pytest.raises(UsageError, match=r"more\.py has changed .* the others were written"):
        run_order(order, silent, effects)
    assert "return x * 2" in (repository / "calc.py").read_text()
    assert (repository / "more.py").read_text() == "# changed by somebody meanwhile\n"


def test_apply_writes_and_stages_nothing(repository: Path) -> None:
    carry_out(repository, apply=True)
    assert "return x * 2" in (repository / "calc.py").read_text()
    assert git(repository, "status", "--porcelain") == " M calc.py\n"


def test_commit_commits_the_function_and_nothing_else(repository: Path) -> None:
    (repository / "notes.txt").write_text("mine\n")
    (repository / "test_calc.py").write_text(STUB["test_calc.py"] + "\n# mine\n")
    carry_out(repository, commit=True)
    assert git(repository, "show", "--name-only", "--format=%s", "HEAD").split() == [
        "Implement",
        "double",
        "calc.py",
    ]
    assert git(repository, "log", "-1", "--format=%an") == "A. Tester\n"
    assert git(repository, "status", "--porcelain") == " M test_calc.py\n?? notes.txt\n"


def test_uncommitted_work_is_what_the_patch_is_made_for(repository: Path) -> None:
    mine = STUB["calc.py"].replace("import os\n", "import os\n\n# mine\n")
    (repository / "calc.py").write_text(mine)
    carry_out(repository, apply=True)
    assert (repository / "calc.py").read_text() == mine.replace(
        "raise NotImplementedError", "return x * 2"
    )


@pytest.mark.parametrize("is_staged", [False, True])
def test_commit_takes_none_of_the_person_s_own_changes(repository: Path, is_staged: bool) -> None:
    mine = STUB["calc.py"] + "\nMINE = 1\n"
    (repository / "calc.py").write_text(mine)
    if is_staged:
        git(repository, "add", "calc.py")
    head = git(repository, "rev-parse", "HEAD")
    seen: list[Settings] = []
    order = Order(repository, repository.parent / "out", OVERRIDES, commit=True)
    with pytest.raises(UsageError, match=r"changes in calc\.py that are not committed"):
        run_order(order, silent, effects_of(seen))
    assert seen == [], "the model was loaded before that was asked"
    assert (repository / "calc.py").read_text() == mine
    assert git(repository, "rev-parse", "HEAD") == head


@pytest.mark.parametrize(
    "docstring",
    [
        '""" Twice.\n\n    Of x.\n\n    """',
        "'''Twice.'''  # noqa",
        'r"""Twice \\d."""',
    ],
)
def test_the_docstring_stays_as_the_person_wrote_it(repository: Path, docstring: str) -> None:
    text = STUB["calc.py"].replace("    raise", f"    {docstring}\n    raise")
    (repository / "calc.py").write_text(text)
    carry_out(repository, apply=True)
    expected = text.replace("raise NotImplementedError", "return x * 2")
    assert (repository / "calc.py").read_text() == expected


def test_settings_are_read_through_a_link(repository: Path) -> None:
    (repository / "pyproject.toml").symlink_to("other.toml")
    (repository / "other.toml").write_text("[tool.egbot]\nseed = 7\n")
    assert carry_out(repository).settings["seed"] == 7


def test_several_functions_of_one_file_are_applied_together(tmp_path: Path) -> None:
    files = {
        "calc.py": "ONE = 1\n",
        "test_calc.py": (
            "from calc import four, half\n\n"
            "def test_four():\n    assert four() == 4\n\n"
            "def test_half():\n    assert half(4) == 2\n"
        ),
    }
    repository = lay_out(tmp_path / "repository", files)
    run = carry_out(repository, commit=True)
    assert sorted(reasons(run)) == [("four", "patched"), ("half", "patched")]
    text = (repository / "calc.py").read_text()
    assert "return 4" in text
    assert "return 2" in text
    subject = git(repository, "log", "-1", "--format=%s")
    assert "four" in subject
    assert "half" in subject
    assert git(repository, "status", "--porcelain") == ""


def test_nothing_accepted_means_nothing_applied(repository: Path) -> None:
    order = Order(repository, repository.parent / "out", OVERRIDES, apply=True, commit=True)
    effects = Effects(lambda *_: ReplaySandbox(), lambda *_: decoder_of({}))
    run = run_order(order, silent, effects)
    assert reasons(run) == [("double", "no_patch")]
    assert git(repository, "status", "--porcelain") == ""


def test_a_folder_inside_the_repository_stands_for_it(repository: Path) -> None:
    (repository / "docs").mkdir()
    assert reasons(carry_out(repository / "docs")) == [("double", "patched")]


def test_a_folder_outside_of_git_is_the_person_s_mistake(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="not a git repository"):
        carry_out(tmp_path / "plain")


# --- what is left behind -----------------------------------------------------------------------


def test_run_json_and_a_folder_for_each_target_are_left(repository: Path) -> None:
    run = carry_out(repository)
    out = repository.parent / "out"
    saved = read_run(out / RUN_FILE)
    assert saved.outcomes == run.outcomes
    assert saved.finished
    assert saved.versions["python"] == versions()["python"]
    assert sorted(path.name for path in (out / "01-double").iterdir()) == [
        "patch.diff",
        "report.html",
        "report.md",
        "trace.json",
    ]


def test_a_run_that_breaks_leaves_what_it_reached(repository: Path) -> None:
    def load(settings: Settings, report: object) -> Decoder:
        raise ModelError("no model")

    order = Order(repository, repository.parent / "out", OVERRIDES)
    with pytest.raises(ModelError):
        run_order(order, silent, Effects(lambda *_: ReplaySandbox(), load))
    saved = read_run(repository.parent / "out" / RUN_FILE)
    assert (saved.finished, saved.detail) == (False, "no model")


def test_an_interrupted_run_leaves_what_it_reached(repository: Path) -> None:
    count = 0

    def report(event: Progress) -> None:
        nonlocal count
        count += 1
        if count == 6:
            raise KeyboardInterrupt

    order = Order(repository, repository.parent / "out", OVERRIDES)
    with pytest.raises(InterruptedRunError):
        run_order(order, report, effects_of())
    saved = read_run(repository.parent / "out" / RUN_FILE)
    assert (saved.finished, saved.detail) == (False, "interrupted")


def test_reports_of_an_earlier_run_are_put_aside(repository: Path) -> None:
    """A folder that shows last week's function next to today's misleads; one is kept for a while."""
    out = repository.parent / "out"
    for _ in range(2):
        carry_out(repository)
    first = read_run(out / RUN_FILE)
    (repository / "calc.py").write_text(STUB["calc.py"].replace("raise NotImpl", "return x * 2#"))
    assert reasons(carry_out(repository)) == [("", "nothing_to_do")]
    assert {path.name for path in out.iterdir()} == {RUN_FILE, ".gitignore", ".lock", "previous"}
    assert read_run(out / "previous" / RUN_FILE) == first
    assert {path.name for path in (out / "previous").iterdir()} == {RUN_FILE, "01-double"}


def test_a_run_that_comes_to_nothing_takes_no_earlier_run_s_place(repository: Path) -> None:
    """One that gets no sandbox touches nothing; those that break soon leave the last good one."""
    out = repository.parent / "out"
    carry_out(repository)
    good = (out / RUN_FILE).read_bytes()
    order = Order(repository, out, OVERRIDES)

    def refuse(*_: object) -> ReplaySandbox:
        raise SandboxError("no sandbox")

    def break_(tree: Tree, job: Job) -> Execution:
        raise SandboxError("it broke")

    breaking = ReplaySandbox(break_)
    with pytest.raises(SandboxError):
        run_order(order, silent, replace(effects_of(), make_sandbox=refuse))
    assert (out / RUN_FILE).read_bytes() == good
    for _ in range(3):
        with pytest.raises(SandboxError):
            run_order(order, silent, replace(effects_of(), make_sandbox=lambda *_: breaking))
        assert (out / "previous" / RUN_FILE).read_bytes() == good
        assert (read_run(out / RUN_FILE).detail, list(out.glob("0*"))) == ("it broke", [])


def test_two_runs_do_not_write_to_one_folder(repository: Path) -> None:
    """The second is told who is there, and the first one's results stay."""
    told: list[SurroundingsError] = []

    def make(*_: object) -> ReplaySandbox:
        with pytest.raises(SurroundingsError, match="another egbot is writing") as caught:
            carry_out(repository)
        told.append(caught.value)
        return ReplaySandbox()

    order = Order(repository, repository.parent / "out", OVERRIDES)
    run = run_order(order, silent, replace(effects_of(), make_sandbox=make))
    assert reasons(run) == [("double", "patched")]
    assert f"process {os.getpid()}, since " in told[0].message
    assert "--output" in told[0].hint
    assert reasons(carry_out(repository)) == [("double", "patched")], "the lock is free again"


# --- what is known first -----------------------------------------------------------------------


def nowhere(*_: object) -> ReplaySandbox:
    raise AssertionError("work has begun")


def unknown_model(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    return {"overrides": {"model": "./no-such-model"}}


def no_identity(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    for name in ("user.name", "user.email"):
        git(repository, "config", "--unset", name)
    git(repository, "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return {"commit": True}


def no_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    (repository.parent / "file").write_text("")
    return {"output": repository.parent / "file" / "out"}


def bad_agents(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    return {"overrides": {"guidance": {"agents": "wizards"}}}


def no_function(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    return {"targets": ("calc.py::nothing",)}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (unknown_model, "no model at no-such-model"),
        (no_identity, "git does not know who commits"),
        (no_folder, "cannot be written"),
        (bad_agents, "wizards"),
        (no_function, "no function nothing"),
    ],
)
def test_what_can_be_known_first_is_asked_before_any_work(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]],
    words: str,
) -> None:
    asked = Order(repository, repository.parent / "out", OVERRIDES)
    order = replace(asked, **prepare(repository, monkeypatch))
    with pytest.raises(EgbotError, match=words) as caught:
        run_order(order, silent, Effects(nowhere))
    assert caught.value.hint


# --- time --------------------------------------------------------------------------------------


def test_the_time_of_a_run_includes_its_environment_and_its_model(repository: Path) -> None:
    """Neither looks at the clock itself; the run ends, and says what took its time."""

    def slow(*_: object) -> Never:
        time.sleep(600)
        raise AssertionError

    out = repository.parent / "out"
    order = Order(repository, out, {**OVERRIDES, "max_seconds": 2})
    with pytest.raises(OutOfTimeError, match="building the environment") as caught:
        run_order(order, silent, Effects(slow))
    assert "--max-seconds" in caught.value.hint
    run = run_order(order, silent, Effects(lambda *_: ReplaySandbox(), slow))
    assert reasons(run) == [("double", "over_budget")]
    assert "loading the model took what was left" in run.outcomes[0].detail
    assert 2 <= run.stats.wall_s < 300


# --- settings ----------------------------------------------------------------------------------


def test_the_repository_s_table_steers_the_run_and_the_command_line_wins(tmp_path: Path) -> None:
    table = "[tool.egbot]\nmax_seconds = 44\nseed = 4\nmax_tokens = 7777\n"
    repository = lay_out(tmp_path / "repository", {**STUB, "pyproject.toml": table})
    seen: list[Settings] = []
    order = Order(repository, tmp_path / "out", {**OVERRIDES, "seed": 9, "max_tokens": None})
    run_order(order, silent, effects_of(seen))
    assert (seen[0].max_seconds, seen[0].seed, seen[0].max_tokens) == (44, 9, 7777)


def test_an_output_that_the_repository_leads_elsewhere_is_refused(repository: Path) -> None:
    (repository.parent / "far").mkdir()
    (repository / "egbot-out").symlink_to(repository.parent / "far")
    with pytest.raises(UsageError, match="writes through none"):
        run_order(Order(repository, repository / "egbot-out", OVERRIDES), silent, effects_of())
    assert not list((repository.parent / "far").iterdir())


def test_settings_of_a_base_branch_need_no_consent_but_start_nothing_inside(
    repository: Path,
) -> None:
    """There an interpreter's path leads into what the pull request brought."""
    inside = {"sandbox": {"python": str(repository / "python"), "image": "theirs"}}
    settings = Settings.model_validate({**OVERRIDES, **inside})
    order = Order(repository, repository.parent / "out", {}, settings=settings)
    with pytest.raises(UsageError, match="may not choose"):
        run_order(order, silent, effects_of())
    named = replace(order, overrides=inside)
    assert reasons(run_order(named, silent, effects_of())) == [("double", "patched")]


def test_a_wrong_setting_ends_the_run_before_anything_starts(tmp_path: Path) -> None:
    table = "[tool.egbot]\nmax_second = 1\n"
    repository = lay_out(tmp_path / "repository", {**STUB, "pyproject.toml": table})
    with pytest.raises(UsageError, match="max_second"):
        carry_out(repository)
    assert not (tmp_path / "out").exists()


# --- JUnit reports -----------------------------------------------------------------------------

JUNIT = """\
<testsuites><testsuite name="pytest" tests="2" failures="{num}">
<testcase classname="test_calc" name="test_sep" time="0.1"/>
<testcase classname="test_calc" name="test_double" time="0.1">{body}</testcase>
</testsuite></testsuites>
"""
FAILURE = '<failure message="NotImplementedError">calc.py:5: NotImplementedError</failure>'


def junit_file(folder: Path, body: str) -> Path:
    path = folder / "report.xml"
    path.write_text(JUNIT.format(num=bool(body) + 0, body=body))
    return path


def test_the_failing_tests_of_a_junit_report_are_taken(repository: Path) -> None:
    run = carry_out(repository, junit=junit_file(repository.parent, FAILURE))
    assert reasons(run) == [("double", "patched")]


def test_a_junit_report_without_failures_is_the_person_s_mistake(repository: Path) -> None:
    with pytest.raises(UsageError, match="no failing test"):
        carry_out(repository, junit=junit_file(repository.parent, ""))


@pytest.mark.parametrize("option", ["junit", "issue_text"])
def test_a_file_that_cannot_be_read_is_named(repository: Path, option: str) -> None:
    with pytest.raises(UsageError, match=r"gone\.txt"):
        carry_out(repository, **{option: repository / "gone.txt"})


# --- issues ------------------------------------------------------------------------------------

ISSUE = """\
Please write `half`:

```python
from calc import half

def test_half():
    assert half(4) == 2
```

Thanks!
"""


def issue_file(folder: Path, text: str) -> Path:
    path = folder / "issue.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_tests_in_an_issue_s_text_are_taken_and_delivered(repository: Path) -> None:
    run = carry_out(repository, issue_text=issue_file(repository.parent, ISSUE), commit=True)
    assert reasons(run) == [("half", "patched")]
    assert [patch.path for patch in run.tests_added] == ["tests/test_from_issue.py"]
    files = git(repository, "show", "--name-only", "--format=", "HEAD").split()
    assert files == ["calc.py", "tests/test_from_issue.py"]
    assert "def test_half" in (repository / "tests/test_from_issue.py").read_text()
    assert "def half(" in (repository / "calc.py").read_text()


def test_an_issue_never_replaces_a_test_file(tmp_path: Path) -> None:
    files = {**STUB, "tests/test_from_issue.py": "def test_mine():\n    pass\n"}
    repository = lay_out(tmp_path / "repository", files)
    run = carry_out(repository, issue_text=issue_file(tmp_path, ISSUE), apply=True)
    assert [patch.path for patch in run.tests_added] == ["tests/test_from_issue_2.py"]
    assert "test_mine" in (repository / "tests/test_from_issue.py").read_text()


def test_an_issue_may_name_tests(repository: Path) -> None:
    text = "`test_calc.py::test_double` fails since today."
    run = carry_out(repository, issue_text=issue_file(repository.parent, text))
    assert reasons(run) == [("double", "patched")]
    assert run.tests_added == ()


def test_what_an_issue_names_wrongly_is_told_and_the_rest_is_done(repository: Path) -> None:
    """Nothing but wrong names leaves nothing to do, which is the person's mistake."""
    wrong = "FAIL: test_gone (tests.test_gone.Case)"
    right = r"test_double in C:\work\shop\test_calc.py::test_double"
    told: list[Progress] = []
    file = issue_file(repository.parent, f"{wrong}\n{right}")
    order = Order(repository, repository.parent / "out", OVERRIDES, issue_text=file)
    assert reasons(run_order(order, told.append, effects_of())) == [("double", "patched")]
    (stage,) = [one for one in told if isinstance(one, Stage) and one.name == "reading the issue"]
    assert "tests.test_gone.Case.test_gone" in stage.detail
    with pytest.raises(UsageError, match=r"no test that issue\.md names .*test_gone"):
        carry_out(repository, issue_text=issue_file(repository.parent, wrong))


def test_an_issue_without_tests_is_the_person_s_mistake(repository: Path) -> None:
    with pytest.raises(UsageError, match="no test"):
        carry_out(repository, issue_text=issue_file(repository.parent, "It is slow."))


def test_the_tests_of_an_issue_are_not_written_unless_asked(repository: Path) -> None:
    carry_out(repository, issue_text=issue_file(repository.parent, ISSUE))
    assert git(repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "files",
    [
        {"tests/[x]/test_a.py": STUB["test_calc.py"]},
        {"test_[x].py": STUB["test_calc.py"]},
        {"test_calc.py": STUB["test_calc.py"], "forms/[name]/test_t.py": "def test_t(): pass\n"},
        {"test_calc.py": STUB["test_calc.py"], "forms/a::b/test_t.py": "def test_t(): pass\n"},
    ],
)
def test_a_bracket_in_a_path_ends_no_run(tmp_path: Path, files: dict[str, str]) -> None:
    """Neither in a target's own test nor in one that passes and is looked after."""
    repository = lay_out(tmp_path / "repository", {"calc.py": STUB["calc.py"], **files})
    order = Order(repository, tmp_path / "out", OVERRIDES, tests=tuple(files)[:1])
    effects = Effects(lambda *_: process_sandbox(), effects_of().load_decoder)
    assert reasons(run_order(order, silent, effects)) == [("double", "patched")]


@pytest.mark.parametrize(
    ("needed", "files"),
    [
        ("_version.py", {"test_calc.py": "import _version\n" + STUB["test_calc.py"]}),
        ("pkg/_version.py", {"pkg/__init__.py": "from ._version import version\n"}),
        ("src/pkg/made.py", {"src/pkg/__init__.py": "", "conftest.py": "from pkg import made\n"}),
        ("pkg/_fast.so", {"pkg/__init__.py": "from pkg import _fast\n"}),
        ("local/", {"conftest.py": "from local.conf import DEBUG\n"}),
    ],
)
def test_a_module_that_git_ignores_is_named_and_never_written(
    tmp_path: Path, needed: str, files: dict[str, str]
) -> None:
    """It is on the disk, so that the tests pass there; a stub in its place would be wrong."""
    ignored = ".gitignore", "_version.py\nmade.py\n*.so\nlocal/\n"
    uses = {"test_calc.py": f"import pkg\n{STUB['test_calc.py']}"} if "pkg/" in needed else {}
    repository = lay_out(
        tmp_path / "repository", dict([ignored, *{**STUB, **uses, **files}.items()])
    )
    place = repository / (f"{needed}conf.py" if needed.endswith("/") else needed)
    place.parent.mkdir(exist_ok=True)
    place.write_text("version = '1.0'\n")
    told: list[Progress] = []
    effects = Effects(lambda *_: process_sandbox(), effects_of().load_decoder)
    run = run_order(Order(repository, tmp_path / "out", OVERRIDES), told.append, effects)
    (left,) = run.outcomes[-1].left
    assert left.why.startswith(f"needs {needed}, which was left out: git ignores it")
    assert not any(one.patch for one in run.outcomes)
    notes = [one.detail for one in told if isinstance(one, Stage)]
    assert (f"left out, as git ignores them: {needed}" in notes) is not needed.endswith("/")


def test_tests_and_targets_are_meant_from_the_folder_that_the_person_is_in(tmp_path: Path) -> None:
    tests = {"tests/test_calc.py": STUB["test_calc.py"], "test_calc.py": "def test_no(): pass\n"}
    repository = lay_out(tmp_path / "repository", {"calc.py": STUB["calc.py"], **tests})
    run = carry_out(
        repository,
        tests=("test_calc.py::test_double",),
        targets=("../calc.py::double",),
        folders=(repository / "tests",),
    )
    assert reasons(run) == [("double", "patched")]
