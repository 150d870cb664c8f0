"""Owns the figures of a speed measurement: phases, ratios, and their JSON. It measures nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from egbot.bench.workload import Workload

SCHEMA = "egbot.bench.speed/1"
NUM_AGENTS = 8
NUM_ROWS = 64


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase cost. ``forward_s`` are the seconds by the clock inside forwards.

    ``cpu_s`` are seconds of this process on all cores: neighbours on a busy machine change them
    less than ``wall_s``.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    forward_s: float = 0.0
    num_forwards: int = 0
    num_tokens: int = 0

    def __add__(self, other: Phase) -> Phase:
        return Phase(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            self.forward_s + other.forward_s,
            self.num_forwards + other.num_forwards,
            self.num_tokens + other.num_tokens,
        )


@dataclass(slots=True)
class Course:
    """One way through the workload: phases line by line, and what was written."""

    sample: list[Phase] = field(default_factory=list)
    prefill: list[Phase] = field(default_factory=list)
    steps: list[Phase] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    num_guided_tokens: int = 0
    num_foretold: int = 0

    def total(self, num_lines: int) -> Phase:
        """All phases of the first ``num_lines`` lines."""
        total = Phase()
        for phases in (self.sample, self.prefill, self.steps):
            for phase in phases[:num_lines]:
                total += phase
        return total


@dataclass(frozen=True, slots=True)
class Shape:
    """A forward of ``num_rows`` rows and ``num_tokens`` tokens behind ``num_before`` tokens."""

    num_rows: int
    num_tokens: int
    num_before: int


@dataclass(frozen=True, slots=True)
class Agents:
    """What a line of each of ``NUM_AGENTS`` agents cost, one after another and together.

    ``num_same`` agents wrote the same in both ways. In 16-bit formats a forward of more rows
    rounds otherwise, so that a near tie can fall the other way.
    """

    alone: Phase
    alone_prefill: Phase
    together: Phase
    together_prefill: Phase
    num_same: int

    @property
    def throughput(self) -> float:
        """Seconds alone by seconds together, of all but the signals' prefills."""
        alone_s = self.alone.wall_s - self.alone_prefill.wall_s
        return alone_s / (self.together.wall_s - self.together_prefill.wall_s)

    @property
    def throughput_cpu(self) -> float:
        """The same in CPU seconds."""
        alone_s = self.alone.cpu_s - self.alone_prefill.cpu_s
        return alone_s / max(self.together.cpu_s - self.together_prefill.cpu_s, 1e-9)


@dataclass(frozen=True, slots=True)
class Round:
    """Tokens of ``NUM_ROWS`` samples: what they would forward one by one, and what they did."""

    num_tokens_alone: int
    num_tokens_forwarded: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A step of one token: the bytes that it must read and its seconds, and what a copy moves.

    ``step_bytes`` is None for a model whose cache cannot be measured.
    """

    step_bytes: int | None
    step_s: float
    copy_bytes_per_s: float

    @property
    def share(self) -> float | None:
        """Of the copy's bandwidth: 1 where a step is as fast as memory lets it be."""
        if self.step_bytes is None:
            return None
        return self.step_bytes / self.step_s / self.copy_bytes_per_s


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. ``bound`` says how often each shape is needed; ``shape_s`` how long."""

    model: str
    dtype: str
    device: str
    num_threads: int
    workload: Workload
    num_prompt_tokens: int
    fast: Course
    naive: Course
    greedy: Phase
    bound: dict[Shape, int]
    shape_s: dict[Shape, float]
    strong: Course
    agents: Agents
    round: Round
    memory: Memory

    @property
    def num_bound_tokens(self) -> int:
        """Tokens to forward when each one is forwarded once."""
        return sum(one.num_rows * one.num_tokens * times for one, times in self.bound.items())

    @property
    def bound_s(self) -> float:
        """Seconds of those forwards at the measured time of each shape."""
        return sum(self.shape_s[one] * times for one, times in self.bound.items())


def to_json(figures: Figures) -> dict[str, object]:
    """The targets' ratios by their names, and all raw figures."""
    raw = {
        "schema": SCHEMA,
        "model": figures.model,
        "device": figures.device,
        "dtype": figures.dtype,
        "num_threads": figures.num_threads,
        **ratios(figures),
    }
    fast, naive = figures.fast, figures.naive
    return {
        **raw,
        "raw": {
            "workload": asdict(figures.workload),
            "num_prompt_tokens": figures.num_prompt_tokens,
            "fast": _courses_json(fast, figures.workload.num_lines),
            "fast_same_lines": _courses_json(fast, len(naive.steps)),
            "naive": _courses_json(naive, len(naive.steps)),
            "gamma_3_without_drafts": _courses_json(figures.strong, len(figures.strong.steps)),
            "greedy": asdict(figures.greedy),
            "agents8": asdict(figures.agents),
            "round64": asdict(figures.round),
            "memory": asdict(figures.memory),
            "bound_s": figures.bound_s,
            "bound_tokens": figures.num_bound_tokens,
            "shapes": [
                {**asdict(shape), "times": times, "wall_s": figures.shape_s[shape]}
                for shape, times in figures.bound.items()
            ],
        },
    }


def ratios(figures: Figures) -> dict[str, float]:
    """The ratios that the targets name. Above 1 is faster for ``fast_vs_naive``.

    What could not be measured with this model is missing.
    """
    fast, naive = figures.fast, figures.naive
    num_same = len(naive.steps)
    fast_same, naive_all = fast.total(num_same), naive.total(num_same)
    whole = fast.total(figures.workload.num_lines)
    greedy_token_s = figures.greedy.wall_s / (
        figures.workload.num_lines * figures.workload.line_tokens
    )
    found = {
        "fast_vs_naive_wall": naive_all.wall_s / fast_same.wall_s,
        "fast_vs_naive_cpu": naive_all.cpu_s / max(fast_same.cpu_s, 1e-9),
        "fast_vs_naive_tokens": naive_all.num_tokens / fast_same.num_tokens,
        "tokens_vs_bound": whole.num_tokens / figures.num_bound_tokens,
        "wall_vs_bound": whole.wall_s / figures.bound_s,
        "guided_vs_greedy_wall": _steps_s(fast) / (fast.num_guided_tokens * greedy_token_s),
        "gamma_3_vs_greedy_wall": _steps_s(figures.strong)
        / (figures.strong.num_guided_tokens * greedy_token_s),
        "draft_share": fast.num_foretold / max(fast.num_guided_tokens, 1),
        "agents8_throughput": figures.agents.throughput,
        "agents8_throughput_cpu": figures.agents.throughput_cpu,
        "agents8_with_prefill": figures.agents.alone.wall_s / figures.agents.together.wall_s,
        "agents8_same_text_share": figures.agents.num_same / NUM_AGENTS,
        "round64_tokens": figures.round.num_tokens_alone / figures.round.num_tokens_forwarded,
        "same_text_share": _same_share(fast, naive),
    }
    if figures.memory.share is not None:
        found["step_vs_copy_bandwidth"] = figures.memory.share
    return found


def _same_share(fast: Course, naive: Course) -> float:
    """The share of the naive way's lines that the fast way wrote as well."""
    same = [one == other for one, other in zip(fast.texts, naive.texts, strict=False)]
    return sum(same) / max(len(same), 1)


def _steps_s(course: Course) -> float:
    return sum(phase.wall_s for phase in course.steps)


def _courses_json(course: Course, num_lines: int) -> dict[str, object]:
    phases = {"sample": course.sample, "prefill": course.prefill, "steps": course.steps}
    sums = {name: asdict(sum(all_[:num_lines], Phase())) for name, all_ in phases.items()}
    return {**sums, "total": asdict(course.total(num_lines)), "texts": course.texts[:num_lines]}
