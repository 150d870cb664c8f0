"""Small repositories and scripted models for the tests of the whole program.

It does not know what is asked of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from egbot.config import Settings
from egbot.errors import EgbotError
from egbot.pipeline import check_request, solve
from egbot.progress import Progress
from egbot.records import Outcome, Prompt, Run, Tree, TreeFile
from egbot.state import Request, Tools
from egbot.synthesis.budget import Budget
from egbot.testing import ReplaySandbox, Script, ScriptedDecoder

ONE_AGENT = {"guidance": {"gamma": 0.0, "candidates": 0}}
NO_IDEA = Script("\n    return None\n")

STUB = {
    "calc.py": "import os\n\n\ndef double(x):\n    raise NotImplementedError\n\n\nSEP = os.sep\n",
    "test_calc.py": (
        "from calc import SEP, double\n\n"
        "def test_double():\n    assert double(2) == 4\n\n"
        "def test_sep():\n    assert SEP\n"
    ),
}
DOUBLE = Script("\n    return x * 2\n")


def tree_of(files: Mapping[str, str]) -> Tree:
    return {path: TreeFile(text.encode()) for path, text in files.items()}


def settings_of(**overrides: object) -> Settings:
    return Settings.model_validate({**ONE_AGENT, **overrides})


def decoder_of(scripts: Mapping[str, Script]) -> ScriptedDecoder:
    """A model that knows some functions by name and answers with ``return None`` otherwise."""

    def script(prompt: Prompt, again: int) -> Script:
        for name, found in scripts.items():
            if f"def {name}(" in prompt.response_prefix:
                return found
        return NO_IDEA

    return ScriptedDecoder(script)


@dataclass
class Bench:
    """A run with everything that it touched."""

    sandbox: ReplaySandbox = field(default_factory=ReplaySandbox)
    decoder: ScriptedDecoder = field(default_factory=lambda: decoder_of({}))
    events: list[Progress] = field(default_factory=list)
    saved: list[Run] = field(default_factory=list)
    num_loads: int = 0
    interrupt_at: int = -1

    def tools(self) -> Tools:
        return Tools(self.sandbox, self._load, self._report, self.saved.append)

    def solve(
        self,
        files: Mapping[str, str],
        *,
        tests: tuple[str, ...] = (),
        targets: tuple[str, ...] = (),
        settings: Settings | None = None,
        budget: Budget | None = None,
    ) -> Run:
        request = Request(tree_of(files), tests, targets)
        settings = settings or settings_of()
        check_request(request, settings)
        return solve(request, settings, self.tools(), budget)

    def _load(self) -> ScriptedDecoder:
        self.num_loads += 1
        return self.decoder

    def _report(self, event: Progress) -> None:
        if len(self.events) == self.interrupt_at:
            raise KeyboardInterrupt
        self.events.append(event)


def reasons(run: Run) -> list[tuple[str, str]]:
    """Each outcome's function and reason."""
    return [
        (outcome.target.qualname if outcome.target else "", outcome.reason)
        for outcome in run.outcomes
    ]


def code_of(outcome: Outcome) -> str:
    if outcome.patch is None:
        raise EgbotError(f"no patch: {outcome.detail}")
    return outcome.patch.replacement
