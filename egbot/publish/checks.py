"""Owns the check run that a run becomes: its conclusion, its words, its remarks at the functions.

It does not know how a check is sent.
"""

from __future__ import annotations

from egbot.forge import MAX_CHECK_CHARS, Annotation, Check, Conclusion
from egbot.publish import words
from egbot.publish.comment import report_text
from egbot.publish.place import Place
from egbot.publish.said import Said
from egbot.records import Outcome, Run
from egbot.report import story
from egbot.report.text import count, one_line, passing
from egbot.source.outline import find
from egbot.source.text import SourceSyntaxError

NAME = "egbot"
_MAX_REMARKS = 200


def external_id(number: int) -> str:
    """What finds the check of a pull request again among others of the same name."""
    return f"egbot:{number}"


def make_check(run: Run, said: Said, place: Place, head_sha: str) -> Check:
    """The check for ``run`` at ``head_sha``; remarks only where they stand at the lines they mean."""
    at_head = head_sha == place.sha
    return Check(
        name=NAME,
        head_sha=head_sha,
        external_id=external_id(place.issue.number),
        title=_title(run, said),
        summary=report_text(run, said, place.voice, MAX_CHECK_CHARS),
        conclusion=conclusion(run, said),
        annotations=_remarks(run, place) if at_head else (),
        details_url=words.safe_url(said.comment_url),
    )


def conclusion(run: Run, said: Said) -> Conclusion:
    """Success: written and delivered. Failure: what was written did not arrive. Else neutral."""
    if said.state == "refused" or said.problems:
        return "failure"
    if any(one.reason == "contradictory_tests" for one in run.outcomes):
        return "failure"
    solved = [one.reason in ("patched", "nothing_to_do") for one in run.outcomes]
    is_solved = bool(solved) and all(solved) and run.finished
    return "success" if is_solved and said.state in ("open", "there") else "neutral"


def _title(run: Run, said: Said) -> str:
    if said.state == "moved":
        return "The branch has moved on"
    if said.state == "refused":
        return "The run's result does not hold"
    done = sum(one.reason == "patched" for one in run.outcomes)
    targets = sum(one.target is not None for one in run.outcomes)
    if done and done == targets:
        return f"{count(done, 'function')} written"
    if targets:
        return f"{done} of {count(targets, 'function')} written"
    return "No function to write"


def _remarks(run: Run, place: Place) -> tuple[Annotation, ...]:
    found = []
    for outcome in run.outcomes[:_MAX_REMARKS]:
        lines = _lines(outcome, place)
        if outcome.target is None or lines is None:
            continue
        is_done = outcome.reason == "patched"
        passed, total = story.score(outcome)
        told = f"egbot wrote this function: {passing(passed, total)}."
        if not is_done:
            told = f"{story.verdict_words(outcome)}. {story.nearest_words(outcome)}".rstrip()
            failed = story.first_failure(story.shown(outcome).tests)
            if failed is not None:
                told += f" {one_line(failed.node_id, 200)}: {story.fault_words(failed)}"
        found.append(
            Annotation(
                path=outcome.target.path,
                start_line=lines[0],
                end_line=lines[1],
                level="notice" if is_done else "warning",
                title=f"egbot: {story.VERDICTS[outcome.reason].lower()}",
                message=told,
            )
        )
    return tuple(found)


def _lines(outcome: Outcome, place: Place) -> tuple[int, int] | None:
    """Where the function stands in the head commit; None where it is missing there."""
    if outcome.target is None:
        return None
    data = place.contents.get(outcome.target.path)
    try:
        target = outcome.target
        found = find(data, target.qualname, target.ordinal) if data is not None else None
    except (SourceSyntaxError, ValueError, RecursionError):
        return None
    return (found.span.start_line, found.span.end_line) if found is not None else None
