"""Loading: from a folder as a user would, and what is said when it does not work."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from egbot.engine import catalog
from egbot.engine.decode import Session
from egbot.engine.model import (
    LoadedModel,
    _device,
    _dtype,
    _other_devices,
    check_model,
    load,
)
from egbot.engine.naive import NaiveSession
from egbot.engine.network import Network
from egbot.engine.replicas import Replicas
from egbot.engine.spread import Spread
from egbot.engine.together import Group
from egbot.errors import ModelError
from egbot.ports import Decoder, GroupDecoder
from tests.engine.agents import PROMPTS, Agent, agent, alone
from tests.engine.tiny_models import PROMPT, SIGNAL, at_line_end, tiny, tokenizer


def ignore(line: str) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny("llama").model.save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_loads_and_decodes_as_it_was_saved(folder: Path) -> None:
    loaded = load(str(folder), "cpu", "float32", report=ignore)
    decoder: Decoder = LoadedModel(replace(loaded.network, end_ids=frozenset()))
    assert decoder.name == str(folder)
    assert decoder.count_tokens("a<|end|>b") > 3
    guided = decoder.open(PROMPT).advance(signal=SIGNAL, gamma=2.0, max_tokens=5, stop=at_line_end)
    expected = Session(tiny("llama"), PROMPT).advance(
        signal=SIGNAL, gamma=2.0, max_tokens=5, stop=at_line_end
    )
    assert guided.text == expected.text
    assert len(guided.tokens) == len(expected.tokens)


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No bars, warnings or log lines of the libraries; what takes long goes to ``report``."""
    lines: list[str] = []
    load(str(folder), "cpu", "float32", report=lines.append)
    assert lines == [f"loading {folder} on cpu"]
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_a_missing_folder_says_what_can_be_given() -> None:
    for ask in (check_model, lambda name: load(name, "cpu", report=ignore)):
        with pytest.raises(ModelError, match="no model at") as caught:
            ask("./not/here")
        assert catalog.DEFAULT in caught.value.hint


def test_an_unknown_hub_name_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asked in a process of its own, because the hub's library reads its settings on import."""
    code = (
        "from egbot.engine.model import load\n"
        "from egbot.errors import ModelError\n"
        "try: load('nobody/nothing', 'cpu', report=print)\n"
        "except ModelError as error: print(error.hint)\n"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "egbot models list" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("damage", ["empty", "config", "weights"])
def test_damaged_files_are_a_model_error(folder: Path, damage: str) -> None:
    if damage == "empty":
        for file in folder.iterdir():
            file.unlink()
    elif damage == "config":
        (folder / "config.json").write_text("{")
    else:
        (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="not loadable"):
        load(str(folder), "cpu", report=ignore)


def test_a_model_that_reads_both_ways_is_refused(folder: Path) -> None:
    config = BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    with pytest.raises(ModelError, match="no causal language model"):
        load(str(folder), "cpu", report=ignore)


def test_a_gguf_file_that_is_none_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF?")
    with pytest.raises(ModelError, match="not loadable"):
        load(str(tmp_path / "m.gguf"), "cpu", report=ignore)


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    """A torch that cannot be imported stands for one that is not installed."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch', name='torch')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from egbot.engine.model import load\n"
        "from egbot.errors import ModelError\n"
        "try: load('smollm2', report=print)\n"
        "except ModelError as error: print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "egbot[engine]" in done.stdout


def test_the_device_is_what_was_asked_for() -> None:
    assert _device("auto", has_cuda=False) == "cpu"
    assert _device("auto", has_cuda=True) == "cuda"
    assert _device("cpu", has_cuda=True) == "cpu"
    with pytest.raises(ModelError, match="CUDA"):
        _device("cuda", has_cuda=False)


def test_agents_work_on_every_visible_gpu() -> None:
    """The first one is where everything else runs, so that it needs no copy."""
    assert _other_devices("cuda", 3) == ("cuda:1", "cuda:2")
    assert _other_devices("cuda", 1) == ()
    assert _other_devices("cpu", 2) == ()


def test_one_device_makes_a_plain_group(folder: Path) -> None:
    loaded = load(str(folder), "cpu", "float32", report=ignore)
    assert isinstance(loaded, GroupDecoder)
    assert type(loaded.together()) is Group


def test_several_devices_make_a_spread_with_copies_that_are_kept(folder: Path) -> None:
    """A session opened alone needs none; what agents write is what they write alone."""
    network = load(str(folder), "cpu", "float32", report=ignore).network
    replicas = Replicas(network, ("cpu", "cpu"), ignore)
    model = LoadedModel(network, replicas)
    model.open(PROMPT)
    assert replicas._made is None
    agents = [agent(seed, 1.0, 2) for seed in range(4)]
    for _ in range(2):
        found, used = spread_out(model, agents)
        assert found == alone(network, agents)
        assert used == [network, *replicas()]


@pytest.mark.gpu
def test_on_several_gpus_agents_write_what_they_write_alone(folder: Path) -> None:
    """With a network on every visible one."""
    if torch.cuda.device_count() < 2:
        pytest.skip("fewer than two CUDA devices")
    model = load(str(folder), "cuda", "float32", report=ignore)
    agents = [agent(seed, 1.0, 2) for seed in range(4)]
    found, used = spread_out(model, agents)
    assert found == alone(model.network, agents)
    assert [one.device.index for one in used] == list(range(torch.cuda.device_count()))


def spread_out(model: LoadedModel, agents: list[Agent]) -> tuple[list[Any], list[Network]]:
    """What the agents write as a spread group, and the networks that it has."""
    with ThreadPoolExecutor(len(agents)) as threads, model.together() as group:
        assert isinstance(group, Spread)
        sessions = [group.open(PROMPTS[number % 2]) for number in range(len(agents))]
        found = list(threads.map(lambda one, session: one(session), agents, sessions))
        groups: list[Any] = list(group._groups)
    return found, [one._network for one in groups]


def test_bfloat16_only_where_the_hardware_has_it() -> None:
    assert _dtype("auto", "cpu", frozenset({"avx512f"})) == "float32"
    assert _dtype("auto", "cpu", frozenset({"avx512_bf16"})) == "bfloat16"
    assert _dtype("auto", "cuda", frozenset()) == "bfloat16"
    assert _dtype("float16", "cuda", frozenset()) == "float16"


@pytest.mark.gpu
@pytest.mark.parametrize("gamma", [0.0, 1.0, 3.0])
def test_on_cuda_the_session_equals_its_slow_twin(folder: Path, gamma: float) -> None:
    """Every tensor is on the device, and drawing works from there."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    network = load(str(folder), "cuda", "float32", report=ignore).network
    network = replace(network, end_ids=frozenset())
    fast, slow = Session(network, PROMPT), NaiveSession(network, PROMPT)
    drawn = fast.sample(3, temperature=1.0, top_p=0.9, max_tokens=6, seed=1, stop=at_line_end)
    assert len(drawn) == 3
    one = fast.advance(signal=SIGNAL, gamma=gamma, max_tokens=8, stop=at_line_end)
    assert one.text == slow.advance(signal=SIGNAL, gamma=gamma, max_tokens=8, stop=at_line_end).text


@pytest.fixture(scope="module")
def smollm2() -> LoadedModel:
    if catalog.path(catalog.DEFAULT) is None:
        pytest.skip("smollm2 has not been pulled: egbot models pull smollm2")
    return load(catalog.DEFAULT, "cpu", "float32", report=ignore)


@pytest.mark.weights
@pytest.mark.parametrize("gamma", [0.0, 1.0, 3.0])
def test_the_embedded_model_decodes_as_its_slow_twin(smollm2: LoadedModel, gamma: float) -> None:
    """On real weights, in float32, token for token."""
    fast, slow = smollm2.open(PROMPT), NaiveSession(smollm2.network, PROMPT)
    for _ in range(2):
        one = fast.advance(signal=SIGNAL, gamma=gamma, max_tokens=8, stop=at_line_end)
        other = slow.advance(signal=SIGNAL, gamma=gamma, max_tokens=8, stop=at_line_end)
        assert one.text == other.text
        assert [token.text for token in one.tokens] == [token.text for token in other.tokens]


@pytest.mark.weights
def test_the_embedded_model_can_add(smollm2: LoadedModel) -> None:
    """Its template, its weights and its tokens fit together: the obvious body is written."""
    started = replace(PROMPT, response_prefix=PROMPT.response_prefix + "    return")
    session = smollm2.open(started)
    session.advance(signal="", gamma=0.0, max_tokens=8, stop=at_line_end)
    assert session.text.startswith(" a + b\n")


@pytest.mark.parametrize(
    ("name", "alias"), [("smolm2", "smollm2"), ("Qwen2.5-Coder-7b", "qwen2.5-coder-7b")]
)
def test_a_name_close_to_an_alias_is_not_looked_for_on_the_hub(name: str, alias: str) -> None:
    """Without a network the hub answers after a minute, and a typing error is likelier."""
    for ask in (check_model, lambda name: load(name, "cpu", report=ignore)):
        with pytest.raises(ModelError, match=f"did you mean {re.escape(alias)}"):
            ask(name)


def test_the_engine_is_looked_for_without_loading_it() -> None:
    """Before a run begins: a path without torch has no engine, and nobody imports one that is."""
    code = (
        "import sys\n"
        "from egbot.engine.model import check_model\n"
        "from egbot.errors import ModelError\n"
        "check_model('smollm2')\n"
        "assert 'torch' not in sys.modules\n"
        "sys.path[:] = [one for one in sys.path if 'site-packages' not in one]\n"
        "try: check_model('smollm2')\n"
        "except ModelError as error: print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "egbot[engine]" in done.stdout


def test_tokens_are_counted_in_any_thread_while_others_decode() -> None:
    """Agents measure their signals while a group decodes in a thread of its own."""
    net = tiny("llama")
    model = LoadedModel(net)
    texts = [f"return {n} + a\n" for n in range(200)]
    expected = [len(net.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(model.count_tokens, texts)) == expected
