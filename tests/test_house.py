"""The house rules that no linter checks, and the wheel that people install."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = sorted(
    path
    for folder in ("egbot", "sandbox")
    for path in (ROOT / folder).rglob("*.py")
    if "demo_repository" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = [
    *OURS,
    *TESTS,
    *(ROOT / "docs").glob("*"),
    *(ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", "constraints.txt")),
]
SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
# put together, so that this file does not hold what it looks for
HOMES = re.compile("/(?:" + "|".join(("home/[a-z]", "Users/[A-Za-z]", "work/[a-z]+/")) + ")")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path, *, at_once: bool = False) -> set[str]:
    """The modules that a file imports, wherever in it, or (``at_once``) when it is imported."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in module.body if at_once else ast.walk(module):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_the_sandbox_needs_the_standard_library_only() -> None:
    """It runs under the repository's own interpreter, where nothing of ours is installed."""
    allowed = {*sys.stdlib_module_names, "sandbox"}
    for path in (ROOT / "sandbox").glob("*.py"):
        first = {module.partition(".")[0] for module in imported(path, at_once=True)}
        later = {module.partition(".")[0] for module in imported(path)}
        assert first <= allowed, name(path)
        # the repository's own, to run its tests
        assert later <= allowed | {"pytest", "_pytest"}, name(path)


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_module_says_what_it_owns(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert SENTENCE_END.search(docstring), path


def test_nobody_mocks_our_own_code() -> None:
    for path in [*OURS, *TESTS]:
        mocks = {module for module in imported(path) if "mock" in module.lower()}
        assert not mocks, name(path)


def test_nothing_names_somebody_s_folder() -> None:
    for path in TEXTS:
        assert not HOMES.findall(path.read_text(encoding="utf-8")), name(path)


def test_no_test_asserts_nothing() -> None:
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                is_true = isinstance(node.test, ast.Constant) and node.test.value is True
                assert not is_true, f"{name(path)}:{node.lineno}"


HEAVY = ("torch", "transformers", "gguf", "numpy", "huggingface_hub", "docker", "git", "pytest")


@pytest.mark.parametrize("module", ["egbot.cli", "egbot.pipeline", "egbot.testing"])
def test_importing_does_not_load_the_engine(module: str) -> None:
    """``egbot --help`` must not wait for torch."""
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- the wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_everything_that_a_run_needs(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name(path) for path in OURS} <= held
    tables = {f"egbot/execution/{name}.toml" for name in ("calls", "mounts", "obstacles")}
    assert {"egbot/py.typed", *tables} <= held
    for folder in ("egbot/demo_repository", "egbot/report/templates"):
        files = {
            name(path)
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert files
        assert files <= held
    assert not [one for one in held if "__pycache__" in one or one.startswith(("tests/", "docs/"))]


def test_what_is_installed_finds_its_own_parts(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import egbot, pathlib\n"
        "from egbot.demo import lay_out\n"
        "from egbot.execution.payload import runner_files\n"
        "assert 'sandbox/runner.py' in runner_files()\n"
        "print(egbot.__file__, (lay_out(pathlib.Path('demo')) / 'toolbox/shop.py').is_file())\n"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/local/bin:/usr/bin:/bin"}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert python("-m", "egbot", "--version").startswith("egbot, version ")
    assert python("-c", code).split() == [str(tmp_path / "site/egbot/__init__.py"), "True"]
