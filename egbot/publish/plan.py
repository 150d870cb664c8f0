"""Owns the plan of a delivery: which rung of the ladder, with which contents. Pure; it asks nobody.

It does not know how the steps are done, nor what the texts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from egbot.publish.comment import commit_message
from egbot.publish.markers import with_trailer
from egbot.publish.place import Place
from egbot.publish.recheck import Checked, recheck
from egbot.publish.said import Route, Said, State
from egbot.publish.suggestion import Fit, Fits, place_all
from egbot.publish.words import safe_url
from egbot.records import Run
from egbot.source.diff import unified_diff


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of whole files on ``branch``, whose head must be ``parent``.

    ``is_new``: the branch is made at ``parent`` first; ``is_done``: it holds this run already.
    """

    branch: str
    parent: str
    message: str
    files: Mapping[str, bytes]
    is_new: bool = False
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in this order: suggestions or commit and pull request, comment, check."""

    said: Said
    suggestions: tuple[Fit, ...] = ()
    commit: Commit | None = None
    pull_base: str = ""
    comments: bool = True
    checks: bool = False


def make_plan(run: Run, place: Place, skip: frozenset[Route] = frozenset()) -> Plan:
    """The plan for ``run`` at ``place``; the rungs in ``skip`` were refused by the forge."""
    checked = recheck(run, place.contents, place.tests_texts, place.allow, place.named)
    state = _state(run, place, checked)
    is_mine = state == "there" and place.head_trailer == place.fingerprint
    fits = _fits(place, checked, skip) if state == "open" else Fits()
    route = _route(place, checked, fits, skip) if state == "open" else "nothing"
    said = Said(
        route="commit" if is_mine else route,
        state="open" if is_mine else state,
        is_issue=place.pull is None,
        head_sha=run.trigger.head_sha if run.trigger is not None else "",
        now_sha=place.sha,
        branch=place.branch if route in ("pull_request", "branch") else "",
        commit_sha=place.sha if state == "there" else "",
        problems=_problems(place, state, route),
        refusals=checked.refusals if state == "refused" else (),
        why_not_suggested=fits.why_not,
        compare_url=_compare_url(place) if route == "pull_request" else "",
        patch=_patch(place, checked, route),
    )
    return Plan(
        said=said,
        suggestions=fits.fits if route == "suggestion" else (),
        commit=_commit(run, place, checked, route),
        pull_base=_pull_base(place) if route == "pull_request" else "",
        comments=place.is_open and not place.is_locked and state != "superseded",
        checks=place.settings.check_run and place.pull is not None and place.is_open,
    )


def _state(run: Run, place: Place, checked: Checked) -> State:
    if checked.is_there:
        return "there"
    if not place.is_open:
        return "closed"
    then = run.trigger.head_sha if run.trigger is not None else ""
    has_moved = place.pull is not None and bool(then) and then != place.sha
    if has_moved or checked.is_moved:
        return "superseded" if place.head_trailer else "moved"
    return "refused" if checked.refusals else "open"


def _fits(place: Place, checked: Checked, skip: frozenset[Route]) -> Fits:
    if place.pull is None or "suggestion" in skip or not checked.functions:
        return Fits()
    return place_all(checked.functions, place.contents, place.files)


def _route(place: Place, checked: Checked, fits: Fits, skip: frozenset[Route]) -> Route:
    """The highest rung that is asked for, possible, and not refused."""
    wanted = place.settings.delivery
    if not checked.functions or not checked.after:
        return "nothing"
    # a run that stands on egbot's branch already stays there, whatever has become possible since
    is_settled = place.has_commit
    may_suggest = fits.fits and not place.is_locked and not is_settled
    if may_suggest and wanted in ("auto", "suggestion"):
        return "suggestion"
    if wanted in ("suggestion", "comment"):
        return "comment"
    if place.pull is not None and place.pull.is_fork:
        same = all(place.base_contents.get(p) == place.contents.get(p) for p in checked.after)
        return "branch" if same and place.base_sha and "branch" not in skip else "comment"
    may_commit = place.pull is not None and "commit" not in skip and not is_settled
    if wanted == "commit" and may_commit:
        return "commit"
    return "comment" if "pull_request" in skip else "pull_request"


def _commit(run: Run, place: Place, checked: Checked, route: Route) -> Commit | None:
    if route not in ("pull_request", "commit", "branch") or checked.after is None:
        return None
    message = with_trailer(commit_message(run), place.fingerprint)
    if route == "commit" and place.pull is not None:
        return Commit(place.pull.head_ref, place.sha, message, checked.after)
    start = place.base_sha if route == "branch" else place.sha
    return Commit(
        branch=place.branch,
        parent=place.branch_sha or start,
        message=message,
        files=checked.after,
        is_new=place.branch_sha is None,
        is_done=place.has_commit,
    )


def _pull_base(place: Place) -> str:
    return place.pull.head_ref if place.pull is not None else place.base_ref


def _problems(place: Place, state: State, route: Route) -> tuple[str, ...]:
    """What keeps the functions from where they should go, as far as it is known beforehand."""
    if state == "closed":
        return (f"#{place.issue.number} is closed; nothing was posted there.",)
    found = []
    if place.is_locked and (route in ("comment", "nothing") or state != "open"):
        found.append(
            f"The conversation of #{place.issue.number} is locked; nothing was posted there."
        )
    return tuple(found)


def _compare_url(place: Place) -> str:
    """The page on which a person can open the pull request for egbot's branch."""
    url = (place.pull.url if place.pull is not None else "") or place.issue.url
    root = url.rsplit("/", 2)[0]
    page = f"{root}/compare/{quote(_pull_base(place))}...{quote(place.branch)}?expand=1"
    return safe_url(page) if root else ""


def _patch(place: Place, checked: Checked, route: Route) -> str:
    """The whole change as one diff, from the files as they are; none for an older commit."""
    if route == "nothing" or not checked.after:
        return ""
    return "".join(
        unified_diff(path, place.contents.get(path), data) for path, data in checked.after.items()
    )
