"""The doctor says what is here and what to do about what is not."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from egbot.cli import cli
from egbot.doctor import Probe, _build, _counted, examine, is_ready
from egbot.execution.options import SandboxOptions

NAMES = ("python", "git", "torch", "transformers", "gpu", "model", "docker", "docker image",
         "bubblewrap", "cache", "space for models", "space for reports")  # fmt: skip
ALL = tuple(Probe(name, ok=True, detail="here") for name in NAMES)


def without(*names: str) -> tuple[Probe, ...]:
    return tuple(replace(probe, ok=probe.name not in names) for probe in ALL)


@pytest.mark.parametrize(
    ("missing", "ready"),
    [
        ((), True),
        (("gpu",), True),
        (("model",), True),
        (("docker", "docker image"), True),
        (("docker image",), True),
        (("bubblewrap",), True),
        (("bubblewrap", "docker"), False),
        (("bubblewrap", "docker image"), False),
        (("git",), False),
        (("torch",), False),
        (("transformers",), False),
        (("python",), False),
    ],
)
def test_one_sandbox_is_enough_and_a_gpu_is_a_luxury(missing: tuple[str, ...], ready: bool) -> None:
    assert is_ready(without(*missing)) is ready


def test_every_check_says_what_it_found_and_what_to_do(tmp_path: Path) -> None:
    checks = examine(SandboxOptions(), tmp_path / "not" / "yet")
    assert tuple(check.name for check in checks) == NAMES
    assert all(check.detail for check in checks)
    assert all(check.hint for check in checks if not check.ok)
    assert not (tmp_path / "not").exists()


def test_git_that_is_not_there_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {check.name: check for check in examine(SandboxOptions(), tmp_path)}
    assert not found["git"].ok
    assert "git" in found["git"].hint


@pytest.mark.parametrize(
    ("cuda", "rocm", "words"),
    [("13.0", None, "CUDA 13.0"), (None, "6.4", "ROCm 6.4"), (None, None, "CPU")],
)
def test_a_build_of_torch_has_a_name(cuda: str | None, rocm: str | None, words: str) -> None:
    assert _build(cuda, rocm) == words


def test_torch_s_build_and_what_it_costs_are_told(tmp_path: Path) -> None:
    """Where no GPU is used, anything but the CPU build is told to be more than is needed."""
    torch = pytest.importorskip("torch")
    found = {check.name: check for check in examine(SandboxOptions(), tmp_path)}
    build = _build(torch.version.cuda, torch.version.hip)
    size = re.search(rf"{build} build, (\d+\.\d) GiB on disk", found["torch"].detail)
    assert size is not None
    assert float(size[1]) > 0.1
    assert bool(found["torch"].hint) == (build != "CPU" and not found["gpu"].ok)


def test_a_torch_that_does_not_load_is_a_finding_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = {check.name: check for check in examine(SandboxOptions(), tmp_path)}
    assert (found["torch"].ok, found["gpu"].ok) == (False, False)
    assert "CPU build" in found["torch"].hint


def test_gpus_are_counted_by_name() -> None:
    assert _counted(["A100", "T4", "A100"]) == "2 x A100, 1 x T4"


def test_a_model_that_was_not_pulled_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    found = {check.name: check for check in examine(SandboxOptions(), tmp_path)}
    assert not found["model"].ok
    assert "egbot models pull" in found["model"].hint


def test_the_command_shows_every_check_and_ends_with_the_verdict() -> None:
    result = CliRunner().invoke(cli, ["doctor"], prog_name="egbot")
    assert result.exit_code in {0, 3}
    shown = " ".join(result.output.split())
    for name in NAMES:
        assert name in shown
    expected = "egbot can work here" if result.exit_code == 0 else "egbot cannot work here yet"
    assert shown.endswith(expected)
