"""Files are written whole or not at all, under safe names, and run.json comes back as it was."""

from __future__ import annotations

import json
import math
import os
import resource
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.errors import SpaceError, UsageError
from egbot.records import Run, TestOutcome
from egbot.report.files import (
    read_run,
    run_json,
    safe_name,
    write_outcome,
    write_reports,
    write_run,
    write_text,
)
from tests.report.golden import check
from tests.report.samples import DIFF, hostile, no_target, sample_run, solved, unsolved


def test_write_outcome_leaves_four_files(tmp_path: Path) -> None:
    """A solved target leaves its patch, trace and both reports, and nothing else."""
    outcome = solved()
    paths = write_outcome(tmp_path, 3, outcome, run=sample_run(outcome))
    assert paths.folder == tmp_path / "03-running_total"
    assert sorted(path.name for path in paths.folder.iterdir()) == [
        "patch.diff",
        "report.html",
        "report.md",
        "trace.json",
    ]
    assert paths.patch is not None
    assert paths.patch.read_text("utf-8") == DIFF
    assert json.loads(paths.trace.read_text("utf-8"))["schema"] == "egbot.trace/1"


def test_reports_of_a_run_replace_those_that_lie_there(tmp_path: Path) -> None:
    """Rendering again leaves one folder for each target of this run, and none of another one."""
    write_outcome(tmp_path, 7, solved())
    paths = write_reports(tmp_path, sample_run(no_target(), solved(), unsolved()))
    assert [path.folder.name for path in paths] == ["02-running_total", "03-running_total"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "02-running_total",
        "03-running_total",
    ]


def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path) -> None:
    """A repository may bring the folder of an outcome as a link, and run.json as another file."""
    out, far = tmp_path / "out", tmp_path / "far"
    out.mkdir()
    far.mkdir()
    (far / "trace.json").write_text("mine")
    (out / "01-running_total").symlink_to(far)
    with pytest.raises(UsageError, match="is a link"):
        write_outcome(out, 1, solved())
    with pytest.raises(UsageError, match="is a link"):
        write_reports(out, sample_run(solved()))
    (out / "run.json").hardlink_to(far / "trace.json")
    write_run(out / "run.json", sample_run(solved()))
    (out / "run.json").unlink()
    os.mkfifo(out / "run.json")
    write_run(out / "run.json", sample_run(solved()))
    assert read_run(out / "run.json").finished == sample_run(solved()).finished
    assert [path.name for path in far.iterdir()] == ["trace.json"]
    assert (far / "trace.json").read_text() == "mine"


def test_no_patch_no_file(tmp_path: Path) -> None:
    """Without a patch there is no empty patch.diff that somebody could apply."""
    paths = write_outcome(tmp_path, 1, unsolved())
    assert paths.patch is None
    assert not (paths.folder / "patch.diff").exists()
    assert write_outcome(tmp_path, 2, no_target()).folder.name == "02-no_target"


def test_hostile_outcome_stays_in_its_folder(tmp_path: Path) -> None:
    """A name full of path tricks becomes one folder inside the one that was given."""
    outcome = hostile(3_000)
    assert outcome.target is not None
    outcome = replace(outcome, target=replace(outcome.target, qualname="../../etc/\0passwd\u202e"))
    paths = write_outcome(tmp_path / "out", 1, outcome)
    assert paths.folder.parent == tmp_path / "out"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@given(st.text(alphabet=st.characters()))
def test_safe_names_are_safe(qualname: str) -> None:
    """Any name becomes a short, non-empty one that no file system reads as a path or hides."""
    name = safe_name(qualname)
    assert 1 <= len(name) <= 60
    assert name.isascii()
    assert not name.startswith(".")
    assert ".." not in name
    assert not set(name) & set("/\\:\0 ")


def test_run_comes_back_as_it_was(tmp_path: Path) -> None:
    """Reading run.json gives an equal run, lone surrogates and line breaks included."""
    run = sample_run(solved(), unsolved(), no_target())
    write_run(tmp_path / "run.json", run)
    assert read_run(tmp_path / "run.json") == run
    odd = sample_run(replace(solved(), detail="\ud800 \udc80 \x00 \r\n \u2028"))
    write_run(tmp_path / "run.json", odd)
    assert read_run(tmp_path / "run.json") == odd


def test_numbers_that_json_lacks_become_far_ones(tmp_path: Path) -> None:
    """A log-probability of minus infinity neither breaks the file nor the reader."""
    outcome = hostile(3_000)
    (step,) = outcome.attempts[0].lines
    # without its tests, which no sandbox may have sent
    attempt = replace(outcome.attempts[0], lines=(replace(step, candidates=()),))
    run = sample_run(replace(outcome, attempts=(attempt,), evidence=()))
    write_run(tmp_path / "run.json", run)
    found = read_run(tmp_path / "run.json").outcomes[0].attempts[0]
    assert found.lines[0].tokens[0].logp_plain == -1e308
    assert found.lines[0].wall_s == 1e308
    assert math.isfinite(found.guidance.gamma)


def test_golden_run() -> None:
    """The keys of run.json are reviewed when they change, and ``schema`` comes first."""
    text = run_json(sample_run(no_target()))
    assert list(json.loads(text)) == [field.name for field in fields(Run)]
    check("no_target.run.json", json.dumps(json.loads(text), indent=1) + "\n")


def broken(run: Run, change: str) -> str:
    data: Any = json.loads(run_json(run))
    if change == "unknown":
        data["outcomes"][0]["stats"]["surprise"] = 1
    elif change == "missing":
        del data["outcomes"][0]["target"]["span"]["end_byte"]
    elif change == "type":
        data["outcomes"][0]["attempts"][0]["num_passed"] = "many"
    elif change == "literal":
        data["outcomes"][0]["reason"] = "\x1b[31mfine"
    elif change == "bound":
        data["outcomes"][0]["evidence"] = [asdict(TestOutcome("t", "passed", duration_s=-1))]
    elif change == "schema":
        data["schema"] = "egbot.run/2"
    elif change == "list":
        data = [data]
    return "{" if change == "json" else json.dumps(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("unknown", "outcomes.0.stats.surprise: Unexpected keyword"),
        ("missing", "outcomes.0.target.span.end_byte: Field required"),
        ("type", "outcomes.0.attempts.0.num_passed: Input should be a valid integer"),
        ("literal", "outcomes.0.reason: Input should be 'patched'"),
        ("bound", "outcomes.0.evidence.0.duration_s: Input should be greater"),
        ("schema", "its schema is 'egbot.run/2', not 'egbot.run/1'"),
        ("list", "its schema is None"),
        ("json", "is not a JSON file"),
    ],
)
def test_broken_run_names_file_and_field(tmp_path: Path, change: str, told: str) -> None:
    """Whoever edits run.json by hand is told which field of which file is wrong."""
    path = tmp_path / "run.json"
    path.write_text(broken(sample_run(solved()), change), "utf-8")
    with pytest.raises(UsageError) as caught:
        read_run(path)
    assert str(path) in caught.value.message
    assert told in caught.value.message
    assert caught.value.message.isprintable()


def test_missing_deep_and_binary_files_are_usage_errors(tmp_path: Path) -> None:
    """No file, bottomless nesting and bytes that are no text are told, not raised raw."""
    (tmp_path / "deep").write_text("[" * 200_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("absent", "deep", "bytes", "."):
        with pytest.raises(UsageError):
            read_run(tmp_path / name)


def test_failed_write_names_the_path_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A folder that cannot be made is a SpaceError with its path; nothing half-written stays."""
    (tmp_path / "file").write_text("old")
    with pytest.raises(SpaceError, match="file/below"):
        write_text(tmp_path / "file" / "below", "new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpaceError, match="folder"):
        write_text(tmp_path / "folder", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_write_that_breaks_off_is_told(tmp_path: Path) -> None:
    """When space ends in the middle, the error says so and no part of the file stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(SpaceError) as caught:
            write_text(tmp_path / "report.md", "x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "report.md cannot be written: File too large" in caught.value.message
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_undecodable_bytes_of_a_diff_survive(tmp_path: Path) -> None:
    """A patch of a file in another encoding is written with the bytes that it was read with."""
    write_text(tmp_path / "patch.diff", b"+ caf\xe9\n".decode("utf-8", "surrogateescape"))
    assert (tmp_path / "patch.diff").read_bytes() == b"+ caf\xe9\n"
    write_text(tmp_path / "patch.diff", "\ud800")
    assert (tmp_path / "patch.diff").read_bytes() == b"\\ud800"
