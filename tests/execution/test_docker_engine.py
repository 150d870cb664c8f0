"""The engine is found as Docker's own client finds it, and whatever is wrong is one clear message."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from docker.errors import APIError, DockerException

from egbot.errors import SandboxError, SpaceError
from egbot.execution import docker_engine
from egbot.execution.docker_engine import connected, engine_error, find_engine
from egbot.execution.options import SandboxOptions
from egbot.execution.select import choose
from egbot.records import Job, Limits, TreeFile
from tests.execution.engines import INFO, VERSION, Passage, fake_engine
from tests.machine import IMAGE, need_docker

TREE = {"test_it.py": TreeFile(b"def test_it():\n    print('x' * 300_000)\n")}


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's own count."""
    names = "DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH REQUESTS_CA_BUNDLE"
    for name in (*names.split(), "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))


@pytest.mark.parametrize(
    ("address", "says", "next_step"),
    [
        ("unix:///nowhere/docker.sock", "there is no Docker engine at unix:///nowhere", "install"),
        ("tcp://127.0.0.1:1", "does not answer: Connection refused", "start it"),
        ("unix:///etc/hostname", "does not answer", "start it"),
        ("ssh://me:secret@far", "behind SSH", "ssh -L"),
        ("odd://x", "no address of a Docker engine", "DOCKER_HOST"),
        ("tcp://127.0.0.1:99999", "no address of a Docker engine", "DOCKER_HOST"),
        ("tcp://127.0.0.1", "no address of a Docker engine", "DOCKER_HOST"),
        ("npipe:////./pipe/docker", "does not answer", "start it"),
    ],
)
def test_an_address_without_an_engine(
    monkeypatch: pytest.MonkeyPatch, address: str, says: str, next_step: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(SandboxError, match=says) as caught:
        find_engine()
    assert next_step in caught.value.hint
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"/version": {**VERSION, "ApiVersion": "1.40", "Version": "19.03"}}, "19.03 is too old"),
        ({"/version": {**VERSION, "ApiVersion": "1.12"}}, "is too old"),
        ({"/version": "<html>a web server</html>"}, "does not answer"),
        ({"/version": {"Version": "25.0"}}, "does not answer"),
        ({"/version": []}, "does not answer"),
        ({"/info": "nothing"}, "does not answer"),
        ({"/info": {**INFO, "PidsLimit": False, "SecurityOptions": None}}, "pids, seccomp"),
    ],
)
def test_an_engine_that_is_too_old_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, object], says: str
) -> None:
    with fake_engine(tmp_path / "engine.sock", answers) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        if "," in says:
            assert ", ".join(find_engine().missing) == says
        else:
            with pytest.raises(SandboxError, match=says):
                find_engine()


def test_an_engine_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "engine.sock"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        with pytest.raises(SandboxError, match="does not answer"), connected(timeout_s=1):
            pass


def test_a_socket_that_others_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_engine(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        (tmp_path / "engine.sock").chmod(0)
        user = os.geteuid()
        if user == 0:  # whom no mode stops
            os.seteuid(65534)
        try:
            with pytest.raises(SandboxError, match="may not speak to the Docker engine") as caught:
                find_engine()
        finally:
            os.seteuid(user)
    assert "group docker" in caught.value.hint


def test_a_context_or_a_users_own_socket_leads_to_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOCKER_HOST goes first, then the context; a rootless engine needs no setting."""
    monkeypatch.setattr(docker_engine, "SOCKETS", ("/none", *docker_engine.SOCKETS[1:]))
    with fake_engine(tmp_path / "docker.sock") as address:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        assert find_engine().version == "25.0"
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        meta = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": address}}}
        digest = hashlib.sha256(b"far").hexdigest()
        folder = tmp_path / "config" / "contexts" / "meta" / digest
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(json.dumps(meta))
        (tmp_path / "config" / "config.json").write_text('{"currentContext": "far"}')
        assert find_engine().version == "25.0"
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
        with pytest.raises(SandboxError, match="no Docker engine at unix:///nowhere"):
            find_engine()
        monkeypatch.delenv("DOCKER_HOST")
        monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
        with pytest.raises(SandboxError, match="no such Docker context"):
            find_engine()
        monkeypatch.delenv("DOCKER_CONTEXT")
        (folder / "meta.json").write_text("{")
        with pytest.raises(SandboxError, match="settings of the Docker client") as caught:
            find_engine()
    assert "docker context use default" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "kind", "says", "next_step"),
    [
        (OSError("write /x: no space left on device"), SpaceError, "no space", "free space"),
        (APIError("500", None, "Unknown runtime specified runsc"), SandboxError, "runsc", "regist"),
        (DockerException("read timed out"), SandboxError, "silent for 7 s", "state"),
        (APIError("x", None, "pull https://me:secret@x"), SandboxError, "//***@x", "doctor"),
        (ConnectionResetError(104, "reset"), SandboxError, "does not answer any more", "start it"),
    ],
)
def test_failures_say_what_to_do(
    error: Exception, kind: type[Exception], says: str, next_step: str
) -> None:
    told = engine_error(error, 7)
    assert type(told) is kind
    assert says in told.message
    assert next_step in told.hint
    assert "secret" not in told.message


@pytest.mark.docker
def test_tls_carries_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Client and engine show certificates; large frames travel both ways."""
    need_docker()
    script = """
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
    echo subjectAltName=IP:127.0.0.1 > names
    openssl req -newkey rsa:2048 -nodes -subj /CN=engine -keyout key.pem -out cert.csr
    openssl x509 -req -days 2 -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out cert.pem
    """
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    passage = Passage(listener, tls)
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    options = SandboxOptions(backend="docker", image=IMAGE, cache_dir=tmp_path / "cache")
    try:
        with pytest.raises(SandboxError, match="does not answer"):
            find_engine()
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        with pytest.raises(SandboxError, match="settings of the Docker client"):
            find_engine()
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        big = {**TREE, "big.bin": TreeFile(os.urandom(3_000_000))}
        with choose({}, options, print).open(big, (), Limits()) as executor:
            outcome = executor.run(Job(("test_it.py::test_it",))).outcomes[0]
    finally:
        passage.shut()
    assert outcome.status == "passed"


@pytest.mark.docker
def test_the_socket_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command-line client is needed, nor any other program."""
    need_docker()
    monkeypatch.setenv("PATH", str(tmp_path))
    options = SandboxOptions(backend="docker", image=IMAGE, cache_dir=tmp_path / "cache")
    with choose({}, options, print).open(TREE, (), Limits()) as executor:
        assert executor.run(Job(("test_it.py::test_it",))).outcomes[0].status == "passed"
