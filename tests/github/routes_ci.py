"""Operations on check runs, workflow runs and artifacts.

It does not know conversations or Git data.
"""

from __future__ import annotations

from typing import Any

from tests.github import payloads_ci
from tests.github.exchange import Answer, ApiError, Call, Route, counted, missing, paged
from tests.github.nouns import Artifact, CheckRun, WorkflowRun

# docs.github.com, "Create a check run": annotations a request, their texts, and summary or text.
MAX_ANNOTATIONS = 50
MAX_MESSAGE_BYTES = 65_536
MAX_TITLE = 255
MAX_OUTPUT_CHARACTERS = 65_535
_REPO = "/repos/{owner}/{repo}"
_RUN = _REPO + "/check-runs/{check_run_id}"
_READ = ("checks=read",)
_WRITE = ("checks=write",)
_ACTIONS = ("actions=read",)


def _check_of(call: Call) -> CheckRun:
    found = call.repository.checks.get(call.number("check_run_id"))
    if found is None:
        raise missing()
    return found


def _refuse_people(call: Call) -> None:
    if call.token.actor.kind != "Bot":
        raise ApiError(403, "You must authenticate via a GitHub App.")


def _create(call: Call) -> Answer:
    _refuse_people(call)
    sha = call.body["head_sha"]
    if call.repository.store.kind_of(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    _check_output(call.body.get("output"))
    now = call.world.tick()
    made = CheckRun(call.world.new_id(), call.body["name"], sha, call.token.actor, now)
    call.repository.checks[made.id] = made
    _change(call, made)
    return Answer(201, payloads_ci.check_run(call.site, call.repository, made))


def _update(call: Call) -> Answer:
    _refuse_people(call)
    check = _check_of(call)
    if check.actor is not call.token.actor:
        raise ApiError(
            403,
            "Invalid app_id `1` - check run can only be modified by the GitHub App that created it.",
        )
    _check_output(call.body.get("output"))
    _change(call, check)
    return Answer(200, payloads_ci.check_run(call.site, call.repository, check))


def _check_output(output: dict[str, Any] | None) -> None:
    if output is None:
        return
    count = len(output.get("annotations", []))
    if count > MAX_ANNOTATIONS:
        text = f"No more than {MAX_ANNOTATIONS} items are allowed; {count} were supplied."
        raise ApiError(422, f"Invalid request.\n\n{text}")
    for row in output.get("annotations", []):
        sizes = {"message": MAX_MESSAGE_BYTES, "raw_details": MAX_MESSAGE_BYTES, "title": MAX_TITLE}
        for name, limit in sizes.items():
            if len(str(row.get(name) or "").encode()) > limit:
                raise ApiError(422, f"Invalid request.\n\nannotations: {name} is too long.")
    for name in ("summary", "text"):
        if len(output.get(name) or "") > MAX_OUTPUT_CHARACTERS:
            text = f"Only {MAX_OUTPUT_CHARACTERS} characters are allowed; "
            raise ApiError(422, f"Invalid request.\n\n{text}{len(output[name])} were supplied.")


def _change(call: Call, check: CheckRun) -> None:
    body = call.body
    for name in ("name", "status", "details_url", "external_id", "started_at"):
        setattr(check, name, body.get(name, getattr(check, name)))
    if "conclusion" in body:
        check.status, check.conclusion = "completed", body["conclusion"]
        check.completed_at = body.get("completed_at", call.world.tick())
    output = body.get("output") or {}
    for name in ("title", "summary", "text"):
        setattr(check, name, output.get(name, getattr(check, name)))
    check.annotations.extend(output.get("annotations", []))


def _get(call: Call) -> Answer:
    return Answer(200, payloads_ci.check_run(call.site, call.repository, _check_of(call)))


def _annotations(call: Call) -> Answer:
    home = call.repository
    rows = [payloads_ci.annotation(call.site, home, row) for row in _check_of(call).annotations]
    return paged(call, rows)


def _of_ref(call: Call) -> Answer:
    home, name = call.repository, call.query.get("check_name")
    sha = home.store.resolve(call.params["ref"])
    kept = [c for c in home.checks.values() if c.head_sha == sha and name in (None, c.name)]
    shown = [payloads_ci.check_run(call.site, home, each) for each in reversed(kept)]
    return counted(call, "check_runs", shown)


def _run_of(call: Call) -> WorkflowRun:
    found = call.repository.runs.get(call.number("run_id"))
    if found is None:
        raise missing()
    return found


def _run(call: Call) -> Answer:
    return Answer(200, payloads_ci.workflow_run(call.site, call.repository, _run_of(call)))


def _artifacts_of_run(call: Call) -> Answer:
    return _listed(call, _run_of(call).artifacts)


def _artifacts(call: Call) -> Answer:
    return _listed(call, [each for run in call.repository.runs.values() for each in run.artifacts])


def _listed(call: Call, artifacts: list[Artifact]) -> Answer:
    name = call.query.get("name")
    kept = [each for each in artifacts if name in (None, each.name)]
    home = call.repository
    shown = [payloads_ci.artifact(call.site, home, each) for each in reversed(kept)]
    return counted(call, "artifacts", shown)


def _artifact_of(call: Call) -> Artifact:
    wanted = call.number("artifact_id")
    for run in call.repository.runs.values():
        for each in run.artifacts:
            if each.id == wanted:
                return each
    raise missing()


def _artifact(call: Call) -> Answer:
    return Answer(200, payloads_ci.artifact(call.site, call.repository, _artifact_of(call)))


def _download(call: Call) -> Answer:
    artifact = _artifact_of(call)
    if call.params["archive_format"] != "zip":
        raise missing()
    if artifact.expired:
        raise ApiError(410, "Artifact has expired")
    return Answer(302, None, {"Location": f"{call.site.home}/_storage/{artifact.id}.zip"})


ROUTES = (
    Route("POST", f"{_REPO}/check-runs", _WRITE, _create),
    Route("PATCH", _RUN, _WRITE, _update),
    Route("GET", _RUN, _READ, _get),
    Route("GET", f"{_RUN}/annotations", _READ, _annotations),
    Route("GET", f"{_REPO}/commits/{{ref}}/check-runs", _READ, _of_ref),
    Route("GET", f"{_REPO}/actions/runs/{{run_id}}", _ACTIONS, _run),
    Route("GET", f"{_REPO}/actions/runs/{{run_id}}/artifacts", _ACTIONS, _artifacts_of_run),
    Route("GET", f"{_REPO}/actions/artifacts", _ACTIONS, _artifacts),
    Route("GET", f"{_REPO}/actions/artifacts/{{artifact_id}}", _ACTIONS, _artifact),
    Route(
        "GET",
        f"{_REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}",
        _ACTIONS,
        _download,
    ),
)
