"""Owns the language of comments, `/egbot VERB ...`, and the answers to what is not understood.

It does not know GitHub, and it has no options of its own: they are those of ``egbot solve``, as
far as a stranger's text may choose them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import click

PREFIX = "/egbot"
MAX_LINE_CHARS = 2000
MAX_TESTS = 50
ALLOWED = (
    "target",
    "max-seconds",
    "max-tokens",
    "seed",
    "gamma",
    "candidates",
    "horizon",
    "temperature",
    "max-lines",
)
"""Options of ``egbot solve`` that a comment may give. The others choose what runs where, and on
which files, which is for the base branch's settings and the workflow to say."""
_GUIDANCE = ("gamma", "candidates", "horizon", "temperature", "max_lines")
_LIMITED = ("max_seconds", "max_tokens", "max_lines")
_VERBS = ("solve", "retry", "explain", "help")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

Verb = Literal["solve", "retry"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a comment asks for. ``overrides`` are settings, nested as `Settings` is."""

    verb: Verb
    tests: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    overrides: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A comment that is answered with words instead of a run. ``text`` is Markdown."""

    topic: Literal["help", "explain", "unknown"]
    text: str


def find_command(body: str) -> str | None:
    """What follows ``/egbot`` in the first line that starts with it; None where there is none.

    Fenced and indented code and quotations are passed over, so that showing a command is not
    giving it.
    """
    fence = ""
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        elif not line.startswith(("    ", "\t")):
            words = line.strip()[:MAX_LINE_CHARS].split(maxsplit=1)
            if words[:1] == [PREFIX]:
                return words[1] if len(words) > 1 else ""
    return None


def split_words(line: str) -> tuple[str, ...]:
    """The words of a line as a shell would split them; where quotes do not close, at blanks."""
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return tuple(line.split())


def read_command(
    words: tuple[str, ...], solve: click.Command, limits: Mapping[str, float]
) -> Wish | Answer:
    """What ``words`` ask for, read by the parser of the command ``solve``.

    ``limits`` holds the most that a comment may ask for, by option (``max_seconds``, ...).
    """
    verb, rest = (words[0].lower(), words[1:]) if words else ("help", ())
    if verb == "help" or {"-h", "--help"} & set(rest):
        return Answer("help", help_text(solve))
    if verb == "explain":
        return Answer("explain", explain_text())
    if verb not in _VERBS:
        return _unknown(f"there is no command {_code(words[0])}", solve)
    forbidden = _forbidden(rest, solve)
    if forbidden:
        return _unknown(f"{_code(forbidden)} cannot be given in a comment", solve)
    parser = _parser(solve)
    try:
        given = parser.make_context(PREFIX, list(rest)).params
    except click.ClickException as error:
        return _unknown(_code(error.format_message()), solve)
    tests = tuple(given.pop("tests"))
    targets = tuple(given.pop("targets"))
    if len(tests) > MAX_TESTS or len(targets) > MAX_TESTS:
        return _unknown(f"at most {MAX_TESTS} tests and {MAX_TESTS} functions can be named", solve)
    for name in _LIMITED:
        most = limits.get(name)
        if most is not None and given[name] is not None and given[name] > most:
            option = f"--{name.replace('_', '-')}"
            return _unknown(f"{_code(option)} is at most {most:g} in this repository", solve)
    chosen = {name: value for name, value in given.items() if value is not None}
    guidance = {name: chosen.pop(name) for name in _GUIDANCE if name in chosen}
    overrides = {**chosen, **({"guidance": guidance} if guidance else {})}
    return Wish("retry" if verb == "retry" else "solve", tests, targets, overrides)


def _parser(solve: click.Command) -> click.Command:
    """The command ``solve`` with the options that a comment may give, and tests as words."""
    kept: list[click.Parameter] = [
        option
        for option in solve.params
        if isinstance(option, click.Option) and _names(option) & {f"--{one}" for one in ALLOWED}
    ]
    tests = click.Argument(["tests"], nargs=-1)
    return click.Command("solve", params=[*kept, tests], add_help_option=False)


def _names(option: click.Option) -> set[str]:
    return {*option.opts, *option.secondary_opts}


def _forbidden(words: tuple[str, ...], solve: click.Command) -> str:
    """The first option of ``solve`` among the words that is none for comments."""
    allowed = {f"--{one}" for one in ALLOWED}
    others = {
        name
        for option in solve.params
        if isinstance(option, click.Option)
        for name in _names(option) - allowed
    }
    return next((word for word in words if word.partition("=")[0] in others), "")


# --- texts -------------------------------------------------------------------------------------


def help_text(solve: click.Command) -> str:
    """What a comment can say, with the options as ``egbot solve --help`` describes them."""
    options = [
        f"| `{option.opts[0]}` | {(option.help or '').partition('  [')[0]} |"
        for option in _parser(solve).params
        if isinstance(option, click.Option)
    ]
    return "\n".join(
        [
            "| write | to |",
            "|---|---|",
            "| `/egbot solve` | write the functions that the failing tests ask for |",
            "| `/egbot solve tests/test_cart.py::test_total` | take these tests only |",
            "| `/egbot retry` | try again at the present head, with other samples |",
            "| `/egbot explain` | find the story of the last function, and how to read it |",
            "| `/egbot help` | see this |",
            "",
            "Options of `solve` and `retry`:",
            "",
            "| option | meaning |",
            "|---|---|",
            *options,
        ]
    )


def explain_text() -> str:
    """How to read egbot's comment."""
    return (
        "egbot's comment shows one test's run through the function: the calls, the lines in the "
        "order in which they ran, and the values after them. Under it are folded the attempts: "
        "each line was decoded after the model had seen what candidate programs did when they "
        "ran. The HTML report in the workflow's artifact steps through all of it, with the "
        "probabilities of each token."
    )


def issue_help_text(label: str) -> str:
    """How to write an issue that egbot can work on."""
    return (
        "egbot found no test in this issue, and without one it cannot know when a function is "
        "right. Put tests into a fenced block:\n\n"
        "````markdown\n"
        "```python\n"
        "from shop.cart import total\n\n"
        "def test_total():\n"
        "    assert total([1, 2]) == 3\n"
        "```\n"
        "````\n\n"
        "or name tests that are in the repository, such as `tests/test_cart.py::test_total`. "
        f"Then put the label {_code(label)} on the issue again, or comment `/egbot solve`."
    )


def _unknown(what: str, solve: click.Command) -> Answer:
    return Answer("unknown", f"Sorry, this was not understood: {what}.\n\n{help_text(solve)}")


def _code(text: str) -> str:
    """A stranger's words as a code span: no mention, no link, no markup comes out of them."""
    plain = "".join(one if one.isprintable() else " " for one in text.replace("`", "'"))
    return f"`{plain.strip().rstrip('.')[:200] or ' '}`"
