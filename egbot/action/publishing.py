"""Owns what the mode ``publish`` does with a run: bind it to this workflow's own event, deliver it.

It runs no code of the repository. The artifact is a stranger's: where it is delivered to comes from
the event and the forge, and what it claims is checked again by `egbot.publish`.
"""

from __future__ import annotations

from dataclasses import replace

from egbot.action.front import read_trigger, settings_for
from egbot.action.inputs import Inputs
from egbot.action.modes import Result, output_folder, result_of
from egbot.action.runner import Runner, say
from egbot.config import GithubSettings
from egbot.errors import UsageError
from egbot.forge import Forge
from egbot.intake.event import Ignored
from egbot.intake.trust import decide
from egbot.output import RUN_FILE
from egbot.publish.comment import Voice
from egbot.publish.deliver import deliver
from egbot.publish.load import load_run
from egbot.publish.summary import job_summary
from egbot.records import Run


def publish_folder(runner: Runner, inputs: Inputs, forge: Forge) -> Result:
    """Deliver the run in the output folder to what this workflow's event is about.

    Raises UsageError for a broken artifact, ForgeError when the forge cannot be asked.
    """
    folder = output_folder(runner, inputs)
    run = load_run(folder / RUN_FILE)
    if run.trigger is None:
        raise UsageError(f"{RUN_FILE} does not say who asked for it", hint="synthesize again")
    asked = read_trigger(runner)
    if isinstance(asked, Ignored):
        return _refused(asked.why)
    settings = settings_for(asked, inputs, forge)
    decision = decide(asked, settings, forge)
    if not decision.is_heard:
        return _refused(decision.why)
    # of the artifact's word on who asked, only the commit is used: it is compared with the head
    trigger = replace(decision.trigger, head_sha=run.trigger.head_sha)
    if run.trigger.number not in {trigger.number, None}:
        raise UsageError(
            f"the run is for #{run.trigger.number}, but this workflow is about #{trigger.number}",
            hint="synthesize again",
        )
    run = replace(run, trigger=trigger)
    return publish_run(run, result_of(run, folder), settings.github, forge)


def publish_run(run: Run, result: Result, settings: GithubSettings, forge: Forge) -> Result:
    """Deliver ``run``, and add to ``result`` what came of it. Raises ForgeError."""
    number = run.trigger.number if run.trigger is not None else None
    if number is None:
        say("no pull request or issue asked for this: the patches lie in the output folder")
        return result
    said, place = deliver(forge, run, number, settings)
    voice = Voice(place.settings.label, place.settings.identity)
    return replace(
        result,
        pull_request_url=said.pull_url,
        comment_url=said.comment_url,
        summary=[job_summary(run, said, voice)],
        problems=() if said.is_delivered else (*said.problems, *said.refusals, said.state),
    )


def _refused(why: str) -> Result:
    say(f"refused: {why}")
    return Result("refused", summary=[f"egbot: {why}"])
