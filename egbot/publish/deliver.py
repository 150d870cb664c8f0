"""Owns the delivery of a run: looks, plans, posts, and says what came of it.

It does not know GitHub. Every step can be done again: what is there is found and kept, so that a
delivery that broke off, or one beside another, ends in one comment and one commit.
"""

from __future__ import annotations

from dataclasses import replace

from egbot.config import GithubSettings
from egbot.errors import ForgeError, HeadMovedError
from egbot.forge import Forge, RefusedError, Suggestion
from egbot.publish.checks import make_check
from egbot.publish.comment import pull_body, pull_title, report_body, suggestion_body
from egbot.publish.markers import REPORT, trailer
from egbot.publish.place import Place, look
from egbot.publish.plan import Commit, Plan, make_plan
from egbot.publish.said import Route, Said
from egbot.publish.sticky import put_comment, put_suggestion
from egbot.publish.words import safe_url
from egbot.records import Run

_MAX_LOOKS = 3
_PUSHES: frozenset[Route] = frozenset({"suggestion", "pull_request", "commit", "branch"})


class _QuickerError(Exception):
    """Another run put its own commit there in the meantime."""


def deliver(
    forge: Forge, run: Run, number: int, settings: GithubSettings | None = None
) -> tuple[Said, Place]:
    """Bring ``run`` to pull request or issue ``number``: functions, comment, check.

    ``settings`` are the base branch's where the caller has no others.

    A step that fails is told by the others and by ``Said.problems``. Raises ForgeError only where
    not even the place can be looked at, UsageError for broken settings.
    """
    return deliver_at(forge, run, look(forge, run, number, settings))


def deliver_at(forge: Forge, run: Run, place: Place) -> tuple[Said, Place]:
    """Bring ``run`` to a place that was looked at before; it is looked at again where it moved."""
    said, place = _functions(forge, run, place)
    plan = make_plan(run, place)
    is_quiet = said.state in ("closed", "superseded")
    if plan.comments and not is_quiet:
        said = _comment(forge, run, place, said)
    if plan.checks and not is_quiet:
        said = _checks(forge, run, place, said)
    return said, place


# --- the functions ------------------------------------------------------------------------------


def _functions(forge: Forge, run: Run, place: Place) -> tuple[Said, Place]:
    """Deliver the functions by the highest rung that the forge takes."""
    skip: frozenset[Route] = frozenset()
    problems: tuple[str, ...] = ()
    num_looks = 1
    while True:
        plan = make_plan(run, place, skip)
        try:
            said = _by_route(forge, run, place, plan)
        except HeadMovedError as error:
            if num_looks == _MAX_LOOKS:
                problems += (_told(error),)
                skip |= _PUSHES
            else:
                place = look(forge, run, place.issue.number, place.settings)
                num_looks += 1
            continue
        except _QuickerError:
            return replace(plan.said, state="superseded", route="nothing"), place
        except RefusedError as error:
            outside = plan.said.route == "suggestion" and error.status == 422
            problems += () if outside else (_told(error),)
            # a branch may be protected; one of egbot's own can still be had then
            is_next = outside or plan.said.route == "commit"
            skip |= {plan.said.route} if is_next else _PUSHES
            continue
        except ForgeError as error:
            problems += (_told(error),)
            skip |= _PUSHES
            continue
        return replace(said, problems=(*said.problems, *problems)), place


def _by_route(forge: Forge, run: Run, place: Place, plan: Plan) -> Said:
    said = plan.said
    if said.route == "suggestion":
        return _suggest(forge, run, place, plan)
    if plan.commit is not None:
        said = replace(said, commit_sha=_commit(forge, place, plan.commit))
    if said.route == "pull_request":
        said = _pull(forge, run, place, plan, said)
    return said


def _suggest(forge: Forge, run: Run, place: Place, plan: Plan) -> Said:
    urls = []
    for fit in plan.suggestions:
        body = suggestion_body(fit, run, place.sha, place.voice)
        start = fit.first_line if fit.first_line < fit.last_line else None
        suggestion = Suggestion(fit.function.path, fit.last_line, body, start)
        marker = body.partition("\n")[0]
        put = put_suggestion(forge, place, marker, suggestion, fit.function.qualname)
        urls.append(safe_url(put.url))
    return replace(plan.said, suggestion_urls=tuple(url for url in urls if url))


def _commit(forge: Forge, place: Place, commit: Commit) -> str:
    """The commit with this run's files: made, or found where it was made before."""
    if commit.is_done:
        return commit.parent
    try:
        if commit.is_new:
            forge.create_branch(commit.branch, commit.parent)
        return forge.commit_on_branch(commit.branch, commit.parent, commit.message, commit.files)
    except HeadMovedError:
        head = forge.branch_head(commit.branch)
        made_by = trailer(forge.commit_message(head)) if head is not None else ""
        if made_by not in ("", place.fingerprint):
            raise _QuickerError from None
        raise


def _pull(forge: Forge, run: Run, place: Place, plan: Plan, said: Said) -> Said:
    """One pull request for egbot's branch. A refusal leaves the branch, and a link to open it."""
    number = place.issue.number
    title, body = pull_title(run), pull_body(run, said, place.voice, number)
    try:
        if place.own_pull is None:
            mine, url = forge.create_pull(title, body, place.branch, plan.pull_base)
        else:
            mine, url = place.own_pull.number, place.own_pull.url
            if not place.has_commit:
                forge.edit_pull(mine, title, body)
    except RefusedError as error:
        return replace(said, problems=(*said.problems, _told(error)))
    return replace(said, pull_number=mine, pull_url=safe_url(url))


# --- what is said about it ------------------------------------------------------------------------


def _comment(forge: Forge, run: Run, place: Place, said: Said) -> Said:
    body = report_body(run, said, place.voice)
    try:
        put = put_comment(forge, place, REPORT, body)
    except ForgeError as error:
        return replace(said, problems=(*said.problems, _told(error)))
    return replace(said, comment_url=put.url)


def _checks(forge: Forge, run: Run, place: Place, said: Said) -> Said:
    """A check at the head, and one at the commit that egbot made, which no workflow may look at."""
    shas = dict.fromkeys(sha for sha in (place.sha, said.commit_sha) if sha)
    for sha in shas:
        try:
            url = forge.put_check(make_check(run, said, place, sha))
        except ForgeError as error:
            return replace(said, problems=(*said.problems, _told(error)))
        said = replace(said, check_url=said.check_url or url)
    return said


def _told(error: ForgeError) -> str:
    return f"{error.message} To mend it: {error.hint}." if error.hint else error.message
