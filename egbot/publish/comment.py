"""Owns the bodies of egbot's posts: the report, a suggestion, a pull request's description.

It does not know where they go. Every body starts with its marker and fits the forge's limit by whole
sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from egbot.forge import MAX_BODY_CHARS
from egbot.publish import words
from egbot.publish.fit import Part, fit, num_units
from egbot.publish.markers import REPORT, pull_marker, suggestion_marker
from egbot.publish.said import Said
from egbot.publish.suggestion import Fit
from egbot.records import Outcome, Run
from egbot.report import story
from egbot.report.folding import trace_lines
from egbot.report.markdown import fence, sections, span

_PIECES_CHARS = (4_000, 1_200, 300)  # for each long piece of the folded story, from roomy to tight
_ELSE_LOOK = "the run's artifact holds them"


@dataclass(frozen=True, slots=True)
class Voice:
    """How egbot speaks here: the label that called it, and whether it says who it is."""

    label: str = "egbot"
    identity: bool = True


def report_body(run: Run, said: Said, voice: Voice) -> str:
    """The sticky comment: everything about the run, in the order in which a reader asks."""
    return _fitted(run, said, voice, REPORT, brief=said.is_issue and said.route == "pull_request")


def pull_body(run: Run, said: Said, voice: Voice, number: int) -> str:
    """The description of the pull request that egbot opens for number ``number``."""
    link = (
        f"Closes #{number}."
        if said.is_issue
        else f"On top of #{number}: merge it into that branch."
    )
    parts = [
        Part("", f"{pull_marker(number)}\n{link}", 0),
        *_story(run, replace(said, route="nothing"), _PIECES_CHARS[1], brief=not said.is_issue),
        *_closing(run, voice),
    ]
    return fit(parts, MAX_BODY_CHARS, else_look=_ELSE_LOOK)


def pull_title(run: Run) -> str:
    """A title without outside text other than the functions' names."""
    names = _names(run)
    if len(names) == 1:
        return f"Implement {names[0]}"
    return f"Implement {names[0]} and {len(names) - 1} more" if names else "Implement functions"


def commit_message(run: Run) -> str:
    """The commit's subject and text. Node ids stay out: in a message they could close issues."""
    patched = [one for one in run.outcomes if one.patch]
    num_tests = len({test for one in patched for test in story.target_tests(one)})
    num_tests += sum(story.num_target_tests(one) - len(story.target_tests(one)) for one in patched)
    names = _names(run)
    listed = "".join(f"- {name}\n" for name in names) if len(names) > 1 else ""
    text = f"{pull_title(run)}\n\n{listed}" + ("\n" if listed else "")
    tests = "1 failing test passes" if num_tests == 1 else f"{num_tests} failing tests pass"
    return f"{text}{tests} with it in a fresh sandbox.\nWritten and verified by egbot, a bot.\n"


def _names(run: Run) -> list[str]:
    found = [one.target.qualname for one in run.outcomes if one.patch is not None and one.target]
    return [re.sub(r"[^\w.]", "_", name)[:80] for name in found]


def suggestion_body(fit_: Fit, run: Run, head_sha: str, voice: Voice) -> str:
    """The review comment that replaces the lines of ``fit_``."""
    function = fit_.function
    outcome = next(
        one
        for one in run.outcomes
        if one.target
        and (one.target.path, one.target.qualname) == (function.path, function.qualname)
    )
    text = "\n".join(fit_.lines)
    ticks = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    lines = (fit_.first_line, fit_.last_line)
    parts = [
        suggestion_marker(function.path, function.qualname, head_sha, lines)
        + f"\n**{span(function.qualname)}**, written by egbot. "
        + words.written(outcome, run),
        f"{ticks}suggestion\n{text}\n{ticks}",
        "How it came to be stands in egbot's comment on this pull request.",
    ]
    if voice.identity:
        parts.append(words.identity(run, voice.label))
    return "\n\n".join(parts) + "\n"


def superseded_body(marker_line: str) -> str:
    """What is left of a suggestion for an older commit."""
    return f"{marker_line}\n_egbot has a newer suggestion for this function; this one is out of date._\n"


# --- the report -------------------------------------------------------------------------------


def _fitted(run: Run, said: Said, voice: Voice, marker: str, *, brief: bool) -> str:
    """Cut long pieces shorter until the body fits; then leave whole sections out."""
    parts: list[Part] = []
    for piece_chars in _PIECES_CHARS:
        parts = [
            Part("", f"{marker}\n### {words.title(run, said)}", 0),
            *_story(run, said, piece_chars, brief=brief),
            *_closing(run if said.state != "refused" else replace(run, outcomes=()), voice),
        ]
        if num_units("\n\n".join(part.text for part in parts)) < MAX_BODY_CHARS:
            break
    return fit(parts, MAX_BODY_CHARS, else_look=_ELSE_LOOK)


def _story(run: Run, said: Said, piece_chars: int, *, brief: bool) -> Iterator[Part]:
    """What was written, how to take it, how it came to be, and the folded rest."""
    if said.state == "refused":
        yield Part("what is wrong", words.problems(said), 0)
        return
    solved = [one for one in run.outcomes if one.reason == "patched"]
    others = [one for one in run.outcomes if one.reason != "patched"]
    if said.state == "moved":
        yield Part("what moved", words.problems(said), 0)
        solved = []
    for outcome in solved:
        head = f"**{span(story.name(outcome))}**: " if len(solved) > 1 else ""
        yield Part("a function", head + words.written(outcome, run), 1)
    if said.state != "moved":
        yield Part("what went wrong", words.problems(said), 0)
        yield Part("how to take it", words.take(said), 0)
    if said.route in ("comment", "branch"):
        yield Part("the patch", words.patch(said), 2)
    if not brief:
        for outcome in solved:
            yield Part("how it came to be", _came_to_be(outcome, is_only=len(solved) == 1), 3)
    yield from _unsolved(run, others, piece_chars)
    if not brief:
        yield from _folded(run, piece_chars)


def _unsolved(run: Run, outcomes: Sequence[Outcome], piece_chars: int) -> Iterator[Part]:
    for outcome in outcomes:
        yield Part("a target", words.tried(outcome), 1)
        nearest = _section(outcome, "the nearest try", piece_chars)
        yield Part("the nearest try", nearest, 2)
    if run.detail and not run.finished:
        yield Part("why it ended", f"It ended early: {span(run.detail, 600)}", 1)


def _came_to_be(outcome: Outcome, *, is_only: bool) -> str:
    of = "" if is_only else f": {span(story.name(outcome))}"
    lines = [f"#### How it came to be{of}", "", words.came_to_be(outcome)]
    seen = story.shown(outcome)
    test = story.traced(seen.tests)
    if test is not None and test.trace is not None:
        steps = trace_lines(seen, test.trace, limit_lines=24, width_chars=90)
        lines += ["", f"This is what it does in {span(test.node_id, 200)}:", ""]
        lines.append(fence("\n".join(steps), "text", 8_000))
    return "\n".join(lines) if len(lines) > 3 or lines[2] else ""


def _folded(run: Run, piece_chars: int) -> Iterator[Part]:
    """All tests, every attempt; settings, versions and cost close it, once for the whole run."""
    numbers = ""
    for outcome in run.outcomes:
        for number, section in enumerate(sections(outcome, run, piece_chars)):
            if section.name == "the tests":
                yield Part("all tests", section.text, 5)
            elif section.name.startswith("attempt"):
                yield Part(section.name, section.text, 6 + min(number, 90))
            elif section.name == "settings, versions and cost":
                numbers = numbers or section.text
    yield Part("settings, versions and cost", numbers, 4)


def _section(outcome: Outcome, name: str, piece_chars: int) -> str:
    found = (one.text for one in sections(outcome, None, piece_chars) if one.name == name)
    return next(found, "")


def _closing(run: Run, voice: Voice) -> Iterator[Part]:
    """What was not checked, and who speaks."""
    sentences = dict.fromkeys(
        sentence for one in run.outcomes if one.target for sentence in story.not_checked(one)
    )
    if sentences:
        lines = "\n".join(f"- {sentence}" for sentence in sentences)
        yield Part("what was not checked", f"#### What was not checked\n\n{lines}", 2)
    if voice.identity:
        yield Part("who speaks", words.identity(run, voice.label), 0)


def report_text(run: Run, said: Said, voice: Voice, limit: int) -> str:
    """The report without its marker, for a check run or a job summary of ``limit`` characters."""
    parts = [
        Part("", f"### {words.title(run, said)}", 0),
        *_story(run, said, _PIECES_CHARS[1], brief=False),
        *_closing(run, voice),
    ]
    return fit(parts, limit, else_look=_ELSE_LOOK)
