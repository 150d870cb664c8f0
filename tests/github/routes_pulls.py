"""Operations on pull requests: list, open, change, files, commits, review comments.

It does not know issue comments or check runs. Which lines take a comment is decided from the real
diff of the bare repository.
"""

from __future__ import annotations

from typing import Any

from tests.github import payloads, payloads_git
from tests.github.diffs import ChangedFile, Side, Spot, hunk_text, spots
from tests.github.exchange import Answer, ApiError, Call, Route, invalid, missing, paged
from tests.github.nouns import Comment, Place, Pull
from tests.github.repository import Repository
from tests.github.routes_talk import (
    checked_body,
    checked_length,
    checked_title,
    edit,
    refuse_foreign,
    refuse_locked,
    review_comment_of,
)

_REPO = "/repos/{owner}/{repo}"
_PULL = _REPO + "/pulls/{pull_number}"
_COMMENT = _REPO + "/pulls/comments/{comment_id}"
_READ = ("pull_requests=read",)
_WRITE = ("pull_requests=write",)
_THREAD = "pull_request_review_thread"


def pull_of(call: Call) -> Pull:
    found = call.repository.pulls.get(call.number("pull_number"))
    if found is None:
        raise missing()
    return found


def _list(call: Call) -> Answer:
    """A ``head`` without an owner is no filter at all: GitHub ignores it."""
    state, base = call.query.get("state", "open"), call.query.get("base")
    head = call.query.get("head", "")
    home = call.repository
    kept = [
        pull
        for pull in home.pulls.values()
        if state in ("all", pull.issue.state)
        and (":" not in head or head == f"{pull.head_repository.owner}:{pull.head_ref}")
        and base in (None, pull.base_ref)
    ]
    by_change = call.query.get("sort") == "updated"
    kept.sort(key=lambda pull: pull.issue.updated_at if by_change else pull.issue.created_at)
    if call.query.get("direction", "asc" if "sort" in call.query else "desc") == "desc":
        kept.reverse()
    return paged(call, [payloads.pull(call.site, home, pull, simple=True) for pull in kept])


def _get(call: Call) -> Answer:
    return Answer(200, payloads.pull(call.site, call.repository, pull_of(call)))


def _open(call: Call) -> Answer:
    home, body = call.repository, call.body
    if call.token.actor.kind == "Bot" and not home.actions_may_open_pulls:
        raise ApiError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    source, head = _source(call)
    base = body["base"]
    if home.head(base) is None:
        raise invalid("PullRequest", "base", "invalid")
    if any(
        (pull.head_repository, pull.head_ref, pull.base_ref) == (source, head, base)
        and pull.issue.state == "open"
        for pull in home.pulls.values()
    ):
        message = f"A pull request already exists for {source.owner}:{head}."
        raise _custom(message)
    sha = source.head(head)
    assert sha is not None
    home.store.bring(source.store, sha)
    if not home.store.log(home.head(base), sha):
        raise _custom(f"No commits between {base} and {head}")
    pull = home.open_pull(
        head,
        base,
        title=checked_title("PullRequest", body["title"]),
        body=checked_length("PullRequest", body.get("body")),
        author=call.token.actor.login,
        fork=source,
        draft=body.get("draft", False),
    )
    return Answer(201, payloads.pull(call.site, home, pull))


def _custom(message: str) -> ApiError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return ApiError(422, "Validation Failed", [error])


def _source(call: Call) -> tuple[Repository, str]:
    """The repository and branch that ``head`` ("branch" or "owner:branch") names."""
    owner, _, branch = call.body["head"].rpartition(":")
    home = call.repository
    family = [home, *(r for r in call.world.repositories.values() if r.parent is home)]
    for each in family:
        if each.owner == (owner or home.owner) and each.head(branch) is not None:
            return each, branch
    raise invalid("PullRequest", "head", "invalid")


def _edit(call: Call) -> Answer:
    pull, home = pull_of(call), call.repository
    base = call.body.get("base", pull.base_ref)
    if home.head(base) is None:
        raise invalid("PullRequest", "base", "invalid")
    if call.body.get("state") == "open" and not pull.head_repository.head(pull.head_ref):
        raise _custom("state cannot be changed. The branch has been deleted.")
    edit(call, pull.issue, "PullRequest")
    pull.base_ref = base
    home.refresh()
    return Answer(200, payloads.pull(call.site, home, pull))


def _files(call: Call) -> Answer:
    pull, home = pull_of(call), call.repository
    files = home.pull_files(pull)
    shown = [payloads.changed_file(call.site, home, each, pull.last_head) for each in files]
    return paged(call, shown)


def _commits(call: Call) -> Answer:
    pull, home = pull_of(call), call.repository
    shas = home.store.log(home.diff_base(pull), pull.last_head)
    return paged(call, [payloads_git.commit(call.site, home, sha, files=False) for sha in shas])


def _pulls_of_commit(call: Call) -> Answer:
    home = call.repository
    sha = home.store.resolve(call.params["commit_sha"])
    found = [
        pull
        for pull in home.pulls.values()
        if sha and sha in home.store.log(home.diff_base(pull), pull.last_head)
    ]
    return paged(call, [payloads.pull(call.site, home, each, simple=True) for each in found])


def _list_comments(call: Call) -> Answer:
    comments = list(pull_of(call).review_comments)
    if "sort" in call.query:
        by_change = call.query["sort"] == "updated"
        comments.sort(key=lambda each: each.updated_at if by_change else each.created_at)
        if call.query.get("direction") == "desc":
            comments.reverse()
    home = call.repository
    return paged(call, [payloads.review_comment(call.site, home, each) for each in comments])


def _create_comment(call: Call) -> Answer:
    pull = pull_of(call)
    refuse_locked(pull.issue)
    text = checked_body("PullRequestReviewComment", call.body["body"])
    replied = call.body.get("in_reply_to")
    if replied is None:
        place = _place(call.repository, pull, call.body)
    else:
        place = _thread(pull, replied)
    now = call.world.tick()
    actor, review = call.token.actor, call.world.new_id()
    made = Comment(call.world.new_id(), pull.number, actor, text, now, now, place, replied, review)
    pull.review_comments.append(made)
    return Answer(201, payloads.review_comment(call.site, call.repository, made))


def _reply(call: Call) -> Answer:
    body = {**call.body, "in_reply_to": call.number("comment_id")}
    return _create_comment(_with_body(call, body))


def _with_body(call: Call, body: dict[str, Any]) -> Call:
    return Call(call.world, call.site, call.token, call.repository, call.params, call.query, body)


def _thread(pull: Pull, replied: int) -> Place:
    found = [each.place for each in pull.review_comments if each.id == replied]
    if not found or found[0] is None:
        raise invalid("PullRequestReviewComment", "in_reply_to", "invalid")
    return found[0]


def _place(home: Repository, pull: Pull, body: dict[str, Any]) -> Place:
    """Where the comment goes; raises the 422 answers for a place outside the diff."""
    commit = body["commit_id"]
    if commit not in home.store.log(home.diff_base(pull), pull.last_head):
        raise invalid(
            "PullRequestReviewComment",
            "commit_id",
            "custom",
            "commit_id is not part of the pull request",
        )
    files = {file.path: file for file in home.pull_files(pull, commit)}
    file = files.get(body["path"])
    if file is None:
        raise _outside("path", "could not be resolved")
    if body.get("subject_type") == "file":
        return Place(file.path, commit, "", None, "RIGHT")
    if body.get("line") is None:
        raise _outside("line", "can't be blank")
    return _line_place(file, commit, body)


def _line_place(file: ChangedFile, commit: str, body: dict[str, Any]) -> Place:
    known = spots(file.patch) if file.patch else {}
    side: Side = body.get("side", "RIGHT")
    end = known.get((side, body["line"]))
    if end is None or file.patch is None:
        raise _outside("line", "must be part of the diff")
    start_line, start_side = body.get("start_line"), None
    if start_line is not None:
        start_side = body.get("start_side", side)
        _check_range(known, (start_side, start_line), end)
    hunk = hunk_text(file.patch, end)
    return Place(file.path, commit, hunk, body["line"], side, start_line, start_side)


def _check_range(known: dict[tuple[Side, int], Spot], start: tuple[Side, int], end: Spot) -> None:
    spot = known.get(start)
    if spot is None or spot.hunk != end.hunk:
        raise _outside("start_line", "must be part of the same hunk as the line.")
    if spot.row >= end.row:
        raise _outside("start_line", "must precede the end line.")


def _outside(part: str, problem: str) -> ApiError:
    name = f"{_THREAD}.{part}"
    first = {
        "resource": "PullRequestReviewComment",
        "code": "custom",
        "field": name,
        "message": f"{name} {problem}",
    }
    second = {
        "resource": "PullRequestReviewComment",
        "code": "missing_field",
        "field": f"{_THREAD}.diff_hunk",
    }
    return ApiError(422, "Validation Failed", [first, second])


def _get_comment(call: Call) -> Answer:
    home = call.repository
    return Answer(200, payloads.review_comment(call.site, home, review_comment_of(call)))


def _edit_comment(call: Call) -> Answer:
    comment = review_comment_of(call)
    refuse_foreign(call, comment)
    call.repository.edit(comment, checked_body("PullRequestReviewComment", call.body["body"]))
    return _get_comment(call)


def _delete_comment(call: Call) -> Answer:
    comment = review_comment_of(call)
    refuse_foreign(call, comment)
    call.repository.pulls[comment.number].review_comments.remove(comment)
    return Answer(204)


ROUTES = (
    Route("GET", f"{_REPO}/pulls", _READ, _list),
    Route("POST", f"{_REPO}/pulls", _WRITE, _open),
    Route("GET", _PULL, _READ, _get),
    Route("PATCH", _PULL, _WRITE, _edit),
    Route("GET", f"{_PULL}/files", _READ, _files),
    Route("GET", f"{_PULL}/commits", _READ, _commits),
    Route("GET", f"{_REPO}/commits/{{commit_sha}}/pulls", _READ, _pulls_of_commit),
    Route("GET", f"{_PULL}/comments", _READ, _list_comments),
    Route("POST", f"{_PULL}/comments", _WRITE, _create_comment),
    Route("POST", f"{_PULL}/comments/{{comment_id}}/replies", _WRITE, _reply),
    Route("GET", _COMMENT, _READ, _get_comment),
    Route("PATCH", _COMMENT, _WRITE, _edit_comment),
    Route("DELETE", _COMMENT, _WRITE, _delete_comment),
)
