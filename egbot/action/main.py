"""Owns the action's step: which mode runs, how it ends, and what the runner is told.

It has no logic of egbot's; every effect that a test replaces comes in through `Effects`.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field

from egbot import local
from egbot.action.answers import answer, react
from egbot.action.front import Pause, plan
from egbot.action.inputs import Inputs, read_inputs
from egbot.action.modes import Result, clear_output, has_run, stubs, synthesize
from egbot.action.publishing import publish_folder, publish_run
from egbot.action.runner import (
    Runner,
    annotate,
    mask,
    put_outputs,
    put_summary,
    runner_of,
    say,
    take_secrets,
)
from egbot.bounds import search_path
from egbot.commands.solve import solve
from egbot.errors import (
    EXIT_INTERRUPTED,
    EXIT_NOT_DELIVERED,
    EXIT_SOLVED,
    EXIT_SURROUNDINGS,
    EgbotError,
    UsageError,
)
from egbot.forge import Forge
from egbot.publish.github import connect


def _connect(token: str, runner: Runner) -> Forge:
    return connect(runner.repository, token, api_url=runner.api_url)


@dataclass(frozen=True, slots=True)
class Effects:
    """How the step reaches GitHub, the sandbox and the model."""

    make_forge: Callable[[str, Runner], Forge] = _connect
    local: local.Effects = field(default_factory=local.Effects)


def main() -> int:
    """Run the step in this process's environment; its exit code.

    To be stopped by the runner (SIGTERM, SIGINT) is to be interrupted: what was reached is saved.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["PATH"] = search_path()
    return step(os.environ, Effects())


def step(environment: MutableMapping[str, str], effects: Effects) -> int:
    """One step of a workflow. Secrets are taken out of ``environment``; its exit code."""
    taken = take_secrets(environment)
    runner: Runner | None = None
    try:
        inputs = read_inputs(taken.get("EGBOT_INPUTS", ""))
        mask(inputs.token)
        runner = runner_of(environment)
        result = _run(runner, inputs, effects)
    except EgbotError as error:
        code, message = error.exit_code, f"{error.message}{f' ({error.hint})' * bool(error.hint)}"
    except KeyboardInterrupt:
        code, message = EXIT_INTERRUPTED, "interrupted; what was reached lies in the output folder"
    except Exception as error:  # noqa: BLE001  a fault of ours must say so, not end in silence
        code, message = EXIT_SURROUNDINGS, f"egbot itself failed: {type(error).__name__}: {error}"
        say(traceback.format_exc())
    else:
        put_summary(runner, result.summary)
        put_outputs(runner, result.outputs())
        for problem in result.problems:
            annotate("error", f"not delivered: {problem}")
        return EXIT_NOT_DELIVERED if result.problems else EXIT_SOLVED
    return _failed(runner, code, message)


def _failed(runner: Runner | None, code: int, message: str) -> int:
    annotate("error", message)
    if runner is not None:
        put_summary(runner, [f"egbot did not finish: {message}"])
        put_outputs(runner, Result("failed").outputs())
    return code


def _run(runner: Runner, inputs: Inputs, effects: Effects) -> Result:
    if inputs.mode == "stubs":
        return stubs(runner, inputs, effects.local)
    if not inputs.token:
        raise UsageError("the input token is empty", hint="leave it to its default, github.token")
    forge = effects.make_forge(inputs.token, runner)
    if inputs.mode != "publish":
        clear_output(runner, inputs)
    elif has_run(runner, inputs):
        return publish_folder(runner, inputs, forge)
    found = plan(runner, inputs, forge, solve)
    if isinstance(found, Pause):
        return _paused(found, inputs, forge)
    if inputs.mode != "synthesize":
        react(forge, found.trigger)
    if inputs.mode == "publish":
        return Result("acknowledged", summary=["egbot: the request counts"])
    run, result = synthesize(found, runner, inputs, forge, effects.local)
    return (
        result
        if inputs.mode == "synthesize"
        else publish_run(run, result, found.settings.github, forge)
    )


def _paused(found: Pause, inputs: Inputs, forge: Forge) -> Result:
    say(f"{found.outcome}: {found.why}")
    url = ""
    if found.reply and found.trigger is not None and inputs.mode != "synthesize":
        url = answer(forge, found)
    return Result(found.outcome, comment_url=url, summary=[f"egbot: {found.why}"])
