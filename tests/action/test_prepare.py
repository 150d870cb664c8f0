"""The script that finds or makes the interpreter, with an interpreter that only writes down."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDER = """\
#!/bin/sh
echo "$PWD: $*" >>"$SEEN"
case "$*" in
  *version_info*) exit "${TOO_OLD:-0}" ;;
  *"-m venv"*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
  *"-VV"*) echo "Python ${VERSION:-3.12}" ;;
esac
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    path = tmp_path / "python"
    path.write_text(RECORDER)
    path.chmod(0o755)
    return path


def prepare(recorder: Path, **environment: str) -> tuple[int, str, list[str]]:
    """The exit code, the interpreter that the outputs name, and the calls."""
    folder = recorder.parent
    seen, output = folder / "seen", folder / "output"
    seen.write_text("")
    output.write_text("")
    given = {
        "PATH": os.environ["PATH"],
        "SEEN": str(seen),
        "GITHUB_OUTPUT": str(output),
        "RUNNER_TOOL_CACHE": str(folder / "tools"),
        "EGBOT_PYTHON": str(recorder),
        **environment,
    }
    done = subprocess.run(
        ["bash", ROOT / "action" / "prepare.sh"], cwd=folder, env=given, check=False
    )
    named = output.read_text().strip().removeprefix("python=")
    return done.returncode, named, seen.read_text().splitlines()


def test_an_image_s_interpreter_is_taken_as_it_is(recorder: Path) -> None:
    assert prepare(recorder, EGBOT_ENGINE="/opt/python") == (0, "/opt/python", [])


def test_the_environment_is_made_once_and_from_the_action_s_folder_only(recorder: Path) -> None:
    """In the checked-out repository a file json.py would be taken for the module of that name."""
    code, first, calls = prepare(recorder)
    assert code == 0
    assert first.startswith(str(recorder.parent / "tools" / "egbot"))
    assert all(call.startswith(f"{ROOT}: -I ") for call in calls)
    installed = [call for call in calls if "pip install" in call]
    assert [call.split()[-1] for call in installed] == ["torch", ".[engine,github]"]
    assert all("-c constraints.txt" in call for call in installed)
    code, second, calls = prepare(recorder)
    assert (code, second) == (0, first)
    assert not [call for call in calls if "venv" in call or "pip" in call]
    assert prepare(recorder, VERSION="3.13")[1] != first


def test_an_installation_that_broke_off_is_made_again(recorder: Path) -> None:
    first = prepare(recorder)[1]
    (Path(first).parents[1] / ".ready").unlink()
    assert [call for call in prepare(recorder)[2] if "pip install" in call]


@pytest.mark.parametrize(("mode", "wanted"), [("publish", ".[github]"), ("stubs", ".")])
def test_a_job_that_decodes_nothing_installs_no_engine(
    recorder: Path, mode: str, wanted: str
) -> None:
    calls = prepare(recorder, EGBOT_MODE=mode)[2]
    assert [call.split()[-1] for call in calls if "pip install" in call] == [wanted]


def test_an_old_interpreter_is_refused(recorder: Path) -> None:
    code, named, calls = prepare(recorder, TOO_OLD="1")
    assert (code, named, len(calls)) == (1, "", 1)
