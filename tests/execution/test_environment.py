"""What a repository needs is read without running it, and installed once, from wheels only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.dependencies import Requirements, detect
from egbot.errors import SandboxError, SpaceError
from egbot.execution.cache import cache_folder, check_writable
from egbot.execution.environment import base_python, choose_interpreter, ensure
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.options import SandboxOptions
from egbot.execution.packages import RETRY_S, Target, install_for, platform_name
from egbot.execution.select import choose
from egbot.records import TreeFile
from egbot.repository import open_repository, snapshot
from egbot.uv import PackagesError, run_uv

DEPENDENCY_FILES = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "requirements.txt",
    "uv.lock",
)
PYPROJECT = """
[project]
name = "My.Package"
requires-python = ">=3.9"
dependencies = ["Attrs >= 22", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
test = ["pytest>=7", "my_package[speed]"]
speed = ["msgpack"]
docs = ["sphinx"]
[dependency-groups]
dev = ["ruff", {include-group = "lint"}]
lint = ["mypy"]
"""


def tree_of(**files: str) -> dict[str, TreeFile]:
    return {
        name.replace("__", "/").replace("_dot_", "."): TreeFile(text.encode())
        for name, text in files.items()
    }


def lines_of(path: str, text: str) -> tuple[str, ...]:
    return tuple(sorted(detect({path: TreeFile(text.encode())}).lines))


def wheel(folder: Path, name: str, version: str = "1", *requires: str, body: str = "") -> Path:
    """Write a tiny wheel."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", body)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place to install from, as pip's settings say."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pyproject_dependencies_test_extras_and_groups_are_found() -> None:
    found = detect({"pyproject.toml": TreeFile(PYPROJECT.encode())})
    assert tuple(sorted(found.lines)) == (
        "attrs>=22",
        "msgpack",
        "pytest>=7",
        'tomli; python_version < "3.11"',
    )
    assert found.requires_python == ">=3.9"
    assert found.sources == ("pyproject.toml",)


def test_pytest_is_added_when_nothing_lists_it_for_every_python() -> None:
    assert detect({}).lines == ("pytest",)
    assert "pytest" in lines_of("requirements.txt", "pytest; python_version < '3'")
    assert lines_of("requirements.txt", "pytest==8.*") == ("pytest==8.*",)


def test_poetry_tables_are_translated() -> None:
    text = """
[tool.poetry.dependencies]
python = "^3.9"
requests = "^2.28.1"
zero = "^0.2.3"
flask = {version = "~2.1", extras = ["async"], python = ">=3.10"}
plain = "1.4"
private = {git = "https://example.invalid/x.git"}
[tool.poetry.group.test.dependencies]
pytest = "*"
[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""
    found = detect({"pyproject.toml": TreeFile(text.encode())})
    assert tuple(sorted(found.lines)) == (
        'flask[async]<2.2,>=2.1; python_version >= "3.10"',
        "plain==1.4",
        "pytest",
        "requests<3,>=2.28.1",
        "zero<0.3,>=0.2.3",
    )
    assert found.requires_python == "<4,>=3.9"
    assert ["private" in one.why for one in found.ignored] == [True]


def test_setup_cfg_and_setup_py_are_read() -> None:
    config = "[options]\ninstall_requires =\n  attrs\n[options.extras_require]\ntest =\n  pytest\n"
    assert lines_of("setup.cfg", config) == ("attrs", "pytest")
    script = (
        "NEEDS = ['attrs', 'rich>=13']\nfrom setuptools import setup\n"
        "setup(name='x', install_requires=NEEDS, extras_require={'test': ['pytest']},\n"
        "      python_requires='>=3.9')\n"
    )
    assert lines_of("setup.py", script) == ("attrs", "pytest", "rich>=13")


def test_setup_py_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = f"open({str(mark)!r}, 'w')\nsetup(install_requires=open('/etc/hostname').read())\n"
    found = detect({"setup.py": TreeFile(script.encode())})
    assert not mark.exists()
    assert "computed" in found.ignored[0].why


def test_requirement_files_follow_includes_and_drop_what_chooses_where_to_download() -> None:
    tree = {
        "requirements.txt": TreeFile(
            b"attrs==23.1 \\\n  --hash=sha256:00  # why\n-r requirements/test.txt\n"
            b"--index-url https://user:secret@example.invalid/simple\n"
            b"https://user:secret@example.invalid/evil.whl\n-e .\n./local\n"
            b"evil @ file:///etc/passwd\n-r ../../outside.txt\n"
        ),
        "requirements/test.txt": TreeFile(b"pytest\n-r ../requirements.txt\n"),
        "requirements-docs.txt": TreeFile(b"sphinx\n"),
    }
    found = detect(tree)
    assert tuple(sorted(found.lines)) == ("attrs==23.1", "pytest")
    assert len(found.ignored) >= 6
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("pyproject.toml", b"[project\n"),
        ("pyproject.toml", b"\xff\xfe"),
        ("setup.cfg", b"no section\n"),
        ("setup.py", b"def (:\n"),
        ("setup.py", b"setup(" + b"(" * 100_000),
        ("requirements.txt", b"\x00" * (2 << 20)),
    ],
)
def test_a_broken_file_is_named_and_left_out(path: str, data: bytes) -> None:
    found = detect({path: TreeFile(data), "requirements-test.txt": TreeFile(b"attrs")})
    assert tuple(sorted(found.lines)) == ("attrs", "pytest")
    assert found.ignored[0].path == path
    assert found.ignored[0].why


def test_a_link_is_not_read() -> None:
    assert "link" in detect({"setup.py": TreeFile(b"/etc/passwd", 0o120000)}).ignored[0].why


@settings(max_examples=60)
@given(
    st.sampled_from(DEPENDENCY_FILES),
    st.binary(),
)
def test_detect_never_raises(path: str, data: bytes) -> None:
    assert detect({path: TreeFile(data)}).lines


@settings(max_examples=60)
@given(
    st.recursive(
        st.integers() | st.text("abc[]^~<>=.*|0123 ;", max_size=8) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["version", "extras", "python", "a"]), inner, max_size=2
            )
        ),
        max_leaves=6,
    )
)
def test_values_of_an_unexpected_shape_never_raise(value: object) -> None:
    text = toml_of(value)
    document = (
        f"project = {{name = {text}, dependencies = {text}, requires-python = {text}}}\n"
        f"tool = {{poetry = {{dependencies = {{python = {text}, x = {text}}}, group = {text}}}}}\n"
        f"dependency-groups = {{dev = {text}}}\n"
    )
    assert detect({"pyproject.toml": TreeFile(document.encode())}).lines


def toml_of(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_of(one)}" for key, one in value.items()) + "}"
    return repr(value) if isinstance(value, int) else f'"{value}"'


UV_LOCK = """
[[package]]
name = "mine"
source = { editable = "." }
dependencies = [{ name = "attrs" }, { name = "tomli", marker = "python_full_version < '3.11'" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }, { name = "twice" }, { name = "sibling", source = { editable = "x" } }]
docs = [{ name = "sphinx" }]
[[package]]
name = "attrs"
version = "23.1"
[[package]]
name = "tomli"
version = "2.0"
[[package]]
name = "pytest"
version = "8.0"
[[package]]
name = "twice"
version = "1"
[[package]]
name = "twice"
version = "2"
"""


def test_the_lock_is_a_hint_where_nothing_names_the_test_runner() -> None:
    tree = {"uv.lock": TreeFile(UV_LOCK.encode())}
    lines = {"attrs==23.1", "pytest==8.0", 'tomli==2.0; python_full_version < "3.11"', "twice"}
    assert set(detect(tree).lines) == lines
    declared = {"requirements.txt": TreeFile(b"pytest-mock\n")}
    assert set(detect({**tree, **declared}).lines) == {"pytest-mock", *lines}
    better = {"requirements.txt": TreeFile(b"pytest\n")}
    assert detect({**tree, **better}).lines == ("pytest",)


DEV = "ruff>=0.1\nMyPy\nmock\nsphinx_rtd_theme\nblack"
DEV_LIST = DEV.splitlines()


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": f"[project.optional-dependencies]\ndev = {DEV_LIST}\ndocs = ['furo']"},
        {
            "pyproject.toml": f"[dependency-groups]\ndev = ['mock', {{include-group = 'lint'}}]\n"
            f"lint = {[*DEV_LIST[:2], 'unheard-of', 'black']}"
        },
        {
            "pyproject.toml": "[project]\nname = 'pk'\n[project.optional-dependencies]\n"
            f"dev = ['pk[docs]', 'mock']\ndocs = {[*DEV_LIST[:2], 'unheard-of', 'black']}"
        },
        {"pyproject.toml": f"[tool.uv]\ndev-dependencies = {DEV_LIST}"},
        {
            "pyproject.toml": "[tool.poetry.group.dev.dependencies]\n"
            "ruff = '*'\nmypy = '*'\nmock = '*'\nblack = '*'"
        },
        {"setup.cfg": "[options.extras_require]\ndev =\n  " + "\n  ".join(DEV_LIST)},
        {"setup.py": f"setup(extras_require={{'dev': {DEV_LIST}}})"},
        {"requirements-dev.txt": DEV},
        {"requirements-dev.txt": "mock\n-r lint.txt", "lint.txt": "unheard-of\nblack"},
    ],
)
def test_what_only_lints_or_documents_is_installed_where_code_speaks_of_it(
    files: dict[str, str],
) -> None:
    tree = {path: TreeFile(text.encode()) for path, text in files.items()}
    assert set(detect(tree).lines) == {"mock", "pytest"}
    for path, text in (
        ("tests/test_x.py", "def test(): run(['black', '.'])"),
        ("conftest.py", "import black.api"),
    ):
        assert set(detect({**tree, path: TreeFile(text.encode())}).lines) == {
            "mock",
            "pytest",
            "black",
        }
    assert set(detect({**tree, "docs/conf.py": TreeFile(b"import black")}).lines) == {
        "mock",
        "pytest",
    }


def test_what_the_project_itself_or_its_tests_ask_for_is_installed_whatever_it_is() -> None:
    text = "[project]\ndependencies=['sphinx']\n[dependency-groups]\ntest=['mypy', 'pytest']\n"
    assert lines_of("pyproject.toml", text) == ("mypy", "pytest", "sphinx")
    assert lines_of("requirements-test.txt", "black") == ("black", "pytest")


def test_the_tables_of_uv_pdm_and_hatch_are_read() -> None:
    text = """
[tool.uv]
dev-dependencies = ["pytest>=7"]
[tool.pdm.dev-dependencies]
test = ["mock"]
docs = ["sphinx"]
[tool.hatch.envs.default]
dependencies = ["attrs"]
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
"""
    assert lines_of("pyproject.toml", text) == ("attrs", "mock", "pytest>=7")


def test_the_digest_changes_with_the_lines_and_the_python_only() -> None:
    one = Requirements(("a", "b"), sources=("x",))
    assert one.digest("3.11") == Requirements(("a", "b")).digest("3.11")
    assert one.digest("3.11") != one.digest("3.12")
    assert one.digest("3.11") != Requirements(("a",)).digest("3.11")


def test_an_environment_is_built_once_and_kept(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest", "9", "dep>=1")
    wheel(offline, "dep")
    said: list[str] = []
    cache = tmp_path / "cache"
    wanted = Requirements(("pytest",))
    first = ensure(wanted, Path(sys.executable), cache, said.append)
    assert first.has_module("dep")
    assert list(first.prefixes[0].glob("lib/*/site-packages/dep/__pycache__/*.pyc"))
    assert said == ["building an environment with pytest"]
    assert ensure(wanted, Path(sys.executable), cache, said.append) == first
    assert len(said) == 1


def test_two_builders_at_once_build_one_environment(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest")
    said: list[str] = []
    found: list[Interpreter] = []

    def build() -> None:
        found.append(
            ensure(Requirements(("pytest",)), Path(sys.executable), tmp_path / "c", said.append)
        )

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert sum(line.startswith("building") for line in said) == 1


def test_a_package_without_a_wheel_is_refused_with_uvs_reason(
    offline: Path, tmp_path: Path
) -> None:
    """No source package's code runs on the host: it is not even looked at."""
    (offline / "pytest-9.tar.gz").write_bytes(b"not even an archive")
    with pytest.raises(SandboxError) as caught:
        ensure(Requirements(("pytest",)), Path(sys.executable), tmp_path / "c", print)
    assert "pytest==9 has no usable wheels" in caught.value.message
    assert "--python PATH" in caught.value.hint
    assert not list((tmp_path / "c" / "environments").glob("*.ok"))


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        (("no-wheel", "b"), {"no-wheel": "no-wheel was not found"}),
        (("b>=2", "d"), {"b>=2": "and you require b>=2"}),
        (("needs-more", "b"), {"needs-more": "more was not found"}),
        (("deeper", "b"), {"deeper": "all versions of needs-more depend on more"}),
        (("b", "excludes-b", "d"), {"excludes-b": "all versions of excludes-b depend on b>1"}),
        (("old-pytest", "d"), {"old-pytest": "all versions of old-pytest depend on pytest<9"}),
        (("x1", "x2", "b", "x3"), dict.fromkeys(("x1", "x2", "x3"), "not found")),
        (("broken", "b"), {"broken": "broken==1 has an invalid package format"}),
        (("odd-needs", "b"), {"odd-needs": "has invalid metadata"}),
        (("source", "b"), {"source": "only source==1 is available hint: Wheels are required"}),
    ],
)
def test_what_cannot_be_installed_is_left_out_with_a_word(
    lines: tuple[str, ...], left_out: dict[str, str], offline: Path, tmp_path: Path
) -> None:
    wheel(offline, "pytest", "9")
    wheel(offline, "b")
    wheel(offline, "d")
    wheel(offline, "needs_more", "1", "more")
    wheel(offline, "deeper", "1", "needs_more")
    wheel(offline, "excludes_b", "1", "b>1")
    wheel(offline, "old_pytest", "1", "pytest<9")
    wheel(offline, "odd_needs", "1", "payload.tar.gz")
    (offline / "broken-1-py3-none-any.whl").write_bytes(b"no archive")
    (offline / "source-1.tar.gz").write_bytes(b"no archive")
    tree = {"requirements.txt": TreeFile("\n".join([*lines, "pytest>=9"]).encode())}
    said: list[str] = []
    options = SandboxOptions(cache_dir=tmp_path)
    for python in [choose_interpreter(options, tree, None, said.append) for _ in range(2)]:
        assert python.left_out.keys() == left_out.keys()
        for line, why in left_out.items():
            assert why in python.left_out[line]
            said.remove(f"{line} is left out: {python.left_out[line]}")
    assert said == [f"building an environment with {', '.join([*lines, 'pytest>=9'])}"]
    python = choose_interpreter(options, tree, None, print)
    for line in lines:
        name = line.partition(">")[0].replace("-", "_")
        assert python.has_module(name) == (line not in left_out)


def test_what_was_left_out_is_tried_again_after_a_day(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest")
    tree = {"requirements.txt": TreeFile(b"late")}
    options = SandboxOptions(cache_dir=tmp_path)
    assert choose_interpreter(options, tree, None, print).left_out
    wheel(offline, "late")
    assert choose_interpreter(options, tree, None, print).left_out
    (mark,) = tmp_path.glob("environments/*.ok")
    known = json.loads(mark.read_text())
    mark.write_text(json.dumps(known | {"at_s": known["at_s"] - RETRY_S}))
    assert not choose_interpreter(options, tree, None, print).left_out


def test_a_network_that_fails_is_not_taken_for_a_package_without_a_wheel(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404 if "pytest" in self.path else 503)

    wheel(offline, "pytest")
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv(
            "PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{server.server_port}/simple"
        )
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(SandboxError, match="503") as caught:
            ensure(Requirements(("pytest", "a")), Path(sys.executable), tmp_path / "c", print)
        server.shutdown()
    assert "check the network" in caught.value.hint
    assert "secret" not in caught.value.message


DAMAGES = {
    "no python": ("bin/python", None),
    "no pytest": ("lib/python3*/site-packages/pytest/__init__.py", None),
    "a truncated package": ("lib/python3*/site-packages/pytest/__init__.py", b""),
    "another settings file": ("pyvenv.cfg", b"home = /nowhere\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_environment_is_built_again_once_and_said(
    damage: str, offline: Path, tmp_path: Path
) -> None:
    """Its mark says that it was built, not that it still is."""
    wheel(offline, "pytest", body="x = 1\n")
    cache, said = tmp_path / "c", list[str]()
    first = ensure(Requirements(("pytest",)), Path(sys.executable), cache, print)
    pattern, data = DAMAGES[damage]
    (file,) = first.prefixes[0].glob(pattern)
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    for _ in range(2):
        assert ensure(Requirements(("pytest",)), Path(sys.executable), cache, said.append) == first
    assert first.has_module("pytest")
    assert [line for line in said if "built anew" in line] == said[:1]


def test_a_cache_that_cannot_be_written_is_a_space_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SpaceError, match="cannot be written") as caught:
        check_writable(blocked / "cache")
    assert "EGBOT_CACHE" in caught.value.hint


def test_the_cache_folder_is_the_setting_then_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path / "b"))
    assert cache_folder(SandboxOptions(cache_dir=tmp_path / "a")) == tmp_path / "a"
    assert cache_folder(SandboxOptions()) == tmp_path / "b"


def test_no_start_up_hook_of_an_installed_package_runs_on_the_host(
    offline: Path, tmp_path: Path
) -> None:
    """A ``.pth`` file may hold code; neither installing nor asking the interpreter runs it."""
    wheel(offline, "pytest")
    mark = tmp_path / "ran"
    with zipfile.ZipFile(wheel(offline, "hook"), "a") as archive:
        archive.writestr("hook.pth", f"import sys; open({str(mark)!r}, 'w')\n")
    wanted = Requirements(("pytest", "hook", "not-there"))
    python = ensure(wanted, Path(sys.executable), tmp_path / "c", print).path
    assert describe(python).has_module("pytest")
    assert not mark.exists()
    subprocess.run([python, "-c", "1"], check=True)
    assert mark.exists()


EVIL = "#!/bin/sh\ntouch {mark}\n"


def _tracked(root: Path, program: Path) -> None:
    program.rename(root / ".venv" / "bin" / "python")
    git(root, "add", "--force", ".venv")


def _ignored(root: Path, program: Path) -> None:
    program.rename(root / ".venv" / "bin" / "python")
    (root / ".gitignore").write_text(".venv\n")


def _too_large(root: Path, program: Path) -> None:
    _tracked(root, program)
    with (root / ".venv" / "bin" / "python").open("a") as file:
        file.truncate(9 * 1024 * 1024)


def _submodule(root: Path, program: Path) -> None:
    program.rename(root / ".venv" / "bin" / "python")
    git(root / ".venv", "init", "--quiet")
    git(root / ".venv", "add", "--all")
    git(root / ".venv", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x")
    git(root, "add", ".venv")


def _link(root: Path, program: Path) -> None:
    (root / ".venv" / "bin" / "python").symlink_to(program)


def _folder_link(root: Path, program: Path) -> None:
    (root / ".venv").rename(root / "Venv")
    program.rename(root / "Venv" / "bin" / "python")
    (root / ".venv").symlink_to("Venv")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    "place",
    [_tracked, _ignored, _too_large, _submodule, _link, _folder_link],
    ids=lambda f: f.__name__,
)
def test_no_interpreter_inside_a_repository_is_started_by_itself(
    place: Callable[[Path, Path], None], offline: Path, tmp_path: Path
) -> None:
    """However it got there; asked to describe itself, it would already run on the host."""
    wheel(offline, "pytest")
    root, mark = tmp_path / "repository", tmp_path / "ran"
    (root / ".venv" / "bin").mkdir(parents=True)
    git(root, "init", "--quiet")
    program = tmp_path / "evil"
    program.write_text(EVIL.format(mark=mark))
    program.chmod(0o755)
    place(root, program)
    tree = snapshot(open_repository(root))
    said: list[str] = []
    options = SandboxOptions(cache_dir=tmp_path / "cache")
    found = choose_interpreter(options, tree, root, said.append)
    assert (tmp_path / "cache") in found.path.parents
    assert f"--python {root}/.venv/bin/python" in said[0]
    assert not mark.exists()
    with pytest.raises(SandboxError):  # named, it is started: here to no avail
        choose_interpreter(
            SandboxOptions(python=root / ".venv" / "bin" / "python"), tree, root, print
        )
    assert mark.exists()


@pytest.mark.parametrize("entry", [".", "", "bin", "{root}/bin", "{outside}"])
def test_no_interpreter_of_the_repository_is_found_on_the_path(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, mark = tmp_path / "repository", tmp_path / "ran"
    outside = tmp_path / "outside"
    for folder in (root / "bin", outside):
        folder.mkdir(parents=True)
    for place in (root / "python3.19", root / "bin" / "python3.19"):
        place.write_text(EVIL.format(mark=mark))
        place.chmod(0o755)
    (outside / "python3.19").symlink_to(root / "python3.19")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", f"{entry.format(root=root, outside=outside)}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r">=3\.19"):
        base_python(">=3.19", root)
    assert not mark.exists()


def test_a_cache_in_the_repository_is_refused(tmp_path: Path) -> None:
    """It could bring an environment that is marked as ready, and a model."""
    options = SandboxOptions(backend="process", cache_dir=tmp_path / "repository" / "cache")
    with pytest.raises(SandboxError, match="could have filled it"):
        choose({}, options, print, root=tmp_path)


def test_uv_takes_nothing_from_the_folder_that_one_stands_in(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither settings, nor a Python, nor an archive that a requirement has the name of."""
    wheel(offline, "pytest")
    (tmp_path / "evil").mkdir()
    wheel(tmp_path / "evil", "pytest", "2")
    settings = f"find-links = ['{tmp_path}/evil']\n"
    (tmp_path / "uv.toml").write_text(settings)
    (tmp_path / "pyproject.toml").write_text(f"[tool.uv]\n{settings}[tool.uv.pip]\n{settings}")
    (tmp_path / ".python-version").write_text("3.1\n")
    wheel(tmp_path, "payload").rename(tmp_path / "payload.whl")
    monkeypatch.chdir(tmp_path)
    found = ensure(
        Requirements(("pytest", "payload.whl")), Path(sys.executable), tmp_path / "c", print
    )
    assert list(found.left_out) == ["payload.whl"]
    assert list(found.prefixes[0].glob("lib/*/site-packages/pytest-1.dist-info"))


def fake_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    (folder / "uv").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "uv").chmod(0o755)
    monkeypatch.setattr("egbot.uv.find_uv_bin", lambda: str(folder / "uv"))


PIP_CONF = """
[global]
index-url = https://me:secret%20@one.invalid/simple
extra_index_url =
    https://two.invalid/simple
    https://three.invalid/simple
no-index = false
[install]
trusted-host = two.invalid
"""


def test_pips_settings_say_where_packages_come_from_and_uvs_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable wins over a file, uv's own over both; no secret goes into a command or on."""
    file = tmp_path / "pip.conf"
    file.write_text(PIP_CONF)
    for name in [one for one in os.environ if one.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    set_up = f"PIP_CONFIG_FILE={file} PIP_CERT=/cert.pem PIP_TIMEOUT=180 PIP_FIND_LINKS=/a\t/b"
    set_up += " UV_INSECURE_HOST=mine.invalid UV_PUBLISH_TOKEN=secret GITHUB_TOKEN=secret"
    for one in set_up.split(" "):
        monkeypatch.setenv(*one.split("="))
    seen = tmp_path / "seen"
    fake_uv(tmp_path, monkeypatch, f'env > {seen}; echo "$@" >> {seen}')
    run_uv("pip install", "a", what="", next_step="")
    lines = seen.read_text().splitlines()
    assert {
        "UV_DEFAULT_INDEX=https://me:secret%20@one.invalid/simple",
        "UV_INDEX=https://two.invalid/simple https://three.invalid/simple",
        "UV_INDEX_STRATEGY=unsafe-best-match",
        "UV_FIND_LINKS=/a,/b",
        "UV_INSECURE_HOST=mine.invalid",
        "UV_HTTP_TIMEOUT=180",
        "SSL_CERT_FILE=/cert.pem",
        "UV_NO_CONFIG=1",
        "pip install --quiet a",
    } <= set(lines)
    assert not [line for line in lines if "TOKEN" in line]
    fake_uv(tmp_path, monkeypatch, "echo 'error: no https://me:secret@one.invalid'; exit 2")
    with pytest.raises(PackagesError, match=r"^it failed: no https://\*\*\*@one\.invalid$"):
        run_uv("pip install", "a", what="it", next_step="")
    file.write_text("secret = no section")
    with pytest.raises(SandboxError, match=str(file)) as caught:
        run_uv("pip install", "a", what="", next_step="")
    assert "secret" not in caught.value.message


def test_a_file_that_is_no_interpreter_is_refused() -> None:
    with pytest.raises(SandboxError, match="/bin/false"):
        describe(Path("/bin/false"))


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    answer = '{"version": "3.6.9", "tag": "x", "prefixes": ["/x"], "mapped": []}'
    old = tmp_path / "python"
    old.write_text(f"#!/bin/sh\necho '{answer}'\n")
    old.chmod(0o755)
    with pytest.raises(SandboxError, match=r"is Python 3\.6\.9") as caught:
        choose_interpreter(SandboxOptions(python=old), {}, None, print)
    assert "3.8" in caught.value.hint


def test_a_full_disk_is_told_and_leaves_no_half_environment(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest", body="x = 1\n" * 600_000)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(SpaceError, match="no space left"):
            ensure(Requirements(("pytest",)), Path(sys.executable), small, print)
        assert not list(small.glob("environments/*.ok"))
        assert not [one for one in small.glob("environments/*") if one.is_dir()]
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_range_that_no_python_meets_says_so() -> None:
    with pytest.raises(SandboxError, match=r">=4") as caught:
        base_python(">=4")
    assert "--python" in caught.value.hint
    with pytest.raises(SandboxError) as caught:
        base_python("==3.19.*")
    assert caught.value.hint.startswith("install python3.19 so that it is on the PATH, or")
    assert "--image python:3.19-slim" in caught.value.hint


def test_packages_for_an_image_are_those_that_it_needs_and_lacks(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers are the image's; what it has stays, also by way of another, as far as it fits.

    Scripts start with its Python, and every user may read all, whatever the umask is here.
    """
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    wheel(offline, "a", "1", "tomli; python_version < '3.11'", "win; sys_platform == 'win32'")
    with zipfile.ZipFile(
        wheel(offline, "b", "1", "c; extra == 'fast'", "torch>1", "old>1"), "a"
    ) as b:
        b.writestr("b-1.dist-info/entry_points.txt", "[console_scripts]\nb = b:main\n")
        b.writestr("bin/folder/of_a_package.py", "")
        b.writestr("b-1.data/scripts/own", "#!python\nprint(1)\n")
        b.writestr("b-1.data/scripts/shell", "#!/bin/sh\necho 1\n")
    for name, version in (("c", "1"), ("tomli", "1"), ("torch", "9"), ("old", "2"), ("new", "1")):
        wheel(offline, name, version)
    installed = {"torch": "2.13.0+cpu", "old": "1", "a-dash": "1", "odd": "?", "../evil": "1"}
    target = Target("3.10.2", platform_name(("glibc", "2.36"), "x86_64"), installed)
    lines = ["a", "b[fast]", "torch==2.13.0", "a-dash[x]>=1", "new; python_version > '3.10'", "no"]
    folder = tmp_path / "to"
    before = os.umask(0o077)
    try:
        left_out = install_for(target, lines, folder, python="/opt/python", next_step="")
    finally:
        os.umask(before)
    assert list(left_out) == ["no"]
    there = {one.name.removesuffix(".dist-info") for one in folder.glob("*.dist-info")}
    assert there == {"a-1", "b-1", "c-1", "old-2", "tomli-1"}
    assert {one.name for one in tmp_path.iterdir()} == {"cache", "wheels", "to"}
    firsts = {one.name: one.read_text().split("\n")[0] for one in folder.glob("bin/*[!r]")}
    assert firsts == {"b": "#!/opt/python", "own": "#!/opt/python", "shell": "#!/bin/sh"}
    for one in (folder, *folder.rglob("*")):
        wanted = 0o055 if one.is_dir() or one.parent.name == "bin" else 0o044
        assert one.stat().st_mode & wanted == wanted


def test_a_platform_has_the_newest_of_uvs_names_that_fits() -> None:
    for version, name in (("2.36", "2_36"), ("2.99", "2_40"), ("2.30", "2_28"), ("2.5", "2_17")):
        assert platform_name(("glibc", version), "x86_64") == f"x86_64-manylinux_{name}"
    assert platform_name(("", ""), "aarch64") == "aarch64-unknown-linux-musl"
