"""Leaves out of a function that passes what no test ran, as far as the tests pass without it."""

from __future__ import annotations

from egbot.source.unrun import Region, without
from egbot.synthesis.completions import normalise
from egbot.synthesis.runs import Runs

_MAX_REGIONS = 12
"""Tried one by one at most: each costs a run of all tests."""


def trimmed(runs: Runs, code: str) -> str:
    """``code`` without the statements and branches that no test of ``runs`` executed.

    All of them go at once where the tests still pass, else each by itself; what is needed stays.
    """
    regions = runs.unrun(code)[:_MAX_REGIONS]
    if not regions:
        return code
    gone: Region = frozenset().union(*regions)
    whole = _cut(runs, code, gone)
    if whole is not None:
        return whole
    best, gone = code, frozenset()
    for region in regions:
        shorter = _cut(runs, code, gone | region)
        if shorter is not None:
            best, gone = shorter, gone | region
    return best


def _cut(runs: Runs, code: str, region: Region) -> str | None:
    """``code`` without ``region``, if it passes every test."""
    text = without(code, region)
    program = None if text is None or not runs.fits(text) else normalise(text)
    if text is None or program is None:
        return None
    return text if runs.solves(runs.run(text, program)) else None
