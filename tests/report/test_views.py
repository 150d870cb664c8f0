"""The terminal views show outside text as text, and give the terminal back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from egbot.progress import (
    AttemptEnded,
    AttemptStarted,
    CandidatesRun,
    FailuresFound,
    LineChosen,
    LineStarted,
    Progress,
    Stage,
    TargetEnded,
    TargetStarted,
    Tick,
)
from egbot.records import FailingTest, Fault, Outcome, Usage
from egbot.report.highlight import diff_lines, python_lines
from egbot.report.progress import (
    LiveView,
    NullView,
    Picture,
    PlainView,
    advance,
    make_view,
    plain_lines,
    render,
)
from egbot.report.story import shown
from egbot.report.terminal import summary, trace
from tests.report.golden import check
from tests.report.samples import (
    CODE,
    DIFF,
    EVIL,
    HEADER,
    fib_seen,
    fib_target,
    hostile,
    no_target,
    sample_run,
    solved,
    unsolved,
)

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


def console(*, terminal: bool = False, width: int = 100) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    made = Console(
        file=out,
        width=width,
        height=40,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        legacy_windows=False,
        _environ={},
    )
    return made, out


def events(outcome: Outcome) -> list[Progress]:
    """The events of a whole run on one target."""
    assert outcome.target is not None
    failing = tuple(FailingTest(test, "call", Fault("E", "m")) for test in outcome.failing)
    found: list[Progress] = [Stage("collecting tests"), FailuresFound(failing, outcome.left)]
    found += [Stage("opening sandbox", "docker"), TargetStarted(1, 1, outcome.target)]
    for number, attempt in enumerate(outcome.attempts, 1):
        found.append(AttemptStarted(number, attempt.guidance))
        code = outcome.target.header + "\n"
        for index, step in enumerate(attempt.lines, 1):
            found += [LineStarted(index, code), CandidatesRun(step.candidates), LineChosen(step)]
            found.append(Tick(Usage(num_tokens_generated=index * 10), index * 0.5))
            code += step.text
        found.append(AttemptEnded(attempt))
    return [*found, TargetEnded(outcome)]


@pytest.mark.parametrize(
    ("wall_s", "words"),
    [
        (14.2, "solved; 14.2 s of 10 min 00 s\n"),
        (602.5, "10 min 02 s of 10 min 00 s, 2.5 s too long"),
    ],
)
def test_a_summary_says_how_long_a_run_was_and_should_have_been(wall_s: float, words: str) -> None:
    run = sample_run(solved(), unsolved())
    made, out = console()
    summary(run, made, took_s=wall_s)
    assert words in out.getvalue()


def test_golden_summary() -> None:
    """What a person sees at the end of a run is reviewed when it changes."""
    made, out = console()
    summary(sample_run(solved(), unsolved()), made, reports=Path("egbot-out"))
    check("terminal.txt", "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n")


def test_golden_trace() -> None:
    """What ``egbot trace`` prints is reviewed when it changes."""
    made, out = console()
    trace(fib_seen(3), fib_target(), ("maths.py::gcd",), made)
    check("trace.txt", "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n")


def test_golden_plain_view() -> None:
    """A log has one plain line for each event that matters."""
    made, out = console()
    with PlainView(made) as view:
        for event in events(solved()):
            view(event)
    check("plain.txt", out.getvalue())


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_is_neither_markup_nor_escape(terminal: bool) -> None:
    """ANSI escapes of outside text are shown as text, and rich's markup stays as it was written."""
    made, out = console(terminal=terminal, width=20_000)
    outcome = hostile(3_000)
    summary(sample_run(outcome, no_target()), made, reports=Path("out"))
    assert outcome.target is not None
    trace(shown(outcome), outcome.target, (EVIL,) * 9, made)
    for event in events(outcome):
        for line in plain_lines(event):
            made.print(line)
    text = out.getvalue()
    assert "\\x1b[31mred" in text
    assert "\x1b[31mred" not in text
    assert "[bold red]markup[/]" in text
    assert "]8;" not in text
    assert not {"\u202e", "\u200b", "\x07", "\x00", "\ud800"} & set(text)


def test_live_view_draws_and_restores() -> None:
    """The live view hides the cursor while it draws, shows it after, and leaves the result."""
    made, out = console(terminal=True)
    with LiveView(made) as view:
        for event in events(solved()):
            view(event)
    text = out.getvalue()
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    assert "Verified: running_total" in text
    assert "needs a network" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_live_view_restores_after_errors(error: type[BaseException]) -> None:
    """Ctrl-C and crashes pass through, with the cursor back and no thread left drawing."""
    made, out = console(terminal=True)
    view = LiveView(made)

    def work() -> None:
        with view:
            view(Stage("working"))
            raise error

    with pytest.raises(error):
        work()
    assert out.getvalue().rindex(SHOW_CURSOR) > out.getvalue().rindex(HIDE_CURSOR)
    before = out.getvalue()
    view(Stage("late"))
    assert out.getvalue() == before


def test_picture_follows_the_line_loop() -> None:
    """The live picture holds the code so far, the candidates' results and the line chosen."""
    attempt = solved().attempts[1]
    target = solved().target
    assert target is not None
    picture = Picture()
    for event in (
        Stage("writing"),
        TargetStarted(1, 2, target),
        AttemptStarted(2, attempt.guidance),
        LineStarted(1, HEADER + "\n"),
        CandidatesRun(attempt.lines[0].candidates),
        LineChosen(attempt.lines[0]),
        Tick(Usage(num_tokens_generated=812), 1.0),
    ):
        picture = advance(picture, event)
    made, out = console()
    made.print(render(picture, 3.2))
    text = out.getvalue()
    for part in ("1/2  running_total", "attempt 2, gamma 1", "    total = start", "✕ 2/3"):
        assert part in text
    assert "writing · 3.2 s · 812 tokens" in text
    check("live.txt", "\n".join(line.rstrip() for line in text.splitlines()) + "\n")
    assert picture.candidates
    assert not advance(picture, LineStarted(2, "x")).candidates


@pytest.mark.parametrize("width", [20, 40, 200])
def test_live_picture_fits_any_terminal(width: int) -> None:
    """Hostile events are drawn within the width and height that the terminal has."""
    picture = Picture()
    for event in events(hostile(3_000)):
        picture = advance(picture, event)
        made, out = console(width=width)
        made.print(render(picture, 1.0, height=24))
        lines = out.getvalue().splitlines()
        assert len(lines) <= 24
        assert all(len(line) <= width for line in lines)


def test_make_view_chooses_by_terminal() -> None:
    """No live drawing in pipes, logs or where plain lines were asked for."""
    live, plain = console(terminal=True)[0], console()[0]
    assert isinstance(make_view(live, plain=False), LiveView)
    assert isinstance(make_view(live, plain=True), PlainView)
    assert isinstance(make_view(plain, plain=False), PlainView)


def test_null_view_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is shown by the view that shows nothing."""
    with NullView() as view:
        for event in events(solved()):
            view(event)
    assert capsys.readouterr() == ("", "")


@given(st.text(alphabet=st.sampled_from("abdef'\"\\#\n 0(é\t") | st.characters(), max_size=80))
@settings(max_examples=200)
def test_highlighting_loses_nothing(code: str) -> None:
    """The coloured pieces joined again are the code, whatever it is."""
    joined = "\n".join("".join(text for _, text in line) for line in python_lines(code))
    assert joined in (code, code.removesuffix("\n"))


def test_highlighting_knows_python() -> None:
    """Keywords, names, numbers, strings over lines and comments get their classes."""
    lines = python_lines('def f(x):\n    """a\n    b"""\n    return rb"x" + 0x1F  # no "end')
    assert lines[0][:3] == [("k", "def"), ("", " "), ("f", "f")]
    assert lines[1][1] == ("s", '"""a')
    assert lines[2] == [("s", '    b"""')]
    assert {("k", "return"), ("s", 'rb"x"'), ("n", "0x1F"), ("c", '# no "end')} <= set(lines[3])
    assert len(python_lines(CODE)) == 8


def test_diff_lines_are_classed() -> None:
    """A removed line that looks like a header is still a removed line."""
    kinds = [kind for kind, _ in diff_lines(DIFF)]
    assert kinds[:3] == ["file", "file", "hunk"]
    assert (kinds.count("add"), kinds.count("del")) == (6, 1)
    assert diff_lines("@@ -1 +0,0 @@\n--- x\n")[1] == ("del", "--- x")
    assert EVIL in dict(map(reversed, diff_lines(EVIL)))  # type: ignore[arg-type]
