"""Measures how far recorders carry where a whole package is deleted: ``python -m tests.floor``.

The list, floor.json, holds packages with the folder or file that is deleted. It knows the originals'
signatures, the probe does not. A row for each package: tests that pass in the original; tests that
are collected and that end against recorders; functions, classes and methods that tests name and
enter, and how many were seen by name; recorded calls that could be resolved, and those that bind;
files that cannot be collected; seconds.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from egbot.bench.effects import make_tools
from egbot.bench.tasks import BlankedFunction
from egbot.config import load_settings
from egbot.discovery.probe import ask, probe_of
from egbot.ports import Sandbox
from egbot.records import FAILED, FailingTest, Fault, Job, Limits, Sight, Tree
from egbot.source.testtext import is_test_path

LIST = Path(__file__).with_name("floor.json")
COLUMNS = ("package", "good", "collected", "end", "names", "seen", "calls", "bind", "not", "s")


@dataclass
class Original:
    """What the deleted files held: functions by qualname, each class's bases, and what ran."""

    functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    num_good: int = 0
    names: frozenset[str] = frozenset()

    def read(self, body: Iterable[ast.stmt], prefix: str = "") -> None:
        """Note the definitions of a file or class."""
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.setdefault(prefix + node.name, []).append(node)
            elif isinstance(node, ast.ClassDef):
                self.bases[prefix + node.name] = [ast.unparse(one) for one in node.bases]
                self.read(node.body, f"{prefix}{node.name}.")

    def fits(self, sight: Sight) -> bool | None:
        """Whether the original takes this call; None where what is called is not known."""
        path = re.fullmatch(r"[\w.]+:(\w+)((?:\.\w+)*)(\(\)\.\w+)?", sight.who)
        if path is None or any(one.relation == "raises" for one in sight.expected):
            return None if path is None else True
        name = path[1] + path[2] + (path[3] or "").removeprefix("()")
        is_class = name in self.bases
        for holder in (
            self._line(name.rpartition(".")[0], name) if not is_class else self._line(name)
        ):
            own = (
                f"{holder}.__init__"
                if is_class
                else ".".join(filter(None, [holder, name.rpartition(".")[2]]))
            )
            if own in self.functions:
                return any(_takes(one, sight, "." in own) for one in self.functions[own])
        return None

    def _line(self, name: str, whole: str = "") -> list[str]:
        """A class and its bases by name; of a function's module the empty name."""
        if whole and "." not in whole:
            return [""]
        line = [name]
        for one in line:
            line += [base for base in self.bases.get(one, ()) if base not in line]
        return line


def _takes(node: ast.FunctionDef | ast.AsyncFunctionDef, sight: Sight, is_member: bool) -> bool:
    decorators = {ast.unparse(one) for one in node.decorator_list}
    if decorators - {"staticmethod", "classmethod"}:
        return True  # what a decorator makes of it is not known
    arguments = ast.parse(f"lambda {_bare(node.args)}: 0", mode="eval")
    signature = inspect.signature(eval(compile(arguments, "signature", "eval")))
    given: list[object] = [0] * len(sight.args)
    if is_member and "staticmethod" not in decorators:
        given.insert(0, 0)
    try:
        signature.bind(*given, **dict.fromkeys((name for name, _ in sight.kwargs), 0))
    except TypeError:
        return False
    return True


def _bare(args: ast.arguments) -> str:
    """The parameters without annotations; every default is 0."""
    bare = ast.parse(f"def f({ast.unparse(args)}): pass").body[0]
    assert isinstance(bare, ast.FunctionDef)
    for one in ast.walk(bare.args):
        if isinstance(one, ast.arg):
            one.annotation = None
    bare.args.defaults = [ast.Constant(0)] * len(bare.args.defaults)
    bare.args.kw_defaults = [one and ast.Constant(0) for one in bare.args.kw_defaults]
    return ast.unparse(bare.args)


def original(
    sandbox: Sandbox, tree: Tree, deleted: Tree, files: tuple[str, ...], limits: Limits
) -> Original:
    """Run the original's tests and read what will be deleted."""
    known = Original()
    for file in deleted.values():
        known.read(ast.parse(file.data).body)
    with sandbox.open(
        tree, files, limits, replace(probe_of(tree, sandbox.project), stubs=())
    ) as executor:
        job = Job(executor.collection.node_ids, trace=False, limits=limits)
        outcomes = executor.run(job).outcomes
    passed = [one for one in outcomes if one.status == "passed"]
    known.num_good = len(passed)
    words = {
        word
        for path in files
        for node in ast.walk(ast.parse(tree[path].data))
        for word in (getattr(node, "attr", ""), getattr(node, "id", ""))
    }
    entered = {
        part
        for outcome in passed
        if outcome.evidence
        for one in outcome.evidence.entered
        if one.path in deleted and "<" not in one.qualname
        for part in one.qualname.split(".")
        if not part.startswith("__")
    }
    known.names = frozenset(entered & words)
    return known


def row(entry: Mapping[str, str]) -> list[object]:
    """The figures of one package; what was lost goes to standard error."""
    settings = load_settings(None, {"sandbox": {"backend": "bubblewrap"}})
    tools = make_tools(settings, lambda _: None, None, find_only=True)
    tree = tools.package(
        BlankedFunction(entry["package"], entry["version"], entry["sha256"], "", "")
    )
    prefix = entry["deleted"]
    chosen = tuple(entry.get("tests", "").split())
    gone = {
        p: f
        for p, f in tree.items()
        if p.startswith(prefix) and p.endswith(".py") and not is_test_path(p)
    }
    rest = {path: file for path, file in tree.items() if path not in gone}
    files = chosen or tuple(path for path in tree if path.endswith(".py") and is_test_path(path))
    sandbox = tools.sandbox(tree)
    limits = settings.sandbox.limits
    known = original(sandbox, tree, gone, files, limits)
    start_s = time.monotonic()
    asked = [FailingTest(path, "collect", Fault("", "")) for path in files]
    found = ask(sandbox, rest, asked, limits, probe_of(rest, sandbox.project), to_end=True)
    sights = [sight for seen in found.evidence.values() for sight in seen.sights]
    seen = {word for sight in sights for word in re.findall(r"\w+", sight.who)}
    fits = [known.fits(sight) for sight in sights if sight.kind == "call"]
    ended = [
        one for one in found.outcomes.values() if one.status not in (*FAILED, "skipped", "not_run")
    ]
    values = [
        entry["package"],
        known.num_good,
        len(found.collected),
        len(ended),
        len(known.names),
        len(known.names & seen),
        sum(one is not None for one in fits),
        sum(map(bool, fits)),
        len(found.errors),
        round(time.monotonic() - start_s, 1),
    ]
    unfit = {
        f"{s.who} {len(s.args)} {[k for k, _ in s.kwargs]}"
        for s in sights
        if s.kind == "call" and known.fits(s) is False
    }
    lost = f"{entry['package']}: unseen {sorted(known.names - seen)}, unfit {sorted(unfit)}\n"
    sys.stderr.write(lost)
    return values


def main() -> None:
    """Print a Markdown table of the packages that are named, by default of all."""
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
    for entry in json.loads(LIST.read_text()):
        if not sys.argv[1:] or entry["package"] in sys.argv[1:]:
            sys.stdout.write(f"| {' | '.join(map(str, row(entry)))} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
