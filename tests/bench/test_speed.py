"""The speed measurement: what it counts is right, what it compares is the same, its words fit."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from egbot.bench.figures import Figures, ratios, to_json
from egbot.bench.speed import measure
from egbot.bench.table import tables
from egbot.bench.workload import Workload, make_signal, make_speed_prompt
from egbot.cli import cli
from egbot.engine.decode import Session
from egbot.engine.network import Network
from tests.engine.tiny_models import tiny

WORK = Workload(prompt_tokens=2400, line_tokens=5, num_lines=3, num_naive_lines=2)
KEYS = {
    "fast_vs_naive_wall",
    "fast_vs_naive_tokens",
    "tokens_vs_bound",
    "guided_vs_greedy_wall",
    "draft_share",
    "agents8_throughput",
    "round64_tokens",
    "device",
    "model",
    "raw",
}


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny("llama", num_context_tokens=4096)


@pytest.fixture(scope="module")
def figures(network: Network) -> Figures:
    return measure(network, WORK, lambda line: None)


def test_both_ways_write_the_same(figures: Figures) -> None:
    """The slow twin proves that what was timed is the same work."""
    assert figures.fast.texts[:2] == figures.naive.texts
    assert ratios(figures)["same_text_share"] == 1.0


def test_tokens_are_counted_as_the_algorithms_forward_them(figures: Figures) -> None:
    """Naive: the whole conditioned prompt for each token. Fast: near the bound."""
    naive, fast = figures.naive, figures.fast
    assert naive.num_guided_tokens == 2 * 5
    conditioned = naive.steps[0].num_tokens - figures.num_prompt_tokens - 4  # less the plain side
    assert 0.9 * 2400 * 5 < conditioned <= (2400 + 4) * 5
    assert naive.sample[0].num_tokens == 3 * (figures.num_prompt_tokens + 9)
    assert fast.sample[0].num_tokens == figures.num_prompt_tokens + 3 * 9
    assert 1.0 <= ratios(figures)["tokens_vs_bound"] < 1.1
    assert ratios(figures)["fast_vs_naive_tokens"] > 4


def test_agents_together_write_what_they_write_alone(figures: Figures) -> None:
    """Each token is forwarded in both ways; together there are far fewer forwards."""
    agents = figures.agents
    assert agents.num_same == 8
    assert agents.alone.num_tokens == agents.together.num_tokens
    assert agents.alone_prefill.num_forwards == agents.together_prefill.num_forwards >= 8
    assert agents.together.num_forwards < agents.alone.num_forwards / 2
    assert agents.throughput > 0


def test_a_round_of_samples_forwards_what_rows_have_in_common_once(figures: Figures) -> None:
    assert figures.round.num_tokens_alone == 64 * (WORK.sample_tokens - 1)
    assert 0 < figures.round.num_tokens_forwarded < figures.round.num_tokens_alone
    assert ratios(figures)["round64_tokens"] > 1.0


def test_a_step_reads_its_weights_and_what_stands_before_it(
    figures: Figures, network: Network
) -> None:
    """Two layers: queries and outputs 32 x 32, keys and values 32 x 16, three of 32 x 48, logits."""
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48
    weights = 2 * layer + 32 * len(network.tokenizer)
    keys_and_values = 2 * 2 * 2 * 8 * WORK.prompt_tokens
    assert figures.memory.step_bytes == 4 * (weights + keys_and_values)
    moved = figures.memory.step_bytes / figures.memory.step_s
    share = ratios(figures)["step_vs_copy_bandwidth"]
    assert share == pytest.approx(moved / figures.memory.copy_bytes_per_s)
    assert figures.memory.copy_bytes_per_s > 1e8


def test_the_json_has_the_keys(figures: Figures) -> None:
    found = json.loads(json.dumps(to_json(figures)))
    assert found.keys() >= KEYS
    assert found["agents8_throughput"] == figures.agents.throughput
    shapes = found["raw"]["shapes"]
    total = sum(one["num_rows"] * one["num_tokens"] * one["times"] for one in shapes)
    assert total == found["raw"]["bound_tokens"]


def test_the_table_shows_every_ratio_with_its_target(figures: Figures) -> None:
    out = StringIO()
    Console(file=out, width=140).print(tables(figures))
    for key in KEYS - {"device", "model", "raw"}:
        assert key in out.getvalue()
    assert "at least 8" in out.getvalue()


def test_a_signal_has_the_length_that_was_asked_for() -> None:
    """As many tokens as fit, and whole lines."""

    def count(text: str) -> int:
        return len(text) // 3 + 1

    signal = make_signal(["\n    return []\n"], 500, count)
    assert 460 < count(signal) <= 501
    assert signal.endswith("\n")


def test_the_conditioned_prompts_are_as_long_as_asked_for(network: Network) -> None:
    """No signal was cut: the workload fits the context."""
    num_prompt = Session(network, make_speed_prompt()).num_prompt_tokens
    figures = measure(network, replace(WORK, num_lines=2, num_naive_lines=1), lambda line: None)
    assert figures.num_prompt_tokens == num_prompt
    for phase in figures.fast.prefill:
        assert num_prompt // 3 < phase.num_tokens <= 2400 + WORK.line_tokens


CONFIG = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 300,
    "max_position_embeddings": 4096,
}


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["bench", "speed", *arguments], prog_name="egbot")
    return done.exit_code, done.stdout, done.stderr


def test_an_architecture_is_timed_without_its_weights(tmp_path: Path) -> None:
    """From a config.json alone; progress goes to stderr, so that stdout is the JSON object."""
    config = tmp_path / "small.json"
    config.write_text(json.dumps(CONFIG))
    code, out, err = run(
        *("--random-weights", str(config), "--device", "cpu", "--prompt-tokens", "1900"),
        *("--line-tokens", "3", "--lines", "2", "--json"),
    )
    assert code == 0, err
    assert json.loads(out)["model"] == "small"
    assert "line 1 of 2: naive" in err


@pytest.mark.parametrize("text", ["{", "{}", '{"model_type": "nobody"}', "[]"])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str) -> None:
    config = tmp_path / "small.json"
    config.write_text(text)
    code, _, err = run("--random-weights", str(config), "--device", "cpu")
    assert code == 3
    assert "small.json" in err


def test_a_vocabulary_without_bytes_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "small.json"
    config.write_text(json.dumps({**CONFIG, "vocab_size": 64}))
    code, _, err = run("--random-weights", str(config), "--device", "cpu")
    assert code == 3
    assert "vocabulary" in err


def test_help_has_an_example() -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "egbot bench speed --random-weights llama-1.3b" in out
