"""GitHub's answers are strangers' data: whatever comes, it is a record or a ForgeError."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.errors import ForgeError
from egbot.publish import answers

KEYS = st.sampled_from(
    [
        "number",
        "id",
        "user",
        "login",
        "head",
        "base",
        "ref",
        "sha",
        "repo",
        "full_name",
        "labels",
        "name",
        "body",
        "state",
        "content",
        "encoding",
        "patch",
        "filename",
        "role_name",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("base64"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)
READERS: tuple[Callable[[object], object], ...] = (
    answers.pull_request,
    answers.issue,
    answers.comment,
    answers.changed_file,
    answers.permission,
    answers.content,
)


@given(JSON)
def test_no_answer_breaks_a_reader(data: object) -> None:
    for read in READERS:
        try:
            read(data)
        except ForgeError as error:
            assert "lacks" in error.message  # noqa: PT017  (one of many readers may raise)


def test_what_is_odd_counts_as_no_permission() -> None:
    assert answers.permission({"permission": "owner", "role_name": "custom"}) == "none"
    assert answers.permission({"permission": "write", "role_name": "custom"}) == "write"
    assert answers.permission({"permission": "write", "role_name": "maintain"}) == "maintain"
    assert answers.permission(None) == "none"


def test_a_head_whose_fork_is_gone_is_still_a_fork_s() -> None:
    pull = {
        "number": 1,
        "state": "open",
        "user": None,
        "head": {"ref": "x", "sha": "a" * 40, "repo": None},
        "base": {"ref": "main", "sha": "b" * 40, "repo": {"full_name": "octo/shop"}},
    }
    found = answers.pull_request(pull)
    assert (found.is_fork, found.author, found.is_open) == (True, "ghost", True)
    with pytest.raises(ForgeError, match=r"head\.sha"):
        answers.pull_request({**pull, "head": {"ref": "x"}})
