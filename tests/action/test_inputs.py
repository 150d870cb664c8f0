"""action.yml and the settings are one list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from egbot.action.inputs import OWN, input_name, read_inputs
from egbot.action.modes import Result
from egbot.config import known_keys, load_settings
from egbot.errors import UsageError

ACTION = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text(encoding="utf-8"))


def test_every_setting_is_a_documented_input_and_nothing_else_is() -> None:
    settings = {input_name(key) for key in known_keys()}
    assert set(ACTION["inputs"]) == settings | set(OWN)
    for name, given in ACTION["inputs"].items():
        assert len(given["description"]) > 15, name


def test_an_input_that_is_not_given_changes_no_setting() -> None:
    defaults = {name: given["default"] for name, given in ACTION["inputs"].items()}
    inputs = read_inputs(json.dumps(defaults))
    assert inputs.overrides == {}
    assert (inputs.mode, inputs.output, inputs.tests) == ("synthesize", "egbot-out", ())


def test_inputs_become_settings() -> None:
    given = {
        "mode": "all",
        "seed": "7",
        "guidance-gamma": "1.5",
        "sandbox-test-s": "2.5",
        "github-bots": "renovate[bot], dependabot[bot]",
        "github-identity": "false",
        "sandbox-setup": "make one\n  make two\n",
        "sandbox-env": "A=1\nB = x=y",
        "tests": " tests/a.py  tests/b.py ",
    }
    inputs = read_inputs(json.dumps(given))
    settings = load_settings(None, inputs.overrides)
    assert settings.seed == 7
    assert settings.guidance.gamma == 1.5
    assert settings.sandbox.test_s == 2.5
    assert settings.github.bots == ("renovate[bot]", "dependabot[bot]")
    assert not settings.github.identity
    assert settings.sandbox.setup == ("make one", "make two")
    assert settings.sandbox.env == {"A": "1", "B": "x=y"}
    assert inputs.tests == ("tests/a.py", "tests/b.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"mode": "do"}', "mode"),
        ('{"sed": ""}', "sed"),
    ],
)
def test_wrong_inputs_are_usage_errors(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_inputs(text)


def test_a_token_does_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(read_inputs('{"token": "s3cret"}'))


def test_the_outputs_are_those_that_the_action_declares() -> None:
    assert set(ACTION["outputs"]) == set(Result("patched").outputs())
    for name, given in ACTION["outputs"].items():
        assert given["value"] == f"${{{{ steps.egbot.outputs.{name} }}}}"


def test_no_expression_becomes_a_part_of_a_script() -> None:
    """Values go through the environment; a script that holds one would run a stranger's words."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
