"""The plot has a place for everything that happened, and says it in words too."""

from __future__ import annotations

from dataclasses import replace

from egbot.records import Stats
from egbot.report.plot import HEIGHT, Plot, plot
from egbot.report.timeline import timed_outcome
from tests.report.samples import hostile, no_target, solved, unsolved


def drawn() -> Plot:
    found = plot(timed_outcome(solved(), load_s=3.1))
    assert found is not None
    return found


def test_every_attempt_line_and_candidate_has_its_place() -> None:
    """Two attempts of six lines, three candidates and the ends of both attempts are drawn."""
    found = drawn()
    kinds = [(block.kind, block.label) for block in found.phases]
    assert kinds == [
        ("other", "loading"),
        ("attempt", "attempt 1"),
        ("attempt", "attempt 2"),
        ("other", ""),  # the final check has no room for its words
    ]
    assert found.phases[-1].words == "final check, 890 ms"
    assert len(found.lines) == len(found.rows) == 12
    shapes = [(dot.shape, dot.kind) for dot in found.dots]
    assert shapes == [
        ("end", "some"),
        ("candidate", "some"),
        ("candidate", "none"),
        ("candidate", "none"),
        ("end", "all"),
    ]


def test_places_lie_inside_the_drawing() -> None:
    """Percentages are between 0 and 100 and pixels inside the height, also for hostile numbers."""
    for outcome in (solved(), unsolved(), hostile(3_000)):
        found = plot(timed_outcome(outcome))
        assert found is not None
        blocks = (*found.phases, *found.lines)
        places = [each.x for each in blocks] + [each.x for each in found.dots]
        places += [each.width for each in blocks]
        assert all(0 <= float(place.rstrip("%")) <= 100 for place in places)
        assert all(0 < dot.y < HEIGHT for dot in found.dots)
        assert 2 <= len(found.times) <= 7
        assert len(found.heights) >= 2


def test_the_words_say_the_same() -> None:
    found = drawn()
    assert found.words == ("In 14.2 s: 2 attempts, 12 decoded lines, 3 candidates.")
    row = found.rows[6]
    assert (row.attempt, row.line, row.began, row.took) == (2, 1, "6.0 s", "1.8 s")
    assert (row.candidates, row.best) == ("3", "2 of 3")


def test_nothing_to_draw_is_no_plot() -> None:
    """Without an attempt, or without any time, there is no plot."""
    assert plot(timed_outcome(no_target())) is None
    timeless = replace(solved(), stats=Stats(), attempts=())
    assert plot(timed_outcome(timeless)) is None


def test_long_works_are_cut_and_told() -> None:
    """Hundreds of lines are not drawn one by one; how many are missing is said."""
    attempt = solved().attempts[1]
    long = replace(attempt, lines=attempt.lines * 60)
    found = plot(timed_outcome(replace(solved(), attempts=(long,))))
    assert found is not None
    assert len(found.lines) == 150
    assert found.num_left_out == 6 * 60 - 150
