"""Owns the figures of a sandbox measurement: what was timed, ratios, JSON. It measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

SCHEMA = "egbot.bench.sandbox/1"


@dataclass(frozen=True, slots=True)
class LoopTimes:
    """One loop of ``num_lines`` line events, run traced and untraced in turns.

    ``*_test_s`` are the seconds of the test alone, ``*_run_s`` those of the whole run inside the
    sandbox: with a trace, that is also writing it down and sending it.
    """

    num_lines: int
    traced_test_s: tuple[float, ...]
    untraced_test_s: tuple[float, ...]
    traced_run_s: tuple[float, ...]
    untraced_run_s: tuple[float, ...]

    @property
    def us_per_line(self) -> float:
        """What tracing adds to a line, in microseconds."""
        return self._per_line(self.traced_test_s, self.untraced_test_s)

    @property
    def sent_us_per_line(self) -> float:
        """What tracing adds to a line until its event has left the sandbox, in microseconds."""
        return self._per_line(self.traced_run_s, self.untraced_run_s)

    def _per_line(self, traced_s: Sequence[float], untraced_s: Sequence[float]) -> float:
        return (median(traced_s) - median(untraced_s)) / self.num_lines * 1e6


@dataclass(frozen=True, slots=True)
class SandboxFigures:
    """What was measured, all in the same run; times are seconds, one a repeat.

    ``image_build_s`` is building what the tests need from nothing: the image, or the environment
    of a backend without images. ``rebuild_s`` is from changed source files to the first result of
    a test, with that kept. What could not be measured is empty or None, and ``reasons`` says why
    under its name in the JSON.
    """

    backend: str
    python: str
    pytest: str
    num_cpus: int
    load_before: float
    image_build_s: float | None
    cold_start_s: tuple[float, ...]
    rebuild_s: tuple[float, ...]
    warm_s: tuple[float, ...]
    untraced_s: tuple[float, ...]
    num_workers: int
    runs_per_s: float
    loop: LoopTimes
    fresh_pytest_s: tuple[float, ...]
    fresh_container_s: tuple[float, ...]
    reasons: Mapping[str, str]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of them do not exceed."""
    in_order = sorted(values)
    return in_order[max(0, -int(-share * len(in_order) // 1) - 1)]


def summary(figures: SandboxFigures) -> dict[str, float | None]:
    """The figures that the targets name. ``vs_*`` above 1: the warm run is that much faster."""
    warm_s = median(figures.warm_s)
    fresh = {"pytest": figures.fresh_pytest_s, "container": figures.fresh_container_s}
    return {
        "warm_p50_ms": warm_s * 1e3,
        "warm_p99_ms": percentile(figures.warm_s, 0.99) * 1e3,
        "untraced_p50_ms": median(figures.untraced_s) * 1e3,
        "runs_per_s": figures.runs_per_s,
        **{
            f"vs_fresh_{name}": median(times_s) / warm_s if times_s else None
            for name, times_s in fresh.items()
        },
        "trace_us_per_line": figures.loop.us_per_line,
        "trace_sent_us_per_line": figures.loop.sent_us_per_line,
        "rebuild_s": median(figures.rebuild_s),
        "cold_start_s": median(figures.cold_start_s),
        "image_build_s": figures.image_build_s,
    }


def to_json(figures: SandboxFigures) -> dict[str, object]:
    """The targets' figures by their names, reasons for those that are null, and all raw times."""
    raw = asdict(figures)
    head = {name: raw.pop(name) for name in ("backend", "python", "pytest", "num_cpus")}
    reasons = {f"{name}_reason": why for name, why in raw.pop("reasons").items()}
    return {"schema": SCHEMA, **head, **summary(figures), **reasons, "raw": raw}
