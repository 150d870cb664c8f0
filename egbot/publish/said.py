"""Owns what a delivery came to, as the texts on the forge and the command line tell it.

It does not know how it was done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Route = Literal["suggestion", "pull_request", "commit", "branch", "comment", "nothing"]
State = Literal["open", "there", "moved", "refused", "closed", "superseded"]


@dataclass(frozen=True, slots=True)
class Said:
    """Where the functions went and what stands in the way; "" and None where there is nothing.

    ``state``: ``open`` (business as usual), ``there`` (the functions stand in the branch already),
    ``moved`` (its files are others by now), ``refused`` (the run's claims do not hold), ``closed``
    (nobody waits any more), ``superseded`` (another run was quicker). ``problems`` are sentences; ``patch`` is the whole change as a diff.
    """

    route: Route = "nothing"
    state: State = "open"
    is_issue: bool = False
    head_sha: str = ""
    now_sha: str = ""
    branch: str = ""
    commit_sha: str = ""
    suggestion_urls: tuple[str, ...] = ()
    pull_number: int | None = None
    pull_url: str = ""
    compare_url: str = ""
    comment_url: str = ""
    check_url: str = ""
    problems: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    why_not_suggested: str = ""
    patch: str = field(default="", repr=False)

    @property
    def is_delivered(self) -> bool:
        """Whether all that there was to post is where it belongs."""
        return self.state in ("open", "there", "superseded") and not self.problems
