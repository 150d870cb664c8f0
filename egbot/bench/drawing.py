"""Draws curves of tasks solved against tokens forwarded as SVG, with the same in words.

It knows no models and no files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from egbot.bench.curve import Curve, budgets

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, _WIDTH - 24, 40, _HEIGHT - 64
_COLOURS = ("#1f6feb", "#c2410c", "#15803d", "#7e22ce", "#374151", "#be123c")
_DASHES = ("none", "8 4", "2 4", "12 4 2 4", "4 2", "1 3")
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
font-family="sans-serif" font-size="12">
<title>Tasks solved against tokens forwarded</title>
<desc>{words}</desc>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{left}" y="20" fill="#111827">tasks solved, of {num_tasks}</text>
<text x="{right}" y="{below}" text-anchor="end" fill="#111827">tokens forwarded for a task \
(logarithmic)</text>
{parts}
</svg>
"""
_LINE = '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="#e5e7eb"/>'
_MARK = '<text x="{}" y="{}" text-anchor="{}" fill="#374151">{}</text>'
_CURVE = '<polyline points="{}" fill="none" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>'
_KEY = (
    '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>'
    '<text x="{}" y="{}" fill="#111827">{}</text>'
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Tokens and tasks to places. ``low`` and ``high`` are powers of ten."""

    low: float
    high: float
    top: int

    def x(self, tokens: float) -> float:
        share = (math.log10(max(tokens, 1)) - self.low) / max(self.high - self.low, 1e-9)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT), 1)

    def y(self, solved: float) -> float:
        return round(_BOTTOM - solved / self.top * (_BOTTOM - _TOP), 1)


def curves_svg(curves: Sequence[Curve]) -> str:
    """The drawing; axes alone where nothing was solved."""
    rows = budgets(curves) or (1, 10)
    scale = _Scale(
        low=math.log10(max(rows[0] / 2, 1)),
        high=math.log10(rows[-1]),
        top=max(1, *(len(curve.costs) for curve in curves)),
    )
    told = (f"{one.name}: {len(one.costs)} of {one.num_tasks}" for one in curves)
    return _SVG.format(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_RIGHT,
        below=_BOTTOM + 34,
        words=escape("; ".join(told)),
        num_tasks=max((curve.num_tasks for curve in curves), default=0),
        parts="\n".join([*_axes(scale, rows), *_lines(scale, curves)]),
    )


def _axes(scale: _Scale, rows: Sequence[int]) -> Iterator[str]:
    for row in rows:
        x = scale.x(row)
        yield _LINE.format(x, x, _TOP, _BOTTOM)
        yield _MARK.format(x, _BOTTOM + 16, "middle", _short(row))
    for mark in sorted({0, scale.top // 2, scale.top}):
        y = scale.y(mark)
        yield _LINE.format(_LEFT, _RIGHT, y, y)
        yield _MARK.format(_LEFT - 8, y + 4, "end", mark)


def _lines(scale: _Scale, curves: Sequence[Curve]) -> Iterator[str]:
    for index, curve in enumerate(curves):
        colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
        points = [(scale.x(0), scale.y(0))]
        for number, cost in enumerate(curve.costs, 1):
            points += [(scale.x(cost), scale.y(number - 1)), (scale.x(cost), scale.y(number))]
        points.append((_RIGHT, scale.y(len(curve.costs))))
        yield _CURVE.format(" ".join(f"{x},{y}" for x, y in points), colour, dash)
        at = _LEFT + index * (_RIGHT - _LEFT) // len(curves)
        y = _HEIGHT - 12
        yield _KEY.format(at, at + 24, y, y, colour, dash, at + 30, y + 4, escape(curve.name))


def _short(tokens: int) -> str:
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if tokens >= size:
            return f"{tokens / size:g}{letter}"
    return str(tokens)
