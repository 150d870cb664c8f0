"""GitHub as a forge, over the wire: retries, limits, pages, and messages that help."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.errors import ForgeError, HeadMovedError, UsageError
from egbot.forge import Annotation, Check, Forge, RefusedError, Suggestion
from egbot.publish.github import connect
from egbot.publish.transport import Patience
from tests.github.faults import Kind
from tests.github.repository import Repository
from tests.github.server import FakeGitHub
from tests.publish.scenes import CANARY, RIGHTS, quick


@pytest.fixture
def github(tmp_path: Path) -> Iterator[FakeGitHub]:
    with FakeGitHub(tmp_path) as fake:
        yield fake


@pytest.fixture
def shop(github: FakeGitHub) -> Repository:
    repository = github.repository("octo/shop")
    repository.push("main", {"shop.py": "X = 1\n"})
    github.token(CANARY, repositories=None, **RIGHTS)
    return repository


def forge_of(github: FakeGitHub, patience: Patience | None = None) -> Forge:
    return connect("octo/shop", CANARY, api_url=github.url, patience=patience or quick())


class Watch:
    """A clock that is never waited for; it remembers how long it should have slept."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    def patience(self, **changes: float) -> Patience:
        return replace(quick(), sleep=self.slept_s.append, **changes)  # type: ignore[arg-type]


# --- what may pass ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "502", "reset_before"])
def test_a_failure_that_passes_is_repeated_with_growing_pauses(
    kind: Kind, github: FakeGitHub, shop: Repository
) -> None:
    watch = Watch()
    github.faults.on("GET /repos/octo/shop", kind, times=3)
    assert forge_of(github, watch.patience()).default_branch() == "main"
    assert watch.slept_s == [1.0, 2.0, 4.0]


def test_a_time_out_is_a_failure_that_passes(github: FakeGitHub, shop: Repository) -> None:
    github.faults.hang_s = 600
    github.faults.on("GET /repos/octo/shop", "timeout")
    assert forge_of(github, quick(timeout_s=5)).default_branch() == "main"


def test_what_does_not_pass_ends_in_a_message_that_says_what_to_do(
    github: FakeGitHub, shop: Repository
) -> None:
    github.faults.on("GET /repos/octo/shop", "502", times=None)
    with pytest.raises(ForgeError) as caught:
        forge_of(github).default_branch()
    assert "502" in caught.value.message
    assert "tried 5 times" in caught.value.message
    assert "egbot publish" in caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after"])
def test_a_lost_answer_to_a_comment_is_looked_up_not_repeated(
    kind: Kind, github: FakeGitHub, shop: Repository
) -> None:
    number = shop.open_issue("a", "b", author="alice").number
    github.faults.hang_s = 0.02
    github.faults.on("POST /repos/*/comments", kind)
    posted = forge_of(github).post_comment(number, "hello")
    assert [one.body for one in shop.all_comments()] == ["hello"]
    assert posted.body == "hello"
    assert posted.url


def test_after_the_last_attempt_it_is_looked_up_as_well(
    github: FakeGitHub, shop: Repository
) -> None:
    number = shop.open_issue("a", "b", author="alice").number
    github.faults.on("POST /repos/*/comments", "reset_after")
    forge = connect("octo/shop", CANARY, api_url=github.url, patience=quick(num_attempts=1))
    assert forge.post_comment(number, "hello").body == "hello"


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["403_secondary", "429"])
def test_a_limit_is_waited_for_as_its_header_says(
    kind: Kind, github: FakeGitHub, shop: Repository
) -> None:
    watch = Watch()
    github.faults.retry_after_s = 7
    github.faults.on("GET /repos/octo/shop", kind)
    assert forge_of(github, watch.patience()).default_branch() == "main"
    assert watch.slept_s == [7.0]


def test_the_hourly_limit_is_waited_for_until_it_is_reset(
    github: FakeGitHub, shop: Repository
) -> None:
    watch = Watch()
    github.faults.on("GET /repos/octo/shop", "403_primary")
    forge = forge_of(github, watch.patience(max_wait_s=1e12))
    assert forge.default_branch() == "main"
    (slept_s,) = watch.slept_s
    assert 0 < slept_s <= 3601


def test_a_limit_that_lasts_too_long_is_told_at_once(github: FakeGitHub, shop: Repository) -> None:
    watch = Watch()
    github.faults.retry_after_s = 4000
    github.faults.on("GET /repos/octo/shop", "403_secondary")
    with pytest.raises(ForgeError, match="wants 4000 s of rest"):
        forge_of(github, watch.patience(max_wait_s=900)).default_branch()
    assert watch.slept_s == []


# --- last words -----------------------------------------------------------------------------------


def test_a_missing_permission_is_named(github: FakeGitHub, shop: Repository) -> None:
    github.token(CANARY, repositories=None, contents="read", issues="read")
    number = shop.open_issue("a", "b", author="alice").number
    with pytest.raises(RefusedError) as caught:
        forge_of(github).post_comment(number, "hello")
    assert caught.value.status == 403
    assert "`issues: write`" in caught.value.hint
    assert "`permissions:`" in caught.value.hint


def test_the_signed_commit_s_missing_permission_is_named(
    github: FakeGitHub, shop: Repository
) -> None:
    github.token(CANARY, repositories=None, contents="read")
    head = shop.head("main") or ""
    with pytest.raises(RefusedError) as caught:
        forge_of(github).commit_on_branch("main", head, "x", {"a.py": b""})
    assert "`contents: write`" in caught.value.hint


def test_a_token_that_is_not_valid_is_told_and_never_shown(
    github: FakeGitHub, shop: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is in no message, no repr and no log, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    secret = "ghs_wrong0123456789wrong0123456789wrong"
    forge = connect("octo/shop", secret, api_url=github.url, patience=quick())
    with pytest.raises(RefusedError) as caught:
        forge.default_branch()
    assert "GITHUB_TOKEN" in caught.value.hint
    github.faults.on("*", "reset_before", times=None)
    with pytest.raises(ForgeError) as lost:
        forge.default_branch()
    shown = [repr(forge), repr(vars(forge)), caplog.text]
    for error in (caught.value, lost.value):
        shown += [error.message, error.hint, repr(error), repr(error.__cause__)]
    for text in shown:
        assert secret not in text


def test_an_answer_that_is_not_github_s_is_told(github: FakeGitHub, shop: Repository) -> None:
    root = github.root_url.removesuffix("/api/v3").rstrip("/")
    forge = connect("octo/shop", CANARY, api_url=f"{root}/nowhere", patience=quick())
    with pytest.raises(ForgeError):
        forge.default_branch()
    github.take_violations()


# --- addresses, names, the missing package -----------------------------------------------------------


def test_both_kinds_of_addresses_work(github: FakeGitHub, shop: Repository) -> None:
    """An own server's interface lies below /api/v3, GitHub's at the root; GraphQL beside it."""
    for url in (github.url, f"{github.url}/", github.root_url):
        forge = connect("octo/shop", CANARY, api_url=url, patience=quick())
        assert forge.default_branch() == "main"
        assert forge.me() == "github-actions[bot]"


@pytest.mark.parametrize("name", ["", "shop", "octo/", "/shop", "a/b/c", "octo/sh op", "octo/../x"])
def test_a_name_that_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        connect(name, CANARY)


def test_no_token_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no token"):
        connect("octo/shop", "")


def test_without_the_extra_the_message_says_how_to_get_it() -> None:
    code = (
        "import sys\n"
        "sys.modules['github'] = None\n"
        "import egbot.cli\n"
        "from egbot.publish.github import connect\n"
        "from egbot.errors import UsageError\n"
        "try:\n    connect('octo/shop', 'x')\n"
        "except UsageError as error:\n    print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "egbot[github]" in done.stdout


def test_delivery_needs_neither_torch_nor_a_network_library_to_be_looked_at() -> None:
    code = (
        "import sys, egbot.commands.publish\n"
        "print([one for one in ('torch', 'github', 'tenacity', 'requests') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- questions --------------------------------------------------------------------------------------


def test_files_are_read_to_the_byte(github: FakeGitHub, shop: Repository) -> None:
    """Also those over 1 MB, which come another way, and names that need quoting."""
    large = bytes(range(256)) * 4_200
    shop.push("main", {"a b/ü#?.py": b"\xff\x00", "large.bin": large, "empty.py": b""})
    forge = forge_of(github, quick(timeout_s=60))
    assert forge.file("a b/ü#?.py", "main") == b"\xff\x00"
    assert forge.file("large.bin", "main") == large
    assert forge.file("empty.py", "main") == b""
    assert forge.file("missing.py", "main") is None
    assert forge.file("a b", "main") is None
    assert forge.file("shop.py", shop.head("main") or "") == b"X = 1\n"


def test_permissions_are_those_of_now(github: FakeGitHub, shop: Repository) -> None:
    forge = forge_of(github)
    github.user("alice")
    assert forge.permission("alice") == "read"
    shop.grant("alice", "write")
    assert forge.permission("alice") == "write"
    assert forge.permission("octo") == "admin"
    assert forge.permission("nobody-of-that-name") == "none"


def test_a_reaction_is_given_once(github: FakeGitHub, shop: Repository) -> None:
    issue = shop.open_issue("a", "b", author="alice")
    comment = shop.comment(issue.number, "please", author="alice")
    forge = forge_of(github)
    for _ in range(2):
        forge.react(issue.number, "eyes", None)
        forge.react(issue.number, "eyes", ("issue", comment.id))
    assert len(issue.reactions) == 1
    assert len(comment.reactions) == 1


def test_a_branch_is_made_once_and_never_moved(github: FakeGitHub, shop: Repository) -> None:
    forge = forge_of(github)
    first = shop.head("main") or ""
    assert forge.branch_head("egbot/x") is None
    forge.create_branch("egbot/x", first)
    forge.create_branch("egbot/x", first)
    other = shop.push("main", {"b.py": ""})
    with pytest.raises(HeadMovedError):
        forge.create_branch("egbot/x", other)
    assert shop.head("egbot/x") == first


def test_a_commit_goes_onto_the_expected_head_only(github: FakeGitHub, shop: Repository) -> None:
    forge = forge_of(github)
    old = shop.head("main") or ""
    new = forge.commit_on_branch("main", old, "One\n\nText.\n", {"shop.py": b"X = 2\n"})
    assert shop.head("main") == new
    assert new in shop.verified
    assert forge.commit_message(new).split() == ["One", "Text."]
    with pytest.raises(HeadMovedError):
        forge.commit_on_branch("main", old, "Two\n", {"shop.py": b"X = 3\n"})
    assert shop.head("main") == new


def test_a_suggestion_outside_the_diff_is_refused_as_such(
    github: FakeGitHub, shop: Repository
) -> None:
    shop.push("main", {"long.py": "".join(f"A{n} = {n}\n" for n in range(40))})
    head = shop.push("x", {"long.py": "".join(f"A{n} = {n}\n" for n in range(41))}, start="main")
    pull = shop.open_pull("x", "main", title="t", body="", author="alice")
    with pytest.raises(RefusedError) as caught:
        forge_of(github).suggest(pull.number, head, Suggestion("long.py", 3, "x", 2))
    assert caught.value.status == 422
    posted = forge_of(github).suggest(pull.number, head, Suggestion("long.py", 41, "x", 41))
    assert posted.body == "x"


def test_a_check_with_many_remarks_is_sent_in_parts_and_only_once(
    github: FakeGitHub, shop: Repository
) -> None:
    remarks = tuple(
        Annotation("shop.py", 1, 1, "warning", f"remark {n}", "text") for n in range(120)
    )
    head = shop.head("main") or ""
    check = Check("egbot", head, "egbot:1", "t", "s", "x", "neutral", remarks)
    forge = forge_of(github)
    forge.put_check(replace(check, conclusion=None, annotations=()))
    for _ in range(2):
        assert forge.put_check(check)
    (there,) = shop.checks.values()
    assert [one["title"] for one in there.annotations] == [f"remark {n}" for n in range(120)]
    assert there.conclusion == "neutral"


def test_an_artifact_is_fetched_without_the_token_and_up_to_its_limit(
    github: FakeGitHub, shop: Repository
) -> None:
    run = shop.run(shop.head("main") or "", "main", artifacts={"junit": {"report.xml": "<a/>"}})
    forge = forge_of(github)
    ((name, number),) = forge.workflow_artifacts(run.id)
    assert name == "junit"
    assert forge.artifact(number, 100_000)[:2] == b"PK"
    with pytest.raises(ForgeError, match="longer than 10 bytes"):
        forge.artifact(number, 10)
