"""The files that a run leaves: a folder of reports for each target, and run.json.

It does not know what the reports say. Every file is written whole or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from egbot.bounds import replace_file
from egbot.errors import SpaceError, UsageError
from egbot.records import SCHEMA_RUN, Outcome, Run
from egbot.report.html import render_html
from egbot.report.kept import json_text
from egbot.report.markdown import render_markdown
from egbot.report.text import one_line
from egbot.report.trace_json import trace_document

_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class OutcomePaths:
    """Where one outcome's files lie; ``patch`` is None where there is no patch."""

    folder: Path
    patch: Path | None
    trace: Path
    markdown: Path
    html: Path


class _Envelope(BaseModel):
    """Lends its strictness about unknown keys to the plain dataclasses inside."""

    model_config = ConfigDict(extra="forbid")
    run: Run


def write_outcome(
    folder: Path, index: int, outcome: Outcome, *, run: Run | None = None
) -> OutcomePaths:
    """Write ``folder/<nn>-<qualname>/{patch.diff,trace.json,report.md,report.html}``.

    ``index`` counts targets from 1; ``run`` adds settings and versions to the reports. Raises
    SpaceError when a file or folder cannot be written, UsageError when the folder is a link.
    """
    qualname = outcome.target.qualname if outcome.target else outcome.reason
    own = folder / f"{index:02d}-{safe_name(qualname)}"
    _refuse_link(own)
    trace, markdown, html = own / "trace.json", own / "report.md", own / "report.html"
    patch = own / "patch.diff" if outcome.patch is not None else None
    write_json(trace, trace_document(outcome, run))
    if outcome.patch is not None and patch is not None:
        write_text(patch, outcome.patch.unified_diff)
    write_text(markdown, render_markdown(outcome, run=run))
    write_text(html, render_html(outcome, run=run))
    return OutcomePaths(own, patch, trace, markdown, html)


def write_reports(folder: Path, run: Run) -> tuple[OutcomePaths, ...]:
    """Write the reports of every target of ``run``, in place of those that lie there.

    Raises SpaceError when a file or folder cannot be written.
    """
    clear_outcomes(folder)
    return tuple(
        write_outcome(folder, index, outcome, run=run)
        for index, outcome in enumerate(run.outcomes, 1)
        if outcome.target is not None
    )


def write_json(path: Path, document: dict[str, object]) -> None:
    """Write a document as ASCII JSON. Raises SpaceError when it cannot be written."""
    write_text(path, json.dumps(document, allow_nan=False) + "\n")


def outcome_folders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that ``write_outcome`` made."""
    return [trace.parent for trace in folder.glob("[0-9][0-9]*-*/trace.json")]


def clear_outcomes(folder: Path) -> None:
    """Remove the outcome folders of an earlier run, so that no old report is taken for a new one.

    Only folders that ``write_outcome`` made are touched. Raises SpaceError when one stays.
    """
    for each in outcome_folders(folder):
        _refuse_link(each)
        try:
            shutil.rmtree(each)
        except OSError as error:
            raise SpaceError(
                f"{one_line(str(each), 400)} cannot be removed: {error.strerror}.",
                hint="Remove it by hand, or choose another folder with --output.",
            ) from error


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise UsageError(
            f"{one_line(str(folder), 400)} is a link, and egbot writes through none.",
            hint="Remove it, or choose another folder with --output.",
        )


def safe_name(qualname: str) -> str:
    """A name fit for any file system: ASCII letters, digits, ``_`` and single inner dots."""
    ascii_only = re.sub(r"[^A-Za-z0-9_.]+", "_", qualname[: 4 * _NAME_CHARS])
    return re.sub(r"\.{2,}", ".", ascii_only)[:_NAME_CHARS].strip("._") or "target"


def run_json(run: Run) -> str:
    """A run as JSON, schema ``egbot.run/1``, on one line."""
    return json_text(run) + "\n"


def write_run(path: Path, run: Run) -> None:
    """Write run.json, whole or not at all. Raises SpaceError when it cannot be written."""
    write_text(path, run_json(run))


def read_run(path: Path) -> Run:
    """Read what ``write_run`` wrote.

    Raises UsageError, naming the file and the field, when it is missing, no JSON, of another
    schema, or has unknown, missing or ill-typed keys.
    """
    shown = one_line(str(path), 400)
    hint = "Give a run.json that this version of egbot wrote."
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}.", hint=hint) from error
    except (ValueError, RecursionError) as error:
        told = one_line(str(error), 200)
        raise UsageError(f"{shown} is not a JSON file: {told}.", hint=hint) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA_RUN:
        said = one_line(repr(schema), 60)
        raise UsageError(f"{shown}: its schema is {said}, not {SCHEMA_RUN!r}.", hint=hint)
    try:
        return _Envelope.model_validate({"run": data}).run
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = one_line(".".join(str(part) for part in first["loc"][1:]), 200)
        raise UsageError(f"{shown}: {where}: {one_line(first['msg'])}.", hint=hint) from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file through a temporary neighbour and a rename; make its folders first.

    Undecodable bytes that were read as lone surrogates (PEP 383) are written as those bytes again;
    other lone surrogates as an escape. Raises SpaceError when the file cannot be written.
    """
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    replace_file(path, data)
