"""Owns what a job says of a delivery: the job summary's Markdown, a plan in plain text, JSON.

It does not know where these are written.
"""

from __future__ import annotations

from egbot.errors import ForgeError
from egbot.publish.comment import Voice, pull_body, report_body, report_text, suggestion_body
from egbot.publish.place import Place
from egbot.publish.plan import Plan
from egbot.publish.said import Route, Said
from egbot.records import Run
from egbot.report.markdown import span
from egbot.report.text import visible

MAX_SUMMARY_CHARS = 250_000
"""A job summary takes 1 MiB a step; a character has at most four bytes in UTF-8."""


def job_summary(run: Run, said: Said, voice: Voice) -> str:
    """The whole report with what was done about it. At most 1 MiB."""
    done = "\n".join(f"- {line}" for line in _done(said))
    report = report_text(run, said, voice, MAX_SUMMARY_CHARS - len(done) - 100)
    return f"{report}\n#### Delivery\n\n{done}\n"


def out_of_reach(run: Run, error: ForgeError) -> Said:
    """What a run came to that GitHub was never told of: its patches, unchecked, and why."""
    patches = [one.patch.unified_diff for one in run.outcomes if one.patch is not None]
    route: Route = "comment" if patches else "nothing"
    return Said(route, problems=(error.message,), patch="".join(patches))


def _done(said: Said) -> list[str]:
    lines = [f"route: {said.route}", f"state: {said.state}"]
    lines += [f"suggestion: {url}" for url in said.suggestion_urls]
    if said.branch:
        lines.append(f"branch: {span(said.branch)}")
    for name, value in (
        ("commit", said.commit_sha),
        ("pull request", said.pull_url),
        ("comment", said.comment_url),
        ("check", said.check_url),
    ):
        if value:
            lines.append(f"{name}: {value}")
    if said.why_not_suggested:
        lines.append(f"no suggestion, because {span(said.why_not_suggested, 300)}")
    lines += [f"problem: {span(text, 600)}" for text in said.problems]
    return lines


def result_document(said: Said) -> dict[str, object]:
    """What came of a delivery, for programs."""
    return {
        "route": said.route,
        "state": said.state,
        "delivered": said.is_delivered,
        "comment_url": said.comment_url,
        "pull_request_url": said.pull_url,
        "pull_request": said.pull_number,
        "suggestion_urls": list(said.suggestion_urls),
        "branch": said.branch,
        "commit": said.commit_sha,
        "check_url": said.check_url,
        "problems": list(said.problems),
        "refusals": list(said.refusals),
    }


# --- a plan -----------------------------------------------------------------------------------


def plan_steps(run: Run, place: Place, plan: Plan) -> list[dict[str, object]]:
    """Every post and push of a plan, in order, with its text. Addresses to come are left out."""
    number, voice = place.issue.number, place.voice
    steps: list[dict[str, object]] = [
        {
            "do": "suggestion",
            "where": f"#{number}",
            "path": fit.function.path,
            "start_line": fit.first_line,
            "line": fit.last_line,
            "body": suggestion_body(fit, run, place.sha, voice),
        }
        for fit in plan.suggestions
    ]
    if plan.commit is not None and not plan.commit.is_done:
        steps.append(
            {
                "do": "commit",
                "where": plan.commit.branch,
                "new_branch": plan.commit.is_new,
                "parent": plan.commit.parent,
                "message": plan.commit.message,
                "files": sorted(plan.commit.files),
            }
        )
    if plan.pull_base:
        there = place.own_pull
        steps.append(
            {
                "do": "pull request",
                "where": f"{place.branch} -> {plan.pull_base}",
                "number": there.number if there is not None else None,
                "body": pull_body(run, plan.said, voice, number),
            }
        )
    if plan.comments:
        step = "edit comment" if place.own_comments else "comment"
        body = report_body(run, plan.said, voice)
        steps.append({"do": step, "where": f"#{number}", "body": body})
    if plan.checks:
        steps.append({"do": "check run", "where": place.sha})
    return steps


def plan_text(steps: list[dict[str, object]], said: Said) -> str:
    """The steps for a person at a terminal; nothing in them acts on the terminal."""
    lines = [f"Route: {said.route} ({said.state})"]
    if said.why_not_suggested:
        lines.append(f"No suggestion, because {said.why_not_suggested}")
    lines += [f"Problem: {text}" for text in said.problems]
    lines += [f"Refused: {text}" for text in said.refusals]
    for index, step in enumerate(steps, 1):
        lines += ["", f"{index}. {step['do']} ({step['where']})"]
        for key, value in step.items():
            if key in ("do", "where"):
                continue
            if isinstance(value, str) and "\n" in value:
                lines += [f"   {key}:", *(f"   | {line}" for line in value.splitlines())]
            else:
                lines.append(f"   {key}: {value}")
    if not steps:
        lines += ["", "Nothing would be posted."]
    return visible("\n".join(lines)) + "\n"
