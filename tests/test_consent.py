"""Who may choose which setting: the table row by row, a person's consent, and hostile repositories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.bounds import is_below, refuse_links
from egbot.cli import cli
from egbot.config import Settings, known_keys
from egbot.consent import RULES, grant, is_trusted, settings_of, wants_of
from egbot.errors import UsageError
from egbot.records import Tree, TreeFile

ROWS: Mapping[str, list[tuple[object, str]]] = {
    "model": [
        ("smollm2", "always"),
        ("qwen2.5-coder-7b", "after trust"),
        ("evil/model", "after trust"),
        ("/models/mine", "after trust"),
        ("../model", "after trust"),
        ("http://evil.invalid/v1#x", "after trust"),
        ("weights", "never"),
        ("./weights", "never"),
        ("./not-there", "never"),
        ("weights/not-there.gguf", "never"),
        ("{root}/weights", "never"),
        ("{outside}/link", "never"),
    ],
    "device": [("cuda", "always")],
    "seed": [(7, "always")],
    "max_seconds": [(1.0, "always"), (90_000.0, "always")],
    "max_tokens": [(1, "always"), (10**9, "always")],
    "verify_repeats": [(1, "always")],
    "guidance.method": [("greedy", "always")],
    "guidance.agents": [("greedy", "always")],
    "guidance.gamma": [(1.5, "always")],
    "guidance.candidates": [(2, "always")],
    "guidance.horizon": [(2, "always")],
    "guidance.temperature": [(0.5, "always")],
    "guidance.max_lines": [(99, "always")],
    "sandbox.backend": [("docker", "always"), ("bubblewrap", "always"), ("process", "never")],
    "sandbox.python": [
        ("/usr/bin/python3", "after trust"),
        ("python3", "never"),
        ("~/python", "never"),
        ("./evil.sh", "never"),
        ("../elsewhere/python", "never"),
        ("{root}/evil.sh", "never"),
        ("{root}/EVIL.SH", "never"),
        ("{root}/weights/../evil.sh", "never"),
        ("{root}/out", "never"),
        ("{outside}/link/config.json", "never"),
        ("/proc/self/cwd/evil.sh", "never"),
    ],
    "sandbox.image": [("evil:latest", "after trust")],
    "sandbox.runtime": [("runc", "after trust")],
    "sandbox.dockerfile": [("ci/Dockerfile", "after trust")],
    "sandbox.setup": [(["make"], "after trust")],
    "sandbox.env": [({"A": "b"}, "after trust")],
    "guard.allow": [(["subprocess", "os.environ"], "after trust")],
    "sandbox.test_s": [(1.0, "always"), (60.0, "after trust")],
    "sandbox.memory_mib": [(64, "always"), (10**6, "after trust")],
    "github.label": [("solve", "always")],
    "github.bots": [(["evil[bot]"], "always")],
    "github.delivery": [("commit", "always")],
    "github.branch_prefix": [("mine/", "always")],
    "github.identity": [(False, "always")],
    "github.check_run": [(False, "always")],
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that one stands in, with a model and a program, and a folder outside."""
    root, outside = tmp_path / "repository", tmp_path / "outside"
    (root / "weights").mkdir(parents=True)
    outside.mkdir()
    (root / "weights" / "config.json").write_text("{}")
    (root / "evil.sh").write_text("#!/bin/sh\n")
    (root / "out").symlink_to("/usr/bin/python3")
    (outside / "link").symlink_to(root / "weights")
    monkeypatch.chdir(root)
    monkeypatch.setenv("EGBOT_STATE", str(tmp_path / "state"))
    return root


def nested(key: str, value: object) -> dict[str, object]:
    table, _, name = key.rpartition(".")
    return {table: {name: value}} if table else {name: value}


def tree_of(key: str, value: object) -> Tree:
    table, _, name = key.rpartition(".")
    shown = (
        "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}"
        if isinstance(value, dict)
        else json.dumps(value)
    )
    header = f"[tool.egbot{'.' if table else ''}{table}]"
    return {"pyproject.toml": TreeFile(f"{header}\n{name} = {shown}\n".encode())}


def test_every_setting_has_its_rule_and_its_rows() -> None:
    assert set(RULES) == set(ROWS) == set(known_keys())


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [(key, value, verdict) for key, rows in ROWS.items() for value, verdict in rows],
)
def test_a_repository_chooses_what_the_table_lets_it(
    root: Path, key: str, value: object, verdict: str
) -> None:
    if isinstance(value, str):
        value = value.format(root=root, outside=root.parent / "outside")
    tree = tree_of(key, value)
    if verdict == "always":
        settings_of(tree, {}, root)
        return
    if verdict == "never":
        with pytest.raises(UsageError, match="a repository may not choose that") as refused:
            settings_of(tree, {}, root)
        assert "command line" in refused.value.hint
        with pytest.raises(UsageError, match="may not choose"):  # nor can it be trusted
            wants_of(tree, root)
    else:
        with pytest.raises(UsageError, match="once you trust it") as asked:
            settings_of(tree, {}, root)
        assert key in asked.value.message
        assert f"egbot trust {root}" in asked.value.hint
        grant(wants_of(tree, root))
        settings_of(tree, {}, root)
    if not isinstance(value, dict):  # a person may say all of it
        assert settings_of({}, nested(key, value), root) != Settings()
        assert settings_of(tree, nested(key, value), root) != Settings()


def test_the_documentation_holds_the_table() -> None:
    text = (Path(__file__).parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
    (rows,) = [part for part in text.split("\n## ") if part.startswith("Who may choose a setting")]
    for key, values in ROWS.items():
        for _, verdict in values:
            assert any(f"`{key}`" in row and verdict in row for row in rows.splitlines()), key


# --- consent -----------------------------------------------------------------------------------

SECTION = "[tool.egbot.sandbox]\ndockerfile = 'ci/Dockerfile'\n"
FILES = {
    "pyproject.toml": TreeFile(SECTION.encode()),
    "ci/Dockerfile": TreeFile(b"FROM scratch\nCOPY run.sh /\n"),
    "ci/run.sh": TreeFile(b"true\n"),
    "calc.py": TreeFile(b""),
}


@pytest.mark.parametrize(
    ("changed", "is_still"),
    [
        ({"calc.py": TreeFile(b"x = 1\n")}, True),
        ({"pyproject.toml": TreeFile(SECTION.encode() + b"# a remark\n")}, True),
        ({"pyproject.toml": TreeFile(SECTION.encode() + b"env = {A = 'b'}\n")}, False),
        ({"pyproject.toml": TreeFile(SECTION.encode() + b"[tool.egbot]\nseed = 3\n")}, False),
        ({"ci/Dockerfile": TreeFile(b"FROM scratch\n")}, False),
        ({"ci/run.sh": TreeFile(b"false\n")}, False),
        ({"ci/run.sh": TreeFile(b"true\n", 0o100755)}, False),
        ({"ci/new.sh": TreeFile(b"")}, False),
    ],
)
def test_consent_is_for_the_section_and_all_that_it_points_at(
    root: Path, changed: Tree, is_still: bool
) -> None:
    grant(wants_of(FILES, root))
    assert is_trusted(wants_of({**FILES, **changed}, root)) == is_still


def test_consent_is_for_one_folder(root: Path) -> None:
    grant(wants_of(FILES, root))
    assert not is_trusted(wants_of(FILES, root.parent / "outside"))


@pytest.mark.parametrize("place", ["state", "../outside/link/state"])
def test_consent_is_never_kept_where_the_repository_could_bring_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("EGBOT_STATE", place)
    with pytest.raises(UsageError, match="inside the repository that it is for"):
        grant(wants_of(FILES, root))


def trust(root: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["trust", str(root), *options])


def test_the_command_prints_what_it_covers_and_takes_it_back(root: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    (root / "ci").mkdir()
    for path, file in FILES.items():
        (root / path).write_bytes(file.data)
    shown = trust(root, "--show")
    assert (shown.exit_code, shown.output.splitlines()[-1]) == (1, "not trusted")
    given = trust(root)
    assert (given.exit_code, given.output.splitlines()[-1]) == (0, "trusted")
    for words in ('sandbox.dockerfile = "ci/Dockerfile"', '"ci/run.sh"', "not covered: "):
        assert words in given.output
    assert trust(root, "--show").exit_code == 0
    (root / "ci" / "run.sh").write_text("false\n")
    assert "it has changed since" in trust(root, "--show").output
    assert trust(root).exit_code == 0
    assert trust(root, "--revoke").exit_code == 0
    assert trust(root, "--show").exit_code == 1
    (root / "pyproject.toml").write_text("[tool.egbot]\nseed = 3\n")
    assert "nothing in it needs to be trusted" in trust(root).output


def test_an_output_in_the_file_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="output") as refused:
        settings_of(tree_of("output", "/etc"), {}, root)
    assert "--output" in refused.value.hint


# --- where a repository ends -------------------------------------------------------------------


def test_a_mount_and_a_loop_of_links_hide_nothing(root: Path) -> None:
    other = root.parent / "mounted"
    other.mkdir()
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert is_below(root / "a", root)
    assert not is_below(other, root)
    bound = ["mount", "--bind", str(root), str(other)]
    if subprocess.run(bound, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert is_below(other / "evil.sh", root)
    finally:
        subprocess.run(["umount", other], check=True)


@pytest.mark.parametrize("output", ["egbot-out", "egbot-out/demo", "build/egbot-out"])
def test_an_output_is_not_written_through_a_link_of_the_repository(root: Path, output: str) -> None:
    (root / "egbot-out").symlink_to("../outside")
    (root / "build").symlink_to(root.parent / "outside")
    with pytest.raises(UsageError, match="writes through none"):
        refuse_links(Path(output), root)
    refuse_links(root.parent / "outside" / "fine", root)
    refuse_links(Path("plain/egbot-out"), root)


# --- hostile repositories ----------------------------------------------------------------------

CALC = {
    "calc.py": "def double(x):\n    raise NotImplementedError\n",
    "test_calc.py": "from calc import double\n\ndef test_it():\n    assert double(2) == 4\n",
}
EVERYTHING = """
[tool.egbot]
model = "./evil"
trust = true
yes = true
ci = true
[tool.egbot.sandbox]
backend = "process"
python = "./evil"
dockerfile = "Dockerfile"
setup = ["touch MARK"]
env = { EGBOT_STATE = ".", EGBOT_SANDBOX = "process", CI = "1" }
"""


def _process(root: Path, mark: Path) -> None:
    table = f'[tool.egbot.sandbox]\nbackend = "process"\npython = "{sys.executable}"\n'
    (root / "pyproject.toml").write_text(table)
    (root / "conftest.py").write_text(f"open({str(mark)!r}, 'w')\n")


def _interpreter(root: Path, _: Path) -> None:
    (root / "pyproject.toml").write_text('[tool.egbot.sandbox]\npython = "./evil"\n')


def _everything(root: Path, mark: Path) -> None:
    (root / "pyproject.toml").write_text(EVERYTHING)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "conftest.py").write_text(f"open({str(mark)!r}, 'w')\n")


def _own_venv(root: Path, _: Path) -> None:
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "evil").rename(root / ".venv" / "bin" / "python")
    (root / ".gitignore").write_text(".venv\n")


def _programs(root: Path, _: Path) -> None:
    """Found by a PATH that holds "."."""
    for name in ("git", "docker", "bwrap", "python3.11", "sh", "true"):
        (root / name).write_bytes((root / "evil").read_bytes())
        (root / name).chmod(0o755)


def _modules(root: Path, mark: Path) -> None:
    """What ``python -m`` would take from the folder that it is started in."""
    for name in ("pip", "click", "rich", "platformdirs", "ruff", "black", "sitecustomize"):
        (root / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (root / "ruff.toml").write_text("line-length = 60\n")


SOLVE = ("solve", "--plain")
TRACE = ("trace", "test_calc.py::test_it", "--target", "calc.py::double", "--sandbox", "process")
STUBS = ("stubs", "test_calc.py")


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        *((scheme, SOLVE) for scheme in (_process, _everything, _programs, _modules)),
        *((scheme, TRACE) for scheme in (_interpreter, _own_venv)),
        *((scheme, STUBS) for scheme in (_programs, _modules)),
        (_everything, ("trust",)),
    ],
    ids=lambda one: one.__name__ if callable(one) else one[0],
)
def test_nothing_of_a_hostile_repository_runs_on_the_host(
    tmp_path: Path, scheme: Callable[[Path, Path], None], words: tuple[str, ...]
) -> None:
    """Every environment fails to be built here, so that what runs, runs before any sandbox."""
    root, mark = tmp_path / "repository", tmp_path / "ran"
    root.mkdir()
    for path, text in CALC.items():
        (root / path).write_text(text)
    (root / "evil").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (root / "evil").chmod(0o755)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    scheme(root, mark)
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("DOCKER_HOST", "CI")},
        "PATH": f".:{os.environ['PATH']}:",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "EGBOT_STATE": str(tmp_path / "state"),
        "EGBOT_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
    }
    command = [sys.executable, "-m", "egbot", *words]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert not mark.exists(), done.stdout + done.stderr
    if words in (SOLVE, TRACE):
        assert done.returncode in (2, 3), done.stdout + done.stderr
    assert not (tmp_path / "state").exists()
