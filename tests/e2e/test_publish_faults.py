"""Whatever fails while a run is delivered: after a repetition there is one of everything.

The full matrix (every request of every path, aborted in every way) takes minutes and is run with
EGBOT_FAULTS=all; by default every request fails once and is retried, and every change is aborted.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from egbot.errors import ForgeError
from egbot.publish.deliver import deliver
from egbot.publish.github import connect
from egbot.publish.said import Said
from tests.github.faults import Kind
from tests.github.server import FakeGitHub
from tests.publish.scenes import CANARY, Scene, issue_scene, pull_scene, quick

IS_FULL = os.environ.get("EGBOT_FAULTS") == "all"
PATHS: dict[str, Callable[[FakeGitHub], Scene]] = {
    "suggestion": lambda github: pull_scene(github, in_diff=True),
    "stacked": lambda github: pull_scene(github, in_diff=False),
    "commit": lambda github: pull_scene(github, in_diff=False, delivery="commit"),
    "fork": lambda github: pull_scene(github, in_diff=False, fork=True),
    "issue": issue_scene,
}
PASSING: tuple[Kind, ...] = (
    "502",
    "timeout_after",
    "reset_before",
    "reset_after",
    "403_secondary",
    *(("500", "timeout", "429") if IS_FULL else ()),
)
ABORTING: tuple[Kind, ...] = (*PASSING, "422") if IS_FULL else ("502", "reset_after", "422")
MOVING: tuple[Kind, ...] = ("stale_head", "deleted_branch", "closed_pull")
MARKER = "<!-- egbot:report -->"


@dataclass(frozen=True)
class Found:
    """What lies on the fake after all is done."""

    reports: int
    suggestions: int
    commits: int
    pulls: int


def found(scene: Scene) -> Found:
    shop = scene.shop
    comments = [one for one in shop.all_comments() if one.body.startswith(MARKER)]
    reviews = [
        one
        for one in shop.all_review_comments()
        if one.body.startswith("<!-- egbot:suggestion:") and "```suggestion" in one.body
    ]
    opened = [one for one in shop.pulls.values() if "<!-- egbot:pull:" in (one.issue.body or "")]
    return Found(len(comments), len(reviews), len(shop.verified), len(opened))


EXPECTED = {
    "suggestion": Found(1, 1, 0, 0),
    "stacked": Found(1, 0, 1, 1),
    "commit": Found(1, 0, 1, 0),
    "fork": Found(1, 0, 1, 0),
    "issue": Found(1, 0, 1, 1),
}


def publish(scene: Scene, *, attempts: int = 4) -> Said | ForgeError:
    forge = connect(
        "octo/shop", CANARY, api_url=scene.github.url, patience=quick(2, num_attempts=attempts)
    )
    try:
        return deliver(forge, scene.run, scene.number)[0]
    except ForgeError as error:
        return error


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("path", PATHS)
def test_every_request_may_fail_once(path: str, kind: Kind, tmp_path: Path) -> None:
    """Each request fails the first time; one publish gets through, a second changes nothing."""
    operations = _operations(path, tmp_path / "undisturbed")
    with FakeGitHub(tmp_path) as github:
        scene = PATHS[path](github)
        github.faults.hang_s = 0.02  # the connection is then closed without an answer
        for operation in operations:
            github.faults.on(operation, kind)
        said = publish(scene)
        assert not github.faults.rules, "some request was not made, so it did not fail"
        assert isinstance(said, Said), said
        assert said.is_delivered, said
        assert found(scene) == EXPECTED[path]
        again = publish(scene)
        assert isinstance(again, Said)
        assert (again.route, again.problems) == (said.route, ())
        assert found(scene) == EXPECTED[path]


def _operations(path: str, folder: Path) -> list[str]:
    """The distinct requests of an undisturbed publish, with ``*`` for every commit's SHA."""
    with FakeGitHub(folder) as github:
        scene = PATHS[path](github)
        publish(scene)
        told = (f"{entry.method} {entry.path}" for entry in github.log)
        return list(dict.fromkeys(re.sub(r"[0-9a-f]{40}", "*", one) for one in told))


def _requests(path: str, folder: Path) -> list[bool]:
    """The requests of an undisturbed publish; True for one that may change something."""
    with FakeGitHub(folder) as github:
        scene = PATHS[path](github)
        publish(scene)
        return [entry.mutating for entry in github.log]


@pytest.mark.parametrize("kind", ABORTING)
@pytest.mark.parametrize("path", PATHS)
def test_a_publish_that_breaks_off_is_mended_by_the_next(
    path: str, kind: Kind, tmp_path: Path
) -> None:
    """A request fails for good, at every place in turn; the next publish completes the work."""
    requests = _requests(path, tmp_path / "undisturbed")
    for number, mutating in enumerate(requests, 1):
        if not (mutating or IS_FULL):
            continue
        with FakeGitHub(tmp_path / str(number)) as github:
            scene = PATHS[path](github)
            github.faults.hang_s = 0.02
            github.faults.at(number, kind)
            first = publish(scene, attempts=1)
            github.faults.clear()
            last = publish(scene)
            assert isinstance(last, Said), (number, first, last)
            assert last.is_delivered, (number, first, last)
            one = found(scene)
            assert one.reports == 1, (number, first, last)
            assert one.commits <= 1, (number, first, last)
            assert one.suggestions + one.commits >= 1, (number, first, last)
            if kind != "422":  # a refusal may send the run to the next rung, where it stays
                assert one == EXPECTED[path], (number, first, last)


@pytest.mark.parametrize("kind", MOVING)
@pytest.mark.parametrize("path", ["suggestion", "stacked", "commit"])
def test_what_moves_meanwhile_is_never_overwritten(path: str, kind: Kind, tmp_path: Path) -> None:
    """Somebody pushes, deletes or closes just before a change: one comment, no second commit."""
    requests = _requests(path, tmp_path / "undisturbed")
    for number, mutating in enumerate(requests, 1):
        if not (mutating or IS_FULL):
            continue
        with FakeGitHub(tmp_path / str(number)) as github:
            scene = PATHS[path](github)
            github.faults.at(number, kind)
            first = publish(scene)
            github.faults.clear()
            last = publish(scene)
            one = found(scene)
            assert one.reports <= 1, (number, first, last)
            assert one.commits <= 1, (number, first, last)
            assert one.suggestions <= 1, (number, first, last)
            assert one.pulls <= 1, (number, first, last)
            if one.reports == 0:
                # without its branch a pull request is closed, too
                assert kind in ("closed_pull", "deleted_branch"), (number, first, last)


@pytest.mark.parametrize("path", PATHS)
def test_two_publishes_at_once_end_in_one_of_everything(path: str, tmp_path: Path) -> None:
    for attempt in range(6 if IS_FULL else 2):
        with FakeGitHub(tmp_path / str(attempt)) as github:
            scene = PATHS[path](github)
            start = threading.Barrier(2)

            def work(_: int, scene: Scene = scene, start: threading.Barrier = start) -> object:
                start.wait()
                return publish(scene)

            with ThreadPoolExecutor(2) as pool:
                results = list(pool.map(work, range(2)))
            assert all(isinstance(one, Said) and one.is_delivered for one in results), results
            assert found(scene) == EXPECTED[path], results
            publish(scene)
            assert found(scene) == EXPECTED[path]
