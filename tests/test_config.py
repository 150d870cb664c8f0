"""Settings: defaults, the repository's table, the command line; what does not fit is refused."""

from __future__ import annotations

import pytest

from egbot.config import GuidanceSettings, Settings, known_keys, load_settings
from egbot.errors import UsageError


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings(None, {}) == load_settings("", {}) == Settings()


def test_the_table_beats_the_defaults_and_the_command_line_beats_the_table() -> None:
    text = (
        "[tool.egbot]\nseed = 3\nmax_seconds = 9\n[tool.egbot.guidance]\ngamma = 0\nhorizon = 8\n"
    )
    settings = load_settings(text, {"seed": 5, "guidance": {"gamma": 2.0}})
    assert (settings.seed, settings.max_seconds) == (5, 9.0)
    assert (settings.guidance.gamma, settings.guidance.horizon) == (2.0, 8)


def test_none_on_the_command_line_is_absent_but_zero_is_not() -> None:
    text = "[tool.egbot.guidance]\ngamma = 2\ncandidates = 4\n"
    settings = load_settings(text, {"seed": None, "guidance": {"gamma": 0.0, "candidates": None}})
    assert (settings.guidance.gamma, settings.guidance.candidates) == (0.0, 4)
    assert settings.seed == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.egbot]\nmodle = 'x'\n", "modle"),
        ("[tool.egbot]\nseed = -1\n", "seed"),
        ("[tool.egbot]\nseed = 'one'\n", "seed"),
        ("[tool.egbot]\nmax_seconds = 0\n", "max_seconds"),
        ("[tool.egbot]\nguidance = 3\n", "guidance"),
        ("[tool.egbot.guidance]\ngama = 1\n", "guidance.gama"),
        ("[tool.egbot.guidance]\ncandidates = 65\n", "guidance.candidates"),
        ("[tool.egbot.sandbox]\nbackend = 'podman'\n", "sandbox.backend"),
        ("[tool.egbot.sandbox]\ntest_s = 0\n", "sandbox.test_s"),
        ("[tool.egbot]\nverify_repeats = 0\n", "verify_repeats"),
        ("tool.egbot = 1\n[tool.egbot]\n", "TOML"),
        ("[tool.egbot\n", "TOML"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(text, {})
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["tool = 1\n", "[tool]\negbot = 1\n", "[[tool.egbot]]\nx = 1\n"])
def test_a_table_of_the_wrong_shape_is_the_person_s_mistake(text: str) -> None:
    """Whatever a pyproject.toml holds, the message is one for people."""
    with pytest.raises(UsageError):
        load_settings(text, {})


def test_other_tools_tables_are_none_of_our_business() -> None:
    assert load_settings("[tool.black]\nline-length = 9\n[project]\nname = 'x'\n", {}) == Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 1  # type: ignore[misc]


def test_every_setting_is_known_by_its_dotted_name() -> None:
    keys = known_keys()
    assert len(keys) == len(set(keys))
    assert {"model", "seed", "guidance.gamma", "sandbox.backend"} <= set(keys)
    assert "guidance" not in keys


@pytest.mark.parametrize("name", ["gamma", "candidates", "horizon", "temperature"])
def test_naming_one_of_the_schedule_s_values_leaves_the_schedule(name: str) -> None:
    assert GuidanceSettings(max_lines=3).is_default
    assert not GuidanceSettings.model_validate({name: 1}).is_default
