"""Owns egbot's sentences on GitHub: titles, what was written, how to take it, who speaks.

It does not know how they are put together or posted. Outside text stands in code spans only, so that
no mention, link or markup of it takes effect.
"""

from __future__ import annotations

import re

from egbot.publish.said import Said
from egbot.records import Outcome, Run
from egbot.report import story
from egbot.report.markdown import fence, span
from egbot.report.text import count, seconds, visible

MAX_PATCH_CHARS = 20_000
_MAX_TESTS = 8
_HEX = re.compile(r"[0-9a-f]{7,64}")
_URL = re.compile(r"https?://[A-Za-z0-9.:/_#?=&%~+-]{1,500}")

_UNSOLVED = {
    "nothing_to_do": "Nothing to write",
    "no_target": "egbot found no function to write",
    "contradictory_tests": "These tests contradict each other",
    "over_budget": "egbot ran out of its budget",
    "interrupted": "egbot was stopped before it was done",
    "rejected": "egbot's answer did not stand the final check",
    "no_patch": "egbot could not write it",
}
_NEXT = {
    "no_patch": "A docstring that says more, one more example among the tests or a larger model often "
    "helps.",
    "rejected": "What the final check found is above.",
    "interrupted": "Ask again: `/egbot retry`.",
    "over_budget": "Raise `max_seconds` or `max_tokens` in `[tool.egbot]`, or choose a smaller model.",
    "contradictory_tests": "Mend one of the tests, then ask again.",
    "no_target": "To have a written function rewritten, name it: `/egbot solve --target "
    "PATH::QUALNAME`.",
}


def title(run: Run, said: Said) -> str:
    """The heading, without its mark."""
    if said.state == "moved":
        return "The branch has moved on"
    if said.state == "refused":
        return "egbot does not deliver this run"
    patched = [one for one in run.outcomes if one.reason == "patched"]
    if len(patched) == 1:
        return f"egbot wrote {span(story.name(patched[0]))} in {span(story.path(patched[0]), 200)}"
    if patched:
        return f"egbot wrote {count(len(patched), 'function')}"
    if not run.finished:
        return "The run did not finish"
    reasons = {one.reason for one in run.outcomes}
    named = [one for one in run.outcomes if one.target is not None]
    if len(named) > 1:
        return f"egbot wrote none of {len(named):,} functions"
    if reasons == {"no_patch"}:
        return (
            f"egbot could not write {span(story.name(named[0]))}"
            if named
            else _UNSOLVED["no_patch"]
        )
    first = next(iter(run.outcomes), None)
    return _UNSOLVED[first.reason if first is not None else "nothing_to_do"]


def written(outcome: Outcome, run: Run) -> str:
    """What was written and which tests it makes pass."""
    tests = story.target_tests(outcome)[:_MAX_TESTS]
    total = story.num_target_tests(outcome)
    repeats = run.settings.get("verify_repeats")
    times = ""
    if type(repeats) is int:
        times = f"; a fresh sandbox ran {'it' if total == 1 else 'each'} "
        times += "once" if repeats == 1 else f"{repeats} times"
    guards = len(outcome.verdict.guard_passed) if outcome.verdict else 0
    guards += outcome.num_dropped("guard_passed")
    still = f", and {_the(guards)} that passed before still {_verb(guards)}" if guards else ""
    these = "this failing test" if total == 1 else f"these {total:,} failing tests"
    lines = [f"It makes {these} pass{times}{still}.", ""]
    lines += [f"- {span(test, 200)}" for test in tests]
    if total > len(tests):
        lines.append(f"- … and {total - len(tests):,} more")
    cautions = story.cautions(outcome)
    if cautions:
        lines += ["", f"**Look closer:** {' '.join(cautions)}"]
    return "\n".join(lines)


def _the(number: int) -> str:
    return "the test" if number == 1 else f"the {number:,} tests"


def _verb(number: int) -> str:
    return "does" if number == 1 else "do"


def tried(outcome: Outcome) -> str:
    """What an attempt without success came to."""
    subject = ""
    if outcome.target is not None:
        subject = f"{span(story.name(outcome))} in {span(story.path(outcome), 200)}: "
    told = story.verdict_words(outcome)
    lines = [f"{subject}{told}." if subject else f"{told[:1].upper()}{told[1:]}."]
    if outcome.attempts:
        stats = outcome.stats
        parts = (
            count(len(outcome.attempts), "attempt"),
            story.num_candidates(outcome),
            count(stats.num_executions, "test run") if stats.num_executions else "",
            seconds(stats.wall_s),
        )
        tried = f"Tried: {', '.join(filter(None, parts))}. {story.nearest_words(outcome)}"
        lines.append(tried.rstrip())
    if outcome.detail and outcome.reason != "no_patch":  # there it only counts the attempts
        lines += ["", span(outcome.detail, 600)]
    if outcome.left:
        lines.append("")
    lines += [f"- {span(one.node_id, 160)}: {span(one.why, 200)}" for one in outcome.left[:10]]
    hint = _NEXT.get(outcome.reason, "")
    return "\n".join(lines) + (f"\n\n{hint}" if hint else "")


def came_to_be(outcome: Outcome) -> str:
    """How the answer was found, in one or two sentences."""
    if not outcome.attempts:
        return ""
    last = outcome.attempts[-1]
    looked = story.num_candidates(outcome)
    number = len(outcome.attempts)
    told = f"Attempt {number}" if number > 1 else "The first attempt"
    if last.finish == "candidate":
        told += " found it among its candidates"
    else:
        told += " wrote it line by line"
        lines = sum(bool(step.tokens) for step in last.lines) + last.num_dropped
        told += f", {count(lines, 'line')}" if lines else ""
    if looked:
        told += f"; {looked} ran against the tests on the way"
    told += f". It took {seconds(outcome.stats.wall_s)}."
    for step in last.lines:
        parted = story.divergence(step)
        if parted is not None:
            told += (
                f" What the candidates did changed {span(step.text.strip(), 80)}: by itself the "
                f"model leaned to {span(parted[1].plain_choice.strip() or 'a line break', 40)} there."
            )
            break
    return told


def take(said: Said) -> str:
    """How to take what was written: the link, the suggestion or the patch."""
    if said.state == "there":
        at = f" (commit {said.commit_sha})" if _HEX.fullmatch(said.commit_sha) else ""
        return f"**It is on the branch already**{at}; there is nothing left to do."
    if said.route == "suggestion":
        links = [f"[{number}]({url})" for number, url in enumerate(said.suggestion_urls, 1)]
        one = len(links) <= 1
        where = (
            f"[the suggestion]({said.suggestion_urls[0]})" if one and links else ", ".join(links)
        )
        what = where if one else f"the suggestions {where}"
        return f"**To take it**, commit {what or 'the suggestion'} on the diff."
    if said.route == "pull_request":
        return _take_pull(said)
    if said.route == "commit":
        return (
            f"**It is on this branch**: commit {said.commit_sha or '(to come)'}, signed by GitHub."
        )
    if said.route == "branch":
        return (
            "**To take it**, apply the patch below with `git apply`: this pull request comes from a "
            f"fork, which egbot cannot push to. The branch {span(said.branch)} of this repository "
            "holds the same change, on top of the base branch."
        )
    if said.route == "comment":
        return "**To take it**, save the patch below and run `git apply` on it."
    return ""


def _take_pull(said: Said) -> str:
    into = "" if said.is_issue else " into this branch"
    if said.pull_number is not None:
        return (
            f"**To take it**, merge #{said.pull_number}{into}: one commit, signed by GitHub, that "
            "changes this and nothing else."
        )
    if said.compare_url and said.problems:
        return f"**To take it**, open the pull request yourself: [compare]({said.compare_url})."
    return f"**To take it**, merge the pull request from {span(said.branch)}{into}."


def problems(said: Said) -> str:
    """What did not go as planned."""
    if said.state == "moved":
        then, now = short(said.head_sha), short(said.now_sha)
        seen = f"egbot worked on commit {then}" if then else "egbot worked on other files"
        return (
            f"{seen}; the branch is {f'at {now}' if now else 'elsewhere'} now. Nothing was pushed. "
            "Comment `/egbot retry` to have it written for the branch as it is."
        )
    lines = []
    if said.state == "refused":
        lines = [
            "Checked against the repository, the run's result does not hold. Nothing was pushed."
        ]
        lines += ["", *(f"- {span(text, 400)}" for text in said.refusals[:20])]
    if said.problems:
        lines += ["**Not everything went as planned:**", ""]
        lines += [f"- {span(text.replace('`', chr(39)), 600)}" for text in said.problems[:20]]
    return "\n".join(lines)


def patch(said: Said) -> str:
    """The change as a diff to apply, where it is short and every character of it shows."""
    if not said.patch:
        return ""
    if len(said.patch) > MAX_PATCH_CHARS or visible(said.patch) != said.patch:
        return "The patch is in the run's artifact: `patch.diff`."
    return fence(said.patch, "diff", MAX_PATCH_CHARS)


def identity(run: Run, label: str) -> str:
    """Who speaks, and how to make it stop."""
    model = run.settings.get("model")
    by = (
        f"The model {span(model, 60)} wrote"
        if isinstance(model, str) and model
        else "A model wrote"
    )
    has_code = any(one.patch is not None for one in run.outcomes)
    code = f" {by} the code: a person should read it before it is merged." if has_code else ""
    return (
        f"<sub>This comes from egbot {span(run.egbot, 20)}, which is a bot.{code} To turn it off here, "
        f"take the label {span(label, 60)} away; for the whole repository, remove its workflow. "
        "`/egbot help` says more.</sub>"
    )


def short(sha: str) -> str:
    """The first twelve digits of a commit's SHA; "" for what is none."""
    return sha[:12] if _HEX.fullmatch(sha) else ""


def safe_url(url: str) -> str:
    """An address that is fit to stand in a link; "" for any other text."""
    return url if _URL.fullmatch(url) else ""
