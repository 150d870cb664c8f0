"""One outcome as a Markdown text for a pull request, an issue or a job summary.

It does not know where the text is posted. Every piece of outside text stands in a code span or a
fence, with what does not show made visible, so that no markup, mention or link of it takes effect.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from egbot.records import Attempt, LineStep, Outcome, Run, TestOutcome
from egbot.report import story
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.text import WHY_CHARS, block, count, one_line, passing, percent, seconds

LIMIT_CHARS = 60_000
"""Below the 65,536 characters that GitHub takes for a comment, with room for a marker."""

_MAX_TESTS = 200
_MAX_NAMED = 8
_MAX_CANDIDATES = 8
_TRIES = (4_000, 1_200, 300)  # characters for each long piece, from roomy to tight


@dataclass(frozen=True, slots=True)
class Section:
    """A closed piece of the report. ``name`` is said where the section had to be left out."""

    name: str
    text: str


def render_markdown(
    outcome: Outcome, *, run: Run | None = None, limit_chars: int = LIMIT_CHARS
) -> str:
    """The report, never longer than ``limit_chars`` characters.

    Where it is too long, every long piece is cut shorter; then whole sections go, the last first,
    and a line says which. ``run`` adds settings and versions.
    """
    found: list[Section] = []
    for piece_chars in _TRIES:
        found = sections(outcome, run, piece_chars)
        text = _join(found)
        if len(text) <= limit_chars:
            return text
    return _shorten(found, limit_chars)


def sections(outcome: Outcome, run: Run | None, piece_chars: int) -> list[Section]:
    """The report in closed pieces, in their order; long ones are cut at about ``piece_chars``."""
    found = [
        Section("the summary", _head(outcome)),
        Section("the diff", _diff(outcome, piece_chars * 5)),
        Section("the nearest try", _nearest(outcome, piece_chars * 2)),
        Section("the trace", _trace(outcome)),
        Section("what was not checked", _unchecked(outcome)),
        Section("the tests", _tests(outcome)),
    ]
    found += [
        Section(f"attempt {number}", _attempt(number, attempt, piece_chars))
        for number, attempt in enumerate(outcome.attempts, 1)
    ]
    found.append(Section("settings, versions and cost", _numbers(outcome, run)))
    return [section for section in found if section.text]


def _join(sections: list[Section]) -> str:
    # "Not checked" closes the report but is the last to be dropped, so it is moved here.
    last = [section for section in sections if section.name == "what was not checked"]
    rest = [section for section in sections if section.name != "what was not checked"]
    return "\n\n".join(section.text for section in [*rest, *last]) + "\n"


def _shorten(sections: list[Section], limit_chars: int) -> str:
    """Leave out whole sections, the longest of the folded ones' tail first, until it fits."""
    kept, dropped = list(sections), list[str]()
    while len(kept) > 1:
        dropped.insert(0, kept.pop().name)
        names = ", ".join(dropped) if len(dropped) <= 6 else f"{len(dropped)} sections"
        note = Section("note", f"_Left out to keep this short: {names}._")
        text = _join([*kept, note])
        if len(text) <= limit_chars:
            return text
    text = "egbot: the report does not fit here; the artifact report.html holds it.\n"
    return text[: max(limit_chars, 0)]


# --- sections ---------------------------------------------------------------------------------


def _head(outcome: Outcome) -> str:
    passed, total = story.score(outcome)
    where = f" in {span(outcome.target.path)}" if outcome.target else ""
    named = span(outcome.target.qualname) if outcome.target else ""
    if outcome.reason == "patched":
        lines = [f"### egbot wrote {named}{where}", ""]
        lines.append(f"**{passing(passed, total)}**; {story.verdict_words(outcome)}.")
    else:
        lines = [f"### egbot: {story.VERDICTS[outcome.reason].lower()}", ""]
        subject = f"{named}{where}: " if named else ""
        words = f"{story.verdict_words(outcome)}. {story.nearest_words(outcome)}"
        lines.append(f"{subject}{words}".rstrip())
    lines.append(" · ".join(f"{name} {value}" for name, value in story.facts(outcome)))
    if outcome.detail:
        lines += ["", span(outcome.detail, 600)]
    fates, tests = story.fates(outcome), story.target_tests(outcome)[:_MAX_NAMED]
    lines += ["", *(f"- {fates.get(one, 'not known')}: {span(one, 200)}" for one in tests)]
    more = story.num_target_tests(outcome) - len(tests)
    return "\n".join([*lines, *([f"- … and {more:,} more"] if more else [])]).rstrip()


def _diff(outcome: Outcome, limit_chars: int) -> str:
    if outcome.patch is None:
        return ""
    return fence(outcome.patch.unified_diff, "diff", limit_chars)


def _nearest(outcome: Outcome, limit_chars: int) -> str:
    if outcome.reason == "patched":
        return ""
    seen = story.shown(outcome)
    if not seen.code.strip() and not seen.tests:
        return ""
    lines = ["#### The nearest try", ""]
    if seen.code.strip() and outcome.patch is None:
        lines += [fence(seen.code, "python", limit_chars), ""]
    failed = story.first_failure(seen.tests)
    if failed is not None:
        lines += [f"It fails {span(failed.node_id, 200)}:", ""]
        told = comparison_lines(failed) or [story.fault_words(failed)]
        lines += [fence("\n".join(told), "text", limit_chars)]
    return "\n".join(lines).rstrip()


def _trace(outcome: Outcome) -> str:
    seen = story.shown(outcome)
    test = story.traced(seen.tests)
    if test is None or test.trace is None:
        return ""
    lines = trace_lines(seen, test.trace, limit_lines=24, width_chars=90)
    return folded(
        "How it runs, step by step",
        f"During {span(test.node_id, 200)} ({test.status.replace('_', ' ')}):"
        f"\n\n{fence(chr(10).join(lines), 'text', 8_000)}",
    )


def _unchecked(outcome: Outcome) -> str:
    lines = ["#### What was not checked", ""]
    lines += [f"- **{sentence}**" for sentence in story.cautions(outcome)]
    lines += [f"- {sentence}" for sentence in story.not_checked(outcome)]
    lines += [
        f"  - {span(left.node_id, 120)}: {span(left.why, WHY_CHARS)}" for left in outcome.left[:10]
    ]
    return "\n".join(lines)


def _tests(outcome: Outcome) -> str:
    seen = story.shown(outcome)
    total = len(seen.tests) + seen.num_dropped
    lines = [_test(test) for test in seen.tests[:_MAX_TESTS]]
    if total > len(lines):
        lines.append(f"- … and {total - len(lines):,} more")
    if outcome.verdict is not None:
        for title, found in (
            ("passed before and fails now", outcome.verdict.regressions),
            ("vetoed", outcome.verdict.vetoes),
            ("flaky", outcome.verdict.flaky),
        ):
            lines += [f"- {title}: {span(text, 200)}" for text in found[:20]]
    return folded(f"All tests ({total:,})" if total else "Found", "\n".join(lines)) if lines else ""


def _test(test: TestOutcome) -> str:
    took = f" in {seconds(test.duration_s)}" if test.duration_s else ""
    why = "" if test.fault is None else f" — {span(story.fault_words(test))}"
    return f"- {test.status.replace('_', ' ')}{took}: {span(test.node_id, 200)}{why}"


def _attempt(number: int, attempt: Attempt, piece_chars: int) -> str:
    told = (
        f"{story.FINISHES[attempt.finish]}; {count(attempt.num_passed, 'test')} passed; "
        f"{seconds(attempt.wall_s)}; {story.guidance_words(attempt)}"
    )
    steps = (_line(index, step, piece_chars) for index, step in enumerate(attempt.lines, 1))
    parts = [told, *steps]
    if attempt.num_dropped:
        parts.append(f"… and {count(attempt.num_dropped, 'more line')}")
    title = (f"Attempt {number}: {story.FINISHES[attempt.finish]}", story.written_words(attempt))
    return folded(", ".join(filter(None, title)), "\n\n".join(parts))


def _line(index: int, step: LineStep, piece_chars: int) -> str:
    where = f"Line {index}" if step.tokens else f"From line {index} on"
    lines = [f"**{where}** {span(step.text.strip())} — {story.why_line(step)}", ""]
    for candidate in step.candidates[:_MAX_CANDIDATES]:
        code = fence(textwrap.dedent(candidate.text.strip("\n")), "python", piece_chars // 4)
        lines += [
            f"- {span(story.run_words(candidate), 300)}",
            textwrap.indent(code, "  ", _always),
        ]
    more = len(step.candidates) + step.num_dropped - min(len(step.candidates), _MAX_CANDIDATES)
    if more:
        lines.append(f"- … and {count(more, 'more candidate')}")
    parted = story.divergence(step)
    if parted is not None:
        token = parted[1]
        lines.append(
            f"- first different token: {span(token.text, 40)} "
            f"(plain {percent(token.logp_plain)}, with the signal "
            f"{percent(token.logp_conditioned)}) instead of {span(token.plain_choice, 40)}"
        )
    return "\n".join(lines).rstrip()


def _always(line: str) -> bool:
    del line
    return True


def _numbers(outcome: Outcome, run: Run | None) -> str:
    lines = [f"- {name}: {value}" for name, value in story.cost(outcome, run)]
    if run is not None:
        lines.append(f"- egbot {span(run.egbot)}")
        lines += [f"- {span(name)}: {span(text)}" for name, text in run.versions.items()]
        lines += [f"- {span(name)} = {span(repr(value))}" for name, value in run.settings.items()]
    return folded("Settings, versions and cost", "\n".join(lines))


def folded(title: str, body: str) -> str:
    """A closed ``<details>``; the title is ours, never outside text."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


# --- outside text -----------------------------------------------------------------------------


def span(text: str, limit_chars: int = 120) -> str:
    """Outside text as a code span: one line, delimiter longer than any backtick run in it."""
    shown = one_line(text, limit_chars)
    if not shown.strip():
        return "`(empty)`"
    ticks = "`" * (_longest_ticks(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fence(text: str, language: str, limit_chars: int) -> str:
    """Outside text as a fenced block; the fence is longer than any backtick run in it."""
    shown = block(text, limit_chars).rstrip("\n")
    ticks = "`" * max(3, _longest_ticks(shown) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
