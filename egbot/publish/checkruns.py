"""Owns check runs through GitHub's interface: found again by external id, annotated in batches.

It does not know what a check says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from egbot.forge import MAX_ANNOTATIONS, Annotation, Check, RefusedError
from egbot.publish import answers

if TYPE_CHECKING:
    from egbot.publish.transport import Api, Json

_MAX_TITLE_CHARS = 255
_MAX_MESSAGE_CHARS = 16_000  # GitHub takes 64 KB; a character has at most four bytes


def put(api: Api, root: str, check: Check) -> str:
    """Create or update the check run; its address. Annotations that it has are not sent again."""
    there = _find(api, root, check)
    num_there = answers.dig(there, "output", "annotations_count") if there is not None else 0
    waiting = list(check.annotations[num_there if isinstance(num_there, int) else 0 :])
    batch = [waiting[i : i + MAX_ANNOTATIONS] for i in range(0, len(waiting), MAX_ANNOTATIONS)]
    batches = batch or [[]]
    if there is None:
        there = _create(api, root, check, batches.pop(0))
    for part in batches:
        path = f"{root}/check-runs/{answers.number(there, 'id')}"
        body = _body(check, part)
        there = api.attempt(lambda path=path, body=body: api.send("PATCH", path, body=body)[1])  # type: ignore[misc]
    return answers.text(there, "html_url")


def _create(api: Api, root: str, check: Check, annotations: list[Annotation]) -> object:
    body = {
        **_body(check, annotations),
        "head_sha": check.head_sha,
        "external_id": check.external_id,
    }
    try:
        return api.attempt(
            lambda: api.send("POST", f"{root}/check-runs", body=body)[1],
            lambda: _find(api, root, check),
        )
    except RefusedError as error:
        if error.status == 403 and "GitHub App" in error.message:
            error.hint = "only apps may post checks: use the workflow's own token, or an app's"
        raise


def _find(api: Api, root: str, check: Check) -> object | None:
    query = {"check_name": check.name, "filter": "all"}
    path = f"{root}/commits/{check.head_sha}/check-runs"
    for one in api.pages(path, query, "check_runs"):
        if answers.text(one, "external_id") == check.external_id:
            return one
    return None


def _body(check: Check, annotations: list[Annotation]) -> Json:
    output: Json = {"title": check.title[:_MAX_TITLE_CHARS], "summary": check.summary}
    if check.text:
        output["text"] = check.text
    if annotations:
        output["annotations"] = [_annotation(one) for one in annotations]
    body: Json = {"name": check.name, "output": output}
    if check.details_url:
        body["details_url"] = check.details_url
    if check.conclusion is None:
        return {**body, "status": "in_progress"}
    return {**body, "status": "completed", "conclusion": check.conclusion}


def _annotation(one: Annotation) -> Json:
    return {
        "path": one.path,
        "start_line": one.start_line,
        "end_line": one.end_line,
        "annotation_level": one.level,
        "title": one.title[:_MAX_TITLE_CHARS],
        "message": one.message[:_MAX_MESSAGE_CHARS] or "(no message)",
    }
