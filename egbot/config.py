"""Owns `Settings`: defaults < ``[tool.egbot]`` of the repository < command line. It reads no clock,
no environment and no model; whoever calls it brings the text in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from egbot.errors import UsageError
from egbot.records import Limits

_TOKENS_FOR_A_LINE = 5000  # with the samples around it
_OWN_NAMES = ("TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED")


def _inner_path(text: str) -> str:
    """Refuse what leaves the repository, however it is written."""
    parts = text.split("/")
    if not text.isprintable() or "\\" in text or {"", ".", ".."} & set(parts):
        raise ValueError("it must be a plain path inside the repository, such as ci/Dockerfile")
    return text


def _variable_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", text):
        raise ValueError("a variable's name has letters, digits and underscores")
    if text in _OWN_NAMES or text.upper().startswith("EGBOT_"):
        raise ValueError(f"{text} is the sandbox's own")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL")
    return text


InnerPath = Annotated[str, Field(max_length=400), AfterValidator(_inner_path)]
Command = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_without_nul)]
Name = Annotated[str, AfterValidator(_variable_name)]
Dotted = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)]
Value = Annotated[str, Field(max_length=8000), AfterValidator(_without_nul)]


class SandboxSettings(BaseModel):
    """How repository code is run: ``[tool.egbot.sandbox]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["auto", "docker", "bubblewrap", "process"] = "auto"
    python: str | None = Field(None, description="the interpreter that has the tests' packages")
    image: str = Field("python:3.11-slim", description="base image of the Docker sandbox")
    runtime: str | None = Field(None, description="container runtime, for example runsc")
    dockerfile: InnerPath | None = Field(
        None, description="a Dockerfile of the repository, built instead of image"
    )
    setup: tuple[Command, ...] = Field(
        (), description="shell commands run while the Docker image is built, without a network"
    )
    env: dict[Name, Value] = Field(
        default_factory=dict, description="variables that the tests see, with their values"
    )
    test_s: float = Field(5.0, gt=0, le=3600, description="seconds that one test may take")
    memory_mib: int = Field(1024, ge=64, description="memory that one test may take, MiB")

    @property
    def limits(self) -> Limits:
        """What one test may use."""
        return Limits(test_s=self.test_s, memory_bytes=self.memory_mib * 1024 * 1024)


class GuidanceSettings(BaseModel):
    """Which agents try, or what the one agent does; a value that is None is left to the schedule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(
        "egbot",
        pattern=r"^(egbot|paper|greedy|samples:[1-9][0-9]{0,2})$",
        description="egbot, paper (its grid, without what egbot adds), greedy or samples:N",
    )
    agents: str | None = Field(
        None, description="the agents by name, such as greedy,guided:gamma=1:s=3:d=2,samples:8"
    )
    gamma: float | None = Field(None, ge=0, le=100)
    candidates: int | None = Field(None, ge=0, le=64)
    horizon: int | None = Field(None, ge=1, le=200)
    temperature: float | None = Field(None, ge=0, le=5)
    max_lines: int | None = Field(None, ge=1, le=400)

    @property
    def is_default(self) -> bool:
        """Whether nothing that the schedule would choose was asked for."""
        return (self.gamma, self.candidates, self.horizon, self.temperature) == (None,) * 4


class GithubSettings(BaseModel):
    """What egbot listens to and how it answers: ``[tool.egbot.github]`` of the base branch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field("egbot", min_length=1, description="the label that asks for functions")
    bots: tuple[str, ...] = Field((), description="bots whose labels and comments count, by login")
    delivery: Literal["auto", "suggestion", "pull_request", "commit", "comment"] = Field(
        "auto", description="auto: a suggestion where the diff allows it, else a pull request"
    )
    branch_prefix: str = Field("egbot/", pattern=r"^[A-Za-z0-9._-]+/$")
    identity: bool = Field(True, description="close every post with the line that says who wrote")
    check_run: bool = Field(True, description="post a check run of our own")


class GuardSettings(BaseModel):
    """What written functions may use beyond what the guard allows: ``[tool.egbot.guard]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[Dotted, ...] = Field(
        (), description="modules, their members and builtins, such as subprocess or os.environ"
    )


class Settings(BaseModel):
    """Everything that steers a run; read once, never changed. Keys equal ``[tool.egbot]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("smollm2", description="alias, folder, .gguf file or hub name")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = Field(0, ge=0, lt=2**31)
    max_seconds: float = Field(600.0, gt=0, description="wall-clock budget of the whole run")
    max_tokens: int = Field(400_000, gt=0, description="budget of tokens forwarded, whole run")
    verify_repeats: int = Field(3, ge=1, le=20, description="times the target tests must pass")
    guidance: GuidanceSettings = GuidanceSettings()
    sandbox: SandboxSettings = SandboxSettings()
    github: GithubSettings = GithubSettings()
    guard: GuardSettings = GuardSettings()

    @property
    def max_lines(self) -> int:
        """The longest function, lines: as asked for, else what the tokens pay for, from 80 to 400.

        A quarter of the functions of Python packages have more than 24 lines, few more than 80.
        """
        affordable = self.max_tokens // _TOKENS_FOR_A_LINE
        return self.guidance.max_lines or max(80, min(affordable, 400))


def load_settings(
    pyproject: str | None, overrides: Mapping[str, object], *, where: str = "pyproject.toml"
) -> Settings:
    """Settings from ``[tool.egbot]`` in the text of a pyproject file, overridden key by key.

    ``overrides`` is nested as Settings is; None values count as absent. Raises UsageError that
    names the key when a value does not fit or a key is unknown.
    """
    try:
        return Settings.model_validate(_merge(section(pyproject, where), overrides))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        is_unknown = first["type"] == "extra_forbidden"
        why = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"setting {key!r}: {'there is no such setting' if is_unknown else why}",
            hint="an output is named on the command line (--output) or in the workflow"
            if key == "output"
            else f"known settings: {', '.join(known_keys())} (in [tool.egbot] of {where})",
        ) from error


def section(pyproject: str | None, where: str = "pyproject.toml") -> dict[str, object]:
    """The table ``[tool.egbot]`` as it is written. Raises UsageError when there is no reading it."""
    try:
        tool = tomllib.loads(pyproject or "").get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{where} is not valid TOML: {error}", hint="mend the file, then run again"
        ) from error
    table = tool.get("egbot", {}) if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        raise UsageError(f"[tool.egbot] of {where} is not a table", hint="write [tool.egbot]")
    return table


def known_keys() -> tuple[str, ...]:
    """Every setting's dotted name, in the order of the classes."""
    keys: list[str] = []
    for name, field in Settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys.extend(f"{name}.{key}" for key in inner.model_fields)
        else:
            keys.append(name)
    return tuple(keys)


def _merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        below = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = _merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
