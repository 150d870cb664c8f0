"""The sandbox measurement: every figure is real or null with a reason, and nothing is left."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from egbot.bench.sandbox import Effort, measure_sandbox
from egbot.bench.sandbox_figures import LoopTimes, SandboxFigures, percentile, summary, to_json
from egbot.bench.sandbox_table import sandbox_tables
from egbot.cli import cli
from egbot.execution.docker_engine import connected
from egbot.execution.options import SandboxOptions
from tests.machine import IMAGE, need_docker

LITTLE = Effort(num_runs=6, num_fresh=1, num_starts=1, num_loops=1)
KEYS = {
    "warm_p50_ms",
    "warm_p99_ms",
    "runs_per_s",
    "vs_fresh_pytest",
    "vs_fresh_container",
    "trace_us_per_line",
    "rebuild_s",
    "cold_start_s",
    "image_build_s",
    "backend",
    "raw",
}
FIGURES = SandboxFigures(
    backend="docker",
    python="3.11.2",
    pytest="9.0",
    num_cpus=2,
    load_before=0.5,
    image_build_s=12.0,
    cold_start_s=(1.0, 3.0, 2.0),
    rebuild_s=(4.0,),
    warm_s=(0.008, 0.010, 0.030),
    untraced_s=(0.007,),
    num_workers=2,
    runs_per_s=160.0,
    loop=LoopTimes(1000, (0.006,), (0.001,), (0.02,), (0.01,)),
    fresh_pytest_s=(0.4, 0.4),
    fresh_container_s=(),
    reasons={"vs_fresh_container": "there is no Docker engine"},
)


def test_figures_are_what_their_names_say() -> None:
    found = summary(FIGURES)
    assert found["warm_p50_ms"] == pytest.approx(10)
    assert found["warm_p99_ms"] == pytest.approx(30)
    assert found["vs_fresh_pytest"] == pytest.approx(40)
    assert found["vs_fresh_container"] is None
    assert found["trace_us_per_line"] == pytest.approx(5)
    assert found["trace_sent_us_per_line"] == pytest.approx(10)
    assert found["cold_start_s"] == 2.0


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentile(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_the_json_has_every_key_and_a_reason_for_what_is_null() -> None:
    found = json.loads(json.dumps(to_json(FIGURES)))
    assert found.keys() >= KEYS
    assert found["vs_fresh_container_reason"] == "there is no Docker engine"
    assert found["raw"]["warm_s"] == [0.008, 0.01, 0.03]
    assert "reasons" not in found["raw"]


def test_the_table_says_what_was_reached_and_what_was_missed() -> None:
    out = StringIO()
    Console(file=out, width=120).print(sandbox_tables(FIGURES))
    lines = out.getvalue().splitlines()
    verdicts = {line.split(":")[0]: line.split()[-1] for line in lines if ": " in line}
    assert verdicts["warm_p50_ms"] == "reached"
    assert verdicts["rebuild_s"] == "missed"
    assert verdicts["vs_fresh_pytest"] == "reached"
    assert lines[-1] == "vs_fresh_container: none, there is no Docker engine"


def test_a_backend_without_an_engine_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times are positive and in order; what needs an engine is null with its reason."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    said: list[str] = []
    options = SandboxOptions(backend="process", python=Path(sys.executable))
    figures = measure_sandbox(options, LITTLE, said.append)
    found = to_json(figures)
    assert found["backend"] == "process"
    assert found["vs_fresh_container"] is None
    assert "there is no Docker engine" in str(found["vs_fresh_container_reason"])
    assert found["image_build_s"] is None
    assert "named" in str(found["image_build_s_reason"])
    assert len(figures.warm_s) == 6
    assert min(*figures.warm_s, *figures.untraced_s, figures.runs_per_s) > 0
    assert figures.fresh_pytest_s[0] > min(figures.warm_s)
    assert figures.loop.num_lines > 5000
    assert figures.loop.us_per_line > 0
    assert said


def test_a_missing_backend_is_an_error_and_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    result = CliRunner().invoke(cli, ["bench", "sandbox", "--sandbox", "docker", "--json"])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "there is no Docker engine" in result.stderr


@pytest.mark.docker
def test_docker_is_measured_and_its_images_are_removed() -> None:
    need_docker()
    said: list[str] = []
    before = measured_images()
    options = SandboxOptions(backend="docker", image=IMAGE)
    figures = measure_sandbox(options, replace(LITTLE, num_runs=3), said.append)
    found = summary(figures)
    assert [name for name, value in found.items() if value is None] == []
    assert figures.fresh_container_s[0] > min(figures.warm_s)
    assert measured_images() <= before


def measured_images() -> set[str]:
    with connected() as client:
        return {one["Id"] for one in client.images(filters={"label": "egbot.bench"})}
