"""Owns the speed measurement: the engine against its slow twin, greedy decoding and the bound.

Everything is measured in one run, on the same prompt, signals and seeds. It does not know how the
figures are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from egbot.bench.bandwidth import copy_bytes_per_s, step_bytes
from egbot.bench.figures import NUM_ROWS, Course, Figures, Memory, Phase, Round, Shape
from egbot.bench.together import Clock, measure_agents, prefill_of
from egbot.bench.workload import Workload, make_signal, make_speed_prompt, never
from egbot.engine.chat import encode_text
from egbot.engine.decode import Session
from egbot.engine.driving import Alone, Meter
from egbot.engine.naive import NaiveSession
from egbot.engine.network import Network
from egbot.engine.piece import Forward, Steps
from egbot.engine.side import Side
from egbot.records import Prompt

_REPEATS = 3
Report = Callable[[str], None]
CountTokens = Callable[[str], int]


def measure(network: Network, workload: Workload, report: Report) -> Figures:
    """Run everything; what is compared takes turns, line by line.

    ``network`` must have no ends of answers, so that lengths are the same. ``report`` is told what
    goes on. Raises ModelError when the model's context is too short.
    """
    import torch

    prompt = make_speed_prompt()

    def count_tokens(text: str) -> int:
        return len(encode_text(network.tokenizer, text))

    num_prompt = Session(network, prompt).num_prompt_tokens
    fast, naive, greedy = _by_turns(network, prompt, workload, count_tokens, report)
    report("two lines at gamma 3 without drafts")
    strong = _strong(network, prompt, workload, fast.course.signals[:2])
    report("agents, one after another and in one batch")
    agents = measure_agents(network, prompt, workload, count_tokens)
    report("a round of samples")
    drawn = _round(network, prompt, workload)
    report("the time of each shape of forward")
    bound = bound_of(workload, num_prompt, fast.course)
    shape_s = {shape: time_shape(network, shape) for shape in bound}
    return Figures(
        model=network.name,
        dtype=str(network.model.dtype).removeprefix("torch."),
        device=_device(network),
        num_threads=torch.get_num_threads(),
        workload=workload,
        num_prompt_tokens=num_prompt,
        fast=fast.course,
        naive=naive.course,
        greedy=sum(greedy.course.steps, Phase()),
        bound=bound,
        shape_s=shape_s,
        strong=strong,
        agents=agents,
        round=drawn,
        memory=Memory(
            step_bytes=step_bytes(network, workload.prompt_tokens),
            step_s=shape_s[Shape(1, 1, workload.prompt_tokens)],
            copy_bytes_per_s=copy_bytes_per_s(network.device),
        ),
    )


@dataclass(slots=True)
class _Way:
    """The log of a session's forwards and what is known of its course so far."""

    log: list[Forward] = field(default_factory=list)
    course: Course = field(default_factory=Course)


def _by_turns(
    network: Network,
    prompt: Prompt,
    workload: Workload,
    count_tokens: CountTokens,
    report: Report,
) -> tuple[_Way, _Way, _Way]:
    """The fast, the naive and the greedy way through the workload, line by line."""
    fast, naive, greedy = _Way(), _Way(), _Way()
    fast_session = Session(network, prompt, log=fast.log)
    naive_session = NaiveSession(network, prompt, log=naive.log)
    greedy_session = Session(network, prompt, log=greedy.log)
    _warm_up(greedy_session, greedy)
    for line in range(workload.num_lines):
        report(f"line {line + 1} of {workload.num_lines}: fast, greedy")
        _fast_line(fast, fast_session, workload, count_tokens)
        _greedy_line(greedy, greedy_session, workload)
        if line < workload.num_naive_lines:
            report(f"line {line + 1} of {workload.num_naive_lines}: naive (slow)")
            _naive_line(naive, naive_session, workload, fast.course.signals[line])
    return fast, naive, greedy


def _fast_line(way: _Way, session: Session, workload: Workload, count_tokens: CountTokens) -> None:
    """Write a line with everything that the engine has. Its signals are the others' as well."""
    drafts = _sample(way, session, workload)
    room = workload.prompt_tokens - session.num_prompt_tokens - way.course.num_guided_tokens
    signal = make_signal([session.text + text for text in drafts], room, count_tokens)
    way.course.signals.append(signal)
    _guided_line(way, session, workload.gamma, workload.line_tokens, drafts)


def _naive_line(way: _Way, session: NaiveSession, workload: Workload, signal: str) -> None:
    """Write a line as simply as the algorithm is written down.

    Candidates are drawn one by one from the prompt on, and every guided token takes an uncached
    forward over the whole conditioned prompt.
    """
    _sample(way, session, workload)
    clock = Clock()
    guided = session.advance(
        signal=signal, gamma=workload.gamma, max_tokens=workload.line_tokens, stop=never
    )
    way.course.steps.append(clock.phase(way.log))
    way.course.texts.append(guided.text)
    way.course.num_guided_tokens += len(guided.tokens)


def _greedy_line(way: _Way, session: Session, workload: Workload) -> None:
    clock = Clock()
    session.advance(signal="", gamma=0.0, max_tokens=workload.line_tokens, stop=never)
    way.course.steps.append(clock.phase(way.log))


def _strong(network: Network, prompt: Prompt, workload: Workload, signals: list[str]) -> Course:
    """Write the first lines at gamma 3, where both sides take every step, without drafts."""
    way = _Way()
    session = Session(network, prompt, log=way.log)
    _warm_up(session, way)
    for signal in signals:
        way.course.signals.append(signal)
        _guided_line(way, session, 3.0, workload.line_tokens)
    return way.course


def _round(network: Network, prompt: Prompt, workload: Workload) -> Round:
    """Draw many samples; nobody needs the logits behind a row's last token."""
    session = Session(network, prompt)
    _warm_up(session, _Way())
    before = session.usage.num_tokens_forwarded
    samples = session.sample(
        NUM_ROWS,
        temperature=workload.temperature,
        top_p=0.95,
        max_tokens=workload.sample_tokens,
        seed=workload.seed,
        stop=never,
    )
    return Round(
        num_tokens_alone=sum(sample.num_tokens - 1 for sample in samples),
        num_tokens_forwarded=session.usage.num_tokens_forwarded - before,
    )


def _warm_up(session: Session, way: _Way) -> None:
    """Forward the prompt, which is not what is measured."""
    session.sample(1, temperature=0.0, top_p=1.0, max_tokens=1, seed=0, stop=never)
    way.log.clear()


def _sample(way: _Way, session: Session | NaiveSession, workload: Workload) -> tuple[str, ...]:
    clock = Clock()
    samples = session.sample(
        workload.num_candidates,
        temperature=workload.temperature,
        top_p=0.95,
        max_tokens=workload.sample_tokens,
        seed=workload.seed + len(way.course.sample),
        stop=never,
    )
    way.course.sample.append(clock.phase(way.log))
    return tuple(sample.text for sample in samples)


def _guided_line(
    way: _Way, session: Session, gamma: float, num_tokens: int, drafts: tuple[str, ...] = ()
) -> None:
    """Write a line under the last signal; its forwards of many tokens are the signal's prefill."""
    course, before = way.course, session.usage.num_draft_tokens_accepted
    clock = Clock()
    guided = session.advance(
        signal=course.signals[-1], gamma=gamma, max_tokens=num_tokens, stop=never, drafts=drafts
    )
    first = prefill_of(way.log)
    whole = clock.phase(way.log)
    course.prefill.append(first)
    course.steps.append(
        Phase(
            wall_s=whole.wall_s - first.wall_s,
            cpu_s=whole.cpu_s - first.cpu_s,
            forward_s=whole.forward_s - first.forward_s,
            num_forwards=whole.num_forwards - first.num_forwards,
            num_tokens=whole.num_tokens - first.num_tokens,
        )
    )
    course.texts.append(guided.text)
    course.num_guided_tokens += len(guided.tokens)
    course.num_foretold += session.usage.num_draft_tokens_accepted - before


def bound_of(workload: Workload, num_prompt: int, fast: Course) -> dict[Shape, int]:
    """The forwards of the workload when every token is forwarded once, and no more.

    A line needs its candidates' steps, one prefill of signal and answer, and each guided token
    once on each side: step by step on the conditioned side, at once on the plain side.
    """
    lines, length = workload.num_lines, workload.line_tokens
    num_prefill = sum(phase.num_tokens for phase in fast.prefill[1:]) // max(lines - 1, 1)
    after = num_prompt + lines * length // 2
    num_shared = max(workload.prompt_tokens - num_prefill, 0)
    return {
        Shape(1, num_prompt, 0): 1,
        Shape(workload.num_candidates, 1, after): lines * (workload.sample_tokens - 1),
        Shape(1, num_prefill, num_shared): lines,
        Shape(1, 1, workload.prompt_tokens): lines * (length - 1),
        Shape(1, length, after): lines,
    }


def time_shape(network: Network, shape: Shape) -> float:
    """Seconds of one forward of ``shape``: the median of three, after one to warm up."""
    log: list[Forward] = []
    meter, drive = Meter(network), Alone(network, log)
    stem = Side(meter, _letters(shape.num_before)) if shape.num_before else None
    for _ in range(_REPEATS + 1):
        drive(_forward_shape(meter, stem, shape))
    return median(one.wall_s for one in log[-_REPEATS:])


def _forward_shape(meter: Meter, stem: Side | None, shape: Shape) -> Steps[None]:
    """One forward of ``shape`` behind ``stem``, which stays as it is. Several rows have one token."""
    if stem is None:
        yield from Side(meter, _letters(shape.num_tokens)).logits()
    elif shape.num_rows > 1:
        rows = yield from stem.rows(shape.num_rows)
        yield from rows.forward(_letters(shape.num_rows))
        rows.close()
    else:
        side = yield from stem.fork(meter, _letters(shape.num_tokens))
        yield from side.logits()


def _letters(count: int) -> list[int]:
    return [7 + index % 200 for index in range(count)]


def _device(network: Network) -> str:
    if network.device.type == "cuda":
        import torch

        return f"cuda ({torch.cuda.get_device_name(network.device)})"
    return network.device.type
