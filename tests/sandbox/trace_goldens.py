"""Traces the programs of goldens/*.txt with every feed that the interpreter has.

It is a script for any CPython from 3.10 on, with its standard library alone, and does not know what
the traces should be. It reads one JSON object from the name FILES: file name to text, of the
``sandbox`` package and of the goldens; it prints one JSON object.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

PATH = "/repo/m.py"
MAX_EVENTS = 200
MAX_CHARS = 60
MAX_WIDTH = 48
TRACE_MARK = "\n--- trace\n"


def missing(needs: str) -> str:
    """Return why the program cannot run here, or ""."""
    if needs and needs[0].isdigit():
        wanted = tuple(int(part) for part in needs.split("."))
        return "" if sys.version_info >= wanted else "needs Python " + needs
    if needs == "linux":  # CPython in a browser has neither threads nor an event loop to run
        return "" if sys.platform == "linux" else "needs threads and asyncio.run"
    return "" if not needs or importlib.util.find_spec(needs) else "needs " + needs


def header(text: str) -> dict[str, str]:
    """Read the comment lines that a golden begins with: ``# key: value``."""
    found = {}
    for line in text.split("\n"):
        if not line.startswith("# "):
            break
        key, _, value = line[2:].partition(": ")
        found[key] = value
    return found


def trace(program: str, call: str, qualname: str, feed: Any) -> dict[str, Any]:
    """Run ``call`` after the program under a tracer with this feed alone; return the record."""
    examine = importlib.import_module("sandbox.program").examine
    reprs = importlib.import_module("sandbox.reprs").Reprs
    make = importlib.import_module("sandbox.tracer").Tracer
    change = examine(PATH, qualname, program, None)
    namespace: dict[str, Any] = {"__name__": "m"}
    exec(change.code, namespace)
    tracer = make(PATH, change.lines, qualname, MAX_EVENTS, reprs(MAX_CHARS, (PATH, change.lines)))
    tracer.feeds = (feed,)
    code = compile(call, "<call>", "eval")
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = io.StringIO()
    tracer.start()
    try:
        with contextlib.suppress(BaseException):  # the trace tells
            eval(code, namespace)
    finally:
        tracer.stop()
        tracer.close()
        sys.stdout, sys.stderr = streams
    told: dict[str, Any] = tracer.told()
    return told


def render(record: dict[str, Any], program: str) -> str:
    """Return one row for each event: the source line, then what happened."""
    source = program.split("\n")
    used = {event["line"] for event in record["events"]}
    width = min(MAX_WIDTH, max([len(source[line - 1]) for line in used] or [0]))
    rows = []
    for event in record["events"]:
        text = source[event["line"] - 1][:width].ljust(width)
        changes = ", ".join("{} = {}".format(*pair) for pair in event["changes"])
        if event["kind"] == "call":
            told = "call {}({})".format(event["function"], changes.replace(" = ", "="))
        elif event["kind"] == "line":
            told = changes
        else:
            mark = "->" if event["kind"] == "return" else "!!"
            told = "{} {}".format(mark, event["value"])
        row = "{:>3} {} | {}{}".format(event["line"], text, "    " * event["depth"], told)
        rows.append(row.rstrip())
    if record["num_dropped"]:
        rows.append("... {} events more".format(record["num_dropped"]))
    return "\n".join(rows) + "\n"


def feeds() -> list[Any]:
    """Return what can start here."""
    known = importlib.import_module("sandbox.tracer").FEEDS
    has_monitoring = hasattr(sys, "monitoring")
    return [one for one in known if has_monitoring or one.__name__ != "MonitoringFeed"]


def trace_all(goldens: dict[str, str]) -> dict[str, Any]:
    """Return the traces by golden and feed, and why some golden has none."""
    traces: dict[str, dict[str, str]] = {}
    skipped: dict[str, str] = {}
    warnings.simplefilter("ignore")
    for name, text in sorted(goldens.items()):
        told = header(text)
        why = missing(told.get("needs", ""))
        if why:
            skipped[name] = why
            continue
        program = text.split(TRACE_MARK)[0]
        call, target = told["call"], told.get("target", "f")
        traces[name] = {
            feed.__name__: render(trace(program, call, target, feed), program) for feed in feeds()
        }
    version = "{}.{}".format(*sys.version_info)
    return {"version": version, "traces": traces, "skipped": skipped}


def main(files: dict[str, str], then: str) -> None:
    """Lay out the ``sandbox`` package in a temporary folder; run ``then``, or print the traces."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "sandbox")
        package.mkdir()
        for name in [name for name in files if name.endswith(".py")]:
            (package / name).write_text(files.pop(name), encoding="utf-8")
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        if then:
            exec(compile(then, "then.py", "exec"), {"__file__": "then.py"})
            return
        sys.stdout.write(json.dumps(trace_all(files)) + "\n")


if "FILES" in globals():
    main(json.loads(globals()["FILES"]), globals()["THEN"])
