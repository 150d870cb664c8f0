"""What a repository may say about its image is carried out, bounded, and told when it fails."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from egbot.dependencies import Requirements
from egbot.errors import SandboxError, SpaceError
from egbot.execution.build import build, built_base, relevant_end
from egbot.execution.docker_engine import connected
from egbot.execution.images import Image, ensure_image, target_of
from egbot.execution.interpreter import QUESTION
from egbot.execution.options import Backend, SandboxOptions
from egbot.execution.payload import LINK_MODE
from egbot.execution.select import choose
from egbot.records import Job, Limits, TreeFile
from tests.execution.engines import fake_engine
from tests.machine import IMAGE, need_docker

TEST = b"""
import os

def test_inside():
    assert os.path.exists("/copied") and not os.path.exists("/elsewhere")
    assert open("/noted").read() == "it's $HOME\\n"
    assert os.environ["GREETING"] == "it's $HOME"
"""
LOG = """\
Step 1/3 : FROM base
 ---> 0123456789ab
Step 2/3 : RUN make
 ---> Running in 0123456789ab
cc: \x1b[31merror\x1b[0m: see https://me:secret@example.invalid/x
The command '/bin/sh -c make' returned a non-zero code: 2
"""


@pytest.fixture
def options(tmp_path: Path) -> Iterator[SandboxOptions]:
    need_docker()
    before = set(_images())
    yield SandboxOptions(backend="docker", image=IMAGE, cache_dir=tmp_path)
    with connected() as client:
        for name in set(_images()) - before:
            client.remove_image(name)


def _images() -> list[str]:
    with connected() as client:
        return [tag for one in client.images("egbot-dockerfile") for tag in one["RepoTags"] or ()]


def dockerfile(text: str) -> dict[str, TreeFile]:
    return {"ci/Dockerfile": TreeFile(f"FROM {IMAGE}\n{text}".encode())}


@pytest.mark.docker
def test_a_dockerfile_set_up_commands_and_variables_reach_the_tests(
    options: SandboxOptions,
) -> None:
    """One run sees all three; the build copies from the Dockerfile's own folder only."""
    tree = {
        **dockerfile("COPY note /copied\n"),
        "ci/note": TreeFile(b"1"),
        "test_it.py": TreeFile(TEST),
    }
    asked = SandboxOptions(
        backend="docker",
        cache_dir=options.cache_dir,
        dockerfile="ci/Dockerfile",
        setup=('echo "$GREETING" > /noted', "python3 --version"),
        env=(("GREETING", "it's $HOME"),),
    )
    said: list[str] = []
    with choose(tree, asked, said.append).open(tree, (), Limits()) as executor:
        outcome = executor.run(Job(("test_it.py::test_inside",), trace=False)).outcomes[0]
    assert outcome.status == "passed", outcome
    assert said[0] == "building ci/Dockerfile"
    said.clear()
    choose({**tree, "app.py": TreeFile(b"x = 1\n")}, asked, said.append)
    assert "building ci/Dockerfile" not in said  # a change outside of that folder


@pytest.mark.docker
def test_a_dockerfile_that_fails_shows_the_step_and_what_it_printed(
    options: SandboxOptions,
) -> None:
    for text, words in (
        ("RUN echo compiling; echo it broke >&2; exit 3\n", "it broke"),
        ("COPY /etc/hostname /x\n", "COPY"),
        ("COPYY a b\n", "COPYY"),
        ("RUN python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80))'\n", "Net"),
    ):
        with pytest.raises(SandboxError, match="ci/Dockerfile cannot be built") as caught:
            built_base(dockerfile(text), "ci/Dockerfile", print)
        assert words in caught.value.message
        assert "no network" in caught.value.hint
        assert len(caught.value.message) < 2000


@pytest.mark.parametrize(
    ("path", "why"),
    [("ci/Dockerfile", "is a link"), ("ci/../../etc/passwd", "not in"), ("link/x", "not in")],
)
def test_a_dockerfile_outside_of_the_repository_is_refused(path: str, why: str) -> None:
    """A link is not followed, whatever it points to; nothing of the host is read."""
    tree = {
        "ci/Dockerfile": TreeFile(b"/etc/passwd", LINK_MODE),
        "link": TreeFile(b"/etc", LINK_MODE),
    }
    with pytest.raises(SandboxError, match=why):
        built_base(tree, path, print)


@pytest.mark.docker
def test_a_set_up_command_that_fails_is_named(options: SandboxOptions) -> None:
    bad = SandboxOptions(
        image=IMAGE, cache_dir=options.cache_dir, setup=("true", "echo going; ls /nowhere; true")
    )
    with pytest.raises(SandboxError, match="'echo going; ls /nowhere; true' failed") as caught:
        ensure_image(Requirements(("pytest",)), bad, print)
    assert "going" in caught.value.message
    assert "/nowhere" in caught.value.message


def test_the_relevant_end_of_a_log_is_the_failing_step_without_noise_and_secrets() -> None:
    assert relevant_end(LOG).splitlines() == [
        "Step 2/3 : RUN make",
        "cc: error: see https://@example.invalid/x",
        "The command '/bin/sh -c make' returned a non-zero code: 2",
    ]
    long = relevant_end("Step 1/1 : RUN x\n" + "".join(f"line {n}\n" for n in range(500)))
    assert long.splitlines()[:2] == ["Step 1/1 : RUN x", "..."]
    assert long.splitlines()[-1] == "line 499"
    assert relevant_end("") == "it said nothing"


# --- engines that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        {"error": "write /layer: no space left on device"},
        {"stream": "cp: No space left on device\n"},
    ],
)
def test_a_build_that_fills_the_disk_is_a_matter_of_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    log = {"/build": (told, {"error": "it ended"})}
    with fake_engine(tmp_path / "engine.sock", log) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(SpaceError, match="no space left for Docker"):
            build(io.BytesIO(), tag="x", labels={})


@pytest.mark.docker
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('echo \'{"too_old": "3.6.9"}\'', "it is Python 3.6.9"),
        ("echo no JSON at all", "no sensible answer"),
        ("echo '[]'", "no sensible answer"),
        ("exit 3", "no sensible answer"),
    ],
)
def test_an_image_without_a_python_that_is_new_enough_is_told(
    options: SandboxOptions, answer: str, why: str
) -> None:
    lines = f"#!/bin/sh\n{answer}\n"
    tree = dockerfile("COPY python3 /usr/bin/python3\n")
    tree["ci/python3"] = TreeFile(lines.encode(), 0o100755)
    name = built_base(tree, "ci/Dockerfile", print)
    with pytest.raises(SandboxError, match=f"in the image {name}: .*{why}") as caught:
        target_of(Image(name, "sha256:0", ()), options)
    assert "Python 3.10 or newer" in caught.value.hint


@pytest.mark.parametrize("version", [(3, 6, 9), (3, 9, 18)])
def test_an_old_python_can_answer_the_question(version: tuple[int, ...]) -> None:
    """The question must not need what only new Pythons have."""
    ast.parse(QUESTION, feature_version=(3, 6))
    old = f"import sys; sys.version_info = {version}\nexec({QUESTION!r})"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=True)
    assert "too_old" in done.stdout


@pytest.mark.docker
def test_an_image_without_python_is_told(options: SandboxOptions, tmp_path: Path) -> None:
    name = "egbot-dockerfile:test-no-python"
    (tmp_path / "empty").write_text("")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "x.tar", "empty"], check=True)
    with connected() as client:
        client.import_image(
            str(tmp_path / "x.tar"), repository="egbot-dockerfile", tag="test-no-python"
        )
    with pytest.raises(SandboxError, match=r"python3 does not work .*: there is none"):
        choose({}, SandboxOptions(backend="docker", image=name, cache_dir=tmp_path), print)


# --- backends without images ----------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["bubblewrap", "process"])
def test_what_needs_an_image_is_refused_without_one_unless_an_interpreter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kind: Backend = "bubblewrap" if backend == "bubblewrap" else "process"
    asked = SandboxOptions(backend=kind, setup=("make",), cache_dir=tmp_path)
    with pytest.raises(SandboxError, match="setup of the repository can only") as caught:
        choose({}, asked, print)
    assert "--python" in caught.value.hint


def test_variables_reach_the_tests_of_every_backend(tmp_path: Path) -> None:
    said: list[str] = []
    options = SandboxOptions(
        backend="process",
        python=Path(sys.executable),
        setup=("make",),
        env=(("GREETING", "hi $USER"),),
        cache_dir=tmp_path,
    )
    test = b"import os\ndef test_it():\n    assert os.environ['GREETING'] == 'hi $USER'\n"
    tree = {"test_it.py": TreeFile(test)}
    with choose(tree, options, said.append).open(tree, (), Limits()) as executor:
        assert executor.run(Job(("test_it.py::test_it",))).outcomes[0].status == "passed"
    assert "setup is left out" in said[0]
