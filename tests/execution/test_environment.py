"""What a repository needs is installed once, from wheels only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from egbot.dependencies import Requirements
from egbot.errors import SandboxError, SpaceError
from egbot.execution.cache import cache_folder, writing
from egbot.execution.environment import base_python, choose_interpreter, ensure
from egbot.execution.interpreter import Interpreter, describe, platform_name
from egbot.execution.options import SandboxOptions
from egbot.execution.packages import RETRY_S, install_for
from egbot.execution.select import choose
from egbot.records import TreeFile
from egbot.repository import open_repository, snapshot
from egbot.uv import PackagesError, run_uv

HERE = base_python(">=3")


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


def has_module(python: Interpreter, name: str) -> bool:
    return any(python.prefixes[0].glob(f"lib/*/site-packages/{name}*"))


def test_an_environment_is_built_once_and_kept(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest", "9", "dep>=1")
    wheel(offline, "dep")
    said: list[str] = []
    cache = tmp_path / "cache"
    wanted = Requirements(("pytest",))
    first = ensure(wanted, HERE, cache, said.append)
    assert has_module(first, "dep")
    assert list(first.prefixes[0].glob("lib/*/site-packages/dep/__pycache__/*.pyc"))
    assert said == ["building an environment with pytest"]
    assert ensure(wanted, HERE, cache, said.append) == first
    assert len(said) == 1


def test_two_builders_at_once_build_one_environment(offline: Path, tmp_path: Path) -> None:
    wheel(offline, "pytest")
    said: list[str] = []
    found: list[Interpreter] = []

    def build() -> None:
        found.append(ensure(Requirements(("pytest",)), HERE, tmp_path / "c", said.append))

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
        ensure(Requirements(("pytest",)), HERE, tmp_path / "c", print)
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
    needs = {"b": "", "d": "", "needs_more": "more", "deeper": "needs_more", "excludes_b": "b>1"}
    for name, need in (needs | {"old_pytest": "pytest<9", "odd_needs": "payload.tar.gz"}).items():
        wheel(offline, name, "1", *filter(None, [need]))
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
        assert has_module(python, name) == (line not in left_out)


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
            ensure(Requirements(("pytest", "a")), HERE, tmp_path / "c", print)
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
    first = ensure(Requirements(("pytest",)), HERE, cache, print)
    pattern, data = DAMAGES[damage]
    (file,) = first.prefixes[0].glob(pattern)
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    for _ in range(2):
        assert ensure(Requirements(("pytest",)), HERE, cache, said.append) == first
    assert has_module(first, "pytest")
    assert [line for line in said if "built anew" in line] == said[:1]


def test_a_cache_that_cannot_be_written_is_a_space_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SpaceError, match="cannot be written") as caught, writing(blocked / "cache"):
        pass
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
    python = ensure(wanted, HERE, tmp_path / "c", print).path
    assert has_module(describe(python), "pytest")
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
    found = ensure(Requirements(("pytest", "payload.whl")), HERE, tmp_path / "c", print)
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


def test_a_file_that_is_no_interpreter_is_refused(tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_text("#!/bin/sh\nprintf '\\377'\n")
    odd.chmod(0o755)
    for file in (Path("/bin/false"), odd, tmp_path):
        with pytest.raises(SandboxError, match=str(file)):
            describe(file)


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    answer = '{"too_old": "3.6.9"}'
    old = tmp_path / "python"
    old.write_text(f"#!/bin/sh\necho '{answer}'\n")
    old.chmod(0o755)
    with pytest.raises(SandboxError, match=r"is Python 3\.6\.9") as caught:
        choose_interpreter(SandboxOptions(python=old), {}, None, print)
    assert "3.10" in caught.value.hint


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
            ensure(Requirements(("pytest",)), HERE, small, print)
        assert not list(small.glob("environments/*.ok"))
        assert not [one for one in small.glob("environments/*") if one.is_dir()]
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_range_that_no_python_meets_says_so() -> None:
    """And asks for no Python that the sandbox does not run in."""
    for wanted in (">=4", "<3.10", "==3.9.*", ">=3.6,<3.10", "~=3.8.1"):
        with pytest.raises(SandboxError, match=re.escape(wanted) + ", and egbot needs") as caught:
            base_python(wanted)
        assert caught.value.hint.startswith("let its requires-python allow one of these, or name")
        assert "--python PATH" in caught.value.hint
    with pytest.raises(SandboxError) as caught:
        base_python(">=3.8,<=3.10.0")
    assert caught.value.hint.startswith("install python3.10 ")
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
    platform = platform_name(("glibc", "2.36"), "x86_64")
    target = Interpreter(Path("/opt/python"), "3.10.2", platform, (), (), installed)
    lines = ["a", "b[fast]", "torch==2.13.0", "a-dash[x]>=1", "new; python_version > '3.10'", "no"]
    folder = tmp_path / "to"
    before = os.umask(0o077)
    try:
        left_out = install_for(target, lines, folder, "")
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
