"""Owns what the modes ``synthesize`` and ``stubs`` do: the same functions as the command line's.

It posts nothing; what is found lies in the output folder, for the mode ``publish``.
"""

from __future__ import annotations

import dataclasses
import io
import json
import lzma
import posixpath
import secrets
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from egbot import __version__, local
from egbot.action.checkout import Origin, fetch
from egbot.action.front import Plan
from egbot.action.inputs import Inputs
from egbot.action.runner import Runner, no_commands, say
from egbot.bounds import refuse_links
from egbot.consent import refuse_forbidden, settings_of
from egbot.errors import EgbotError, ForgeError, HeadMovedError
from egbot.forge import Forge
from egbot.intake.failures import from_root, selected_tests, within
from egbot.intake.junit import MAX_BYTES
from egbot.local import Order, run_order
from egbot.output import RUN_FILE
from egbot.ports import Sandbox
from egbot.records import SCHEMA_RUN, Run, Tree, Trigger
from egbot.report.files import clear_outcomes, write_json, write_run, write_text
from egbot.report.markdown import render_markdown
from egbot.report.progress import make_view
from egbot.repository import head_sha, ignored_modules, open_repository, snapshot
from egbot.stubbing import patches_of, stubs_json, stubs_of_each

REQUEST_FILE = "request.json"
_BAD_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, OSError, EOFError, ValueError, MemoryError),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a mode ended: the step's outputs, and sections for the job summary.

    ``problems`` are why something could not be delivered.
    """

    outcome: str
    patched: int = 0
    pull_request_url: str = ""
    comment_url: str = ""
    report_path: str = ""
    summary: list[str] = field(default_factory=list)
    problems: tuple[str, ...] = ()

    def outputs(self) -> dict[str, str]:
        """The outputs by the names that action.yml declares."""
        return {
            "outcome": self.outcome,
            "patched": str(self.patched),
            "pull-request-url": self.pull_request_url,
            "comment-url": self.comment_url,
            "report-path": self.report_path,
        }


def output_folder(runner: Runner, inputs: Inputs) -> Path:
    """Where run.json and the reports lie. Raises UsageError for a link in the workspace."""
    folder = runner.workspace / inputs.output
    refuse_links(folder, runner.workspace)
    return folder


def clear_output(runner: Runner, inputs: Inputs) -> None:
    """Remove what an earlier run left there: it must not be taken for this one's."""
    folder = output_folder(runner, inputs)
    for name in (RUN_FILE, REQUEST_FILE):
        (folder / name).unlink(missing_ok=True)
    clear_outcomes(folder)


def has_run(runner: Runner, inputs: Inputs) -> bool:
    """Whether the output folder holds a run of this very workflow run.

    A self-hosted runner may keep its workspace, and with it the run of another day.
    """
    folder = output_folder(runner, inputs)
    if not (folder / RUN_FILE).is_file():
        return False
    try:
        request = json.loads((folder / REQUEST_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return True  # whoever publishes looks at the run itself
    told = request.get("run_id") if isinstance(request, dict) else None
    if told in {None, runner.run_id}:
        return True
    say(f"{inputs.output} holds another workflow run's results; they are left alone")
    return False


# --- synthesize --------------------------------------------------------------------------------


def synthesize(
    plan: Plan, runner: Runner, inputs: Inputs, forge: Forge, effects: local.Effects
) -> tuple[Run, Result]:
    """Write the functions that the plan asks for; run.json and the reports lie in the output.

    When it fails, run.json says so: whoever publishes then has something to tell.
    """
    output = output_folder(runner, inputs)
    order = Order(
        repository=Path(), output=output, overrides=inputs.overrides, settings=plan.settings
    )
    try:
        order = _order(order, plan, runner, inputs, forge)
        with no_commands(), make_view(Console(width=120), plain=True) as view:
            run = run_order(order, view, effects)
    except EgbotError as error:
        trigger = order.trigger or plan.trigger
        _leave_evidence(output, plan, trigger, error)
        raise
    return run, result_of(run, output)


def _order(order: Order, plan: Plan, runner: Runner, inputs: Inputs, forge: Forge) -> Order:
    """The order with the repository's files fetched, and the request's files written."""
    folder, sha = _repository(plan, runner, inputs, forge)
    trigger = replace(plan.trigger, head_sha=sha)
    scratch = folder.parent / f"egbot-request-{secrets.token_hex(8)}"
    if inputs.path:
        scratch = runner.temp / scratch.name
    issue_text: Path | None = None
    if plan.has_issue_tests:
        issue_text = scratch / "issue.md"
        write_text(issue_text, trigger.text)
    written: dict[str, object] = {
        "run_id": runner.run_id,
        "trigger": dataclasses.asdict(trigger),
        "wish": dataclasses.asdict(plan.wish),
    }
    write_json(order.output / REQUEST_FILE, written)
    return replace(
        order,
        repository=folder,
        folders=(folder,),
        tests=plan.wish.tests,
        targets=plan.wish.targets,
        junit=_junit(trigger, inputs, forge, scratch),
        issue_text=issue_text,
        trigger=trigger,
    )


def _repository(plan: Plan, runner: Runner, inputs: Inputs, forge: Forge) -> tuple[Path, str]:
    """The folder with the trigger's commit, and that commit."""
    if inputs.path:
        folder = runner.workspace / inputs.path
        sha = head_sha(open_repository(folder))
        if plan.trigger.head_sha not in {"", sha}:
            raise HeadMovedError(
                f"{inputs.path} is checked out at {sha[:12]}, but {plan.trigger.head_sha[:12]} "
                "was asked for",
                hint="check out the head of the pull request, or leave the input path empty",
            )
        return folder, sha
    folder = runner.temp / f"egbot-{secrets.token_hex(8)}" / "repository"
    origin = Origin(runner.server_url, runner.repository, inputs.token)
    branch = "" if plan.trigger.kind == "pull_request" else forge.default_branch()
    sha = fetch(origin, plan.trigger, branch, folder)
    say(f"fetched {sha} of {runner.repository}")
    return folder, sha


def _junit(trigger: Trigger, inputs: Inputs, forge: Forge, scratch: Path) -> Path | None:
    """The JUnit XML of the workflow run that failed; None where it left none."""
    if trigger.workflow_run_id is None or not inputs.junit_artifact:
        return None
    artifacts = dict(forge.workflow_artifacts(trigger.workflow_run_id))
    found = artifacts.get(inputs.junit_artifact)
    if found is None:
        say(f"the run left no artifact {inputs.junit_artifact}; the whole suite runs instead")
        return None
    path = scratch / "junit.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(xml_of(forge.artifact(found, MAX_BYTES)))
    return path


def xml_of(archive: bytes) -> bytes:
    """The first XML file of a zip archive, by name. Raises ForgeError when there is none.

    The archive is a stranger's: nothing is unpacked to the disk, and no more is read than a
    JUnit report may have.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            names = sorted(name for name in opened.namelist() if name.lower().endswith(".xml"))
            if names:
                with opened.open(names[0]) as file:
                    return file.read(MAX_BYTES + 1)
    except _BAD_ARCHIVE as error:
        raise ForgeError("the artifact with the JUnit report is no readable zip archive") from error
    raise ForgeError("the artifact holds no .xml file", hint="upload the file of pytest --junitxml")


def _leave_evidence(output: Path, plan: Plan, trigger: Trigger, error: EgbotError) -> None:
    if (output / RUN_FILE).exists():
        return
    run = Run(
        schema=SCHEMA_RUN,
        egbot=__version__,
        settings=plan.settings.model_dump(mode="json"),
        detail=f"{error.message}{f' ({error.hint})' if error.hint else ''}",
        versions=local.versions(),
        trigger=trigger,
    )
    write_run(output / RUN_FILE, run)


def result_of(run: Run, output: Path) -> Result:
    """What a run comes to: patched, partly_patched, not_patched or nothing_to_do."""
    reasons = [one.reason for one in run.outcomes if one.reason != "nothing_to_do"]
    patched = reasons.count("patched")
    if not reasons:
        outcome = "nothing_to_do" if run.finished else "not_patched"
    else:
        part = "partly_patched" if patched else "not_patched"
        outcome = "patched" if patched == len(reasons) else part
    reports = sorted(output.glob("[0-9][0-9]*-*/report.html"))
    summary = [render_markdown(one, run=run) for one in run.outcomes]
    return Result(
        outcome,
        patched,
        report_path=str(reports[0]) if reports else "",
        summary=summary or [f"egbot: {run.detail or 'there was nothing to do'}"],
    )


# --- stubs -------------------------------------------------------------------------------------


def stubs(runner: Runner, inputs: Inputs, effects: local.Effects) -> Result:
    """Stubs for what the tests use and the repository lacks, as a diff."""
    folder = runner.workspace / (inputs.path or ".")
    repository = open_repository(folder)
    tree = snapshot(repository, note=lambda text: say(f"left out: {text}"))
    here = within(repository, tree, folder).folder
    usual = posixpath.join(here, "tests")
    tests = inputs.tests or (
        usual if any(one.startswith(f"{usual}/") for one in tree) else here or ".",
    )
    chosen = selected_tests(from_root(tests, tree, repository.root, (folder,)), tree)
    settings = settings_of(tree, inputs.overrides, repository.root)
    refuse_forbidden(settings, inputs.overrides, repository.root)
    with no_commands(), make_view(Console(width=120), plain=True) as view:

        def sandbox_of(project: str, tree: Tree) -> Sandbox:
            return effects.make_sandbox(settings, tree, repository._replace(folder=project), view)

        ignored = ignored_modules(repository)
        made = stubs_of_each(tree, chosen, sandbox_of, settings.sandbox.limits, ignored)
    patches = patches_of(made, tree, repository.root)
    diff = "".join(patch.unified_diff for patch in patches)
    output = output_folder(runner, inputs)
    write_text(output / "stubs.diff", diff)
    write_text(output / "stubs.json", f"{stubs_json(made, diff)}\n")
    with no_commands():
        for problem in made.problems:
            say(f"problem: {problem}")
        say(diff or "no stub is missing")
    fence = "`" * max(3, 1 + max((len(run) for run in _runs_of_backticks(diff)), default=0))
    shown = f"{fence}diff\n{diff}\n{fence}" if diff else "No stub is missing."
    return Result(
        "stubs_missing" if patches else "complete",
        len(patches),
        report_path=str(output / "stubs.diff"),
        summary=[f"## Stubs\n\n{shown}"],
    )


def _runs_of_backticks(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]
