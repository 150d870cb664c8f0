"""Operations on conversations: issues, comments, labels and reactions.

It does not know diffs or Git data.
"""

from __future__ import annotations

from typing import Any

from tests.github import payloads
from tests.github.exchange import Answer, ApiError, Call, Route, invalid, missing, paged
from tests.github.nouns import Comment, Issue, Reaction

# "Body is too long (maximum is 65536 characters)" is what the API answers beyond this.
MAX_BODY_CHARACTERS = 65_536
MAX_TITLE_CHARACTERS = 256
_REPO = "/repos/{owner}/{repo}"
_ISSUE = _REPO + "/issues/{issue_number}"
_COMMENT = _REPO + "/issues/comments/{comment_id}"
_REVIEW_COMMENT = _REPO + "/pulls/comments/{comment_id}"
READ = ("issues=read", "pull_requests=read")
WRITE = ("issues=write", "pull_requests=write")


def issue_of(call: Call) -> Issue:
    found = call.repository.issues.get(call.number("issue_number"))
    if found is None:
        raise missing()
    return found


def comment_of(call: Call) -> Comment:
    found = [c for c in call.repository.all_comments() if c.id == call.number("comment_id")]
    if not found:
        raise missing()
    return found[0]


def review_comment_of(call: Call) -> Comment:
    home = call.repository
    found = [c for c in home.all_review_comments() if c.id == call.number("comment_id")]
    if not found:
        raise missing()
    return found[0]


def checked_body(resource: str, body: str | None) -> str:
    """The text of a comment or description; raises the 422 answers for a bad one."""
    if not (body or "").strip():
        raise invalid(resource, "body", "missing_field", "body can't be blank")
    return checked_length(resource, body) or ""


def checked_length(resource: str, body: str | None) -> str | None:
    if body is not None and len(body) > MAX_BODY_CHARACTERS:
        message = f"Body is too long (maximum is {MAX_BODY_CHARACTERS} characters)"
        raise invalid(resource, "data", "unprocessable", message)
    return body


def checked_title(resource: str, title: str) -> str:
    if not title.strip():
        raise invalid(resource, "title", "missing_field")
    if len(title) > MAX_TITLE_CHARACTERS:
        message = f"title is too long (maximum is {MAX_TITLE_CHARACTERS} characters)"
        raise invalid(resource, "title", "custom", message)
    return title


def refuse_locked(issue: Issue) -> None:
    if issue.locked:
        raise ApiError(403, "Unable to create comment because issue is locked.")


def refuse_foreign(call: Call, comment: Comment) -> None:
    """An app may change only what it wrote itself, unless its actor has write access."""
    role = call.repository.role(call.token.actor.login)
    if comment.author is not call.token.actor and role not in ("admin", "maintain", "write"):
        raise ApiError(403, "Resource not accessible by integration")


def _get_issue(call: Call) -> Answer:
    return Answer(200, payloads.issue(call.site, call.repository, issue_of(call)))


def _edit_issue(call: Call) -> Answer:
    issue = issue_of(call)
    edit(call, issue, "Issue")
    if "labels" in call.body:
        issue.labels = [call.repository.label(_name(each)) for each in call.body["labels"]]
    return Answer(200, payloads.issue(call.site, call.repository, issue))


def edit(call: Call, issue: Issue, resource: str) -> None:
    """Title, body and state, which issues and pull requests share."""
    issue.title = checked_title(resource, call.body.get("title", issue.title))
    issue.body = checked_length(resource, call.body.get("body", issue.body))
    issue.state = call.body.get("state", issue.state)
    issue.updated_at = call.world.tick()


def _list_comments(call: Call) -> Answer:
    comments = [c for c in issue_of(call).comments if c.updated_at >= call.query.get("since", "")]
    return paged(call, [payloads.comment(call.site, call.repository, each) for each in comments])


def _create_comment(call: Call) -> Answer:
    issue = issue_of(call)
    refuse_locked(issue)
    body = checked_body("IssueComment", call.body["body"])
    made = call.repository.comment(issue.number, body, author=call.token.actor.login)
    return Answer(201, payloads.comment(call.site, call.repository, made))


def _get_comment(call: Call) -> Answer:
    return Answer(200, payloads.comment(call.site, call.repository, comment_of(call)))


def _edit_comment(call: Call) -> Answer:
    comment = comment_of(call)
    refuse_foreign(call, comment)
    call.repository.edit(comment, checked_body("IssueComment", call.body["body"]))
    return Answer(200, payloads.comment(call.site, call.repository, comment))


def _delete_comment(call: Call) -> Answer:
    comment = comment_of(call)
    refuse_foreign(call, comment)
    call.repository.issues[comment.number].comments.remove(comment)
    return Answer(204)


def _labels_answer(call: Call, issue: Issue) -> Answer:
    shown = [payloads.label(call.site, call.repository, name) for name in issue.labels]
    return Answer(200, shown)


def _list_labels(call: Call) -> Answer:
    home = call.repository
    return paged(call, [payloads.label(call.site, home, name) for name in issue_of(call).labels])


def _name(given: Any) -> str:
    return str(given["name"]) if isinstance(given, dict) else str(given)


def _add_labels(call: Call) -> Answer:
    issue = issue_of(call)
    given = call.body if isinstance(call.body, list) else call.body["labels"]
    for each in given:
        name = call.repository.label(_name(each))
        if name not in issue.labels:
            issue.labels.append(name)
    return _labels_answer(call, issue)


def _remove_label(call: Call) -> Answer:
    issue = issue_of(call)
    if call.params["name"] not in issue.labels:
        raise ApiError(404, "Label does not exist")
    issue.labels.remove(call.params["name"])
    return _labels_answer(call, issue)


def _reacted(call: Call, reactions: list[Reaction]) -> Answer:
    """A second identical reaction of the same account is answered with the first one."""
    content, actor = call.body["content"], call.token.actor
    for each in reactions:
        if each.author is actor and each.content == content:
            return Answer(200, payloads.reaction(call.site, each))
    made = Reaction(call.world.new_id(), actor, content, call.world.tick())
    reactions.append(made)
    return Answer(201, payloads.reaction(call.site, made))


def _listed(call: Call, reactions: list[Reaction]) -> Answer:
    wanted = call.query.get("content")
    kept = [each for each in reactions if wanted in (None, each.content)]
    return paged(call, [payloads.reaction(call.site, each) for each in kept])


def _react_to_issue(call: Call) -> Answer:
    return _reacted(call, issue_of(call).reactions)


def _react_to_comment(call: Call) -> Answer:
    return _reacted(call, comment_of(call).reactions)


def _react_to_review_comment(call: Call) -> Answer:
    return _reacted(call, review_comment_of(call).reactions)


def _issue_reactions(call: Call) -> Answer:
    return _listed(call, issue_of(call).reactions)


def _comment_reactions(call: Call) -> Answer:
    return _listed(call, comment_of(call).reactions)


def _review_comment_reactions(call: Call) -> Answer:
    return _listed(call, review_comment_of(call).reactions)


ROUTES = (
    Route("GET", _ISSUE, READ, _get_issue),
    Route("PATCH", _ISSUE, WRITE, _edit_issue),
    Route("GET", f"{_ISSUE}/comments", READ, _list_comments),
    Route("POST", f"{_ISSUE}/comments", WRITE, _create_comment),
    Route("GET", _COMMENT, READ, _get_comment),
    Route("PATCH", _COMMENT, WRITE, _edit_comment),
    Route("DELETE", _COMMENT, WRITE, _delete_comment),
    Route("GET", f"{_ISSUE}/labels", READ, _list_labels),
    Route("POST", f"{_ISSUE}/labels", WRITE, _add_labels),
    Route("DELETE", f"{_ISSUE}/labels/{{name}}", WRITE, _remove_label),
    Route("GET", f"{_ISSUE}/reactions", READ, _issue_reactions),
    Route("POST", f"{_ISSUE}/reactions", WRITE, _react_to_issue),
    Route("GET", f"{_COMMENT}/reactions", READ, _comment_reactions),
    Route("POST", f"{_COMMENT}/reactions", WRITE, _react_to_comment),
    Route(
        "GET", f"{_REVIEW_COMMENT}/reactions", ("pull_requests=read",), _review_comment_reactions
    ),
    Route(
        "POST", f"{_REVIEW_COMMENT}/reactions", ("pull_requests=write",), _react_to_review_comment
    ),
)
