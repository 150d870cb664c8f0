"""Turns an entry of a list of packages into a task, fetches the package and blanks the function.

It does not know how a function is found or written again.
"""

from __future__ import annotations

import ast
import hashlib
import posixpath
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from egbot.bench.tasks import BadRecordError, BlankedFunction, Record, Task, text_field
from egbot.errors import UsageError
from egbot.execution.cache import cache_folder, writing
from egbot.execution.options import SandboxOptions
from egbot.records import Tree, TreeFile
from egbot.repository import open_repository, snapshot
from egbot.source.edit import prepare
from egbot.source.outline import Definition, find
from egbot.uv import run_uv

SHIPPED = Path(__file__).parent / "configs" / "packages.json"
ORACLE = SHIPPED.with_name("oracle.json")
"""Functions of more packages, blanked and deleted: for the perfect model."""
_MAX_FILE_BYTES = 4 * 1024 * 1024
_NETWORK_HINT = "this needs a package index: check the network and pip's configuration"


def make_task(record: Record) -> Task:
    """Raises BadRecordError."""
    target = text_field(record, "target")
    path, _, name = target.partition("::")
    if not path.endswith(".py") or not name:
        raise BadRecordError(f"target {target[:80]!r} is not PATH::QUALNAME")
    package = text_field(record, "package", default="")
    folder = text_field(record, "path", default="")
    if not package and not folder:
        raise BadRecordError("it names neither a package nor a path")
    version = text_field(record, "version", default="")
    if package and not version:
        raise BadRecordError(f"{package} has no version: results must be repeatable")
    digest = text_field(record, "sha256", default="")
    origin = f"{package}=={version}" if package else folder
    form = text_field(record, "form", default="blanked")
    if form not in ("blanked", "deleted"):
        raise BadRecordError(f"form {form[:80]!r} is neither blanked nor deleted")
    work = BlankedFunction(package, version, digest, folder, target, form == "deleted")
    return Task(f"{origin}::{target}", record.place, work)


# --- the package's files -----------------------------------------------------------------------


def package_tree(work: BlankedFunction) -> Tree:
    """All files of the package. Raises UsageError when it cannot be had or is not what was named."""
    if not work.package:
        return snapshot(open_repository(Path(work.path)))
    archive = _fetched(work)
    data = archive.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if work.sha256 and digest != work.sha256:
        raise UsageError(
            f"{archive.name} is not the file that the list names: its sha256 is {digest}",
            hint=f"remove {archive} and try again, or correct the list",
        )
    return _unpacked(archive)


def _fetched(work: BlankedFunction) -> Path:
    """The source distribution, from the cache or by pip, which uv cannot stand in for and fetches.

    pip asks the package's build script for its metadata, so that code runs on this machine; with
    a sha256 in the list it is the code that the list's author saw.
    """
    folder = cache_folder(SandboxOptions()) / "packages" / f"{work.package}-{work.version}"
    kept = _archive(folder)
    if kept is not None:
        return kept
    wanted = f"{work.package}=={work.version}"
    line = wanted + (f" --hash=sha256:{work.sha256}" if work.sha256 else "")
    with writing(folder), tempfile.TemporaryDirectory(dir=folder) as name:
        listed = Path(name) / "requirements.txt"
        listed.write_text(line + "\n", encoding="utf-8")
        command = ["--python", sys.executable, "pip", "download", "-qq", "--no-deps"]
        command += ["--no-binary=:all:", "--dest", name, "--requirement", str(listed)]
        what = f"fetching the source of {wanted}"
        run_uv("tool run", *command, what=what, next_step=_NETWORK_HINT)
        found = _archive(Path(name))
        if found is None or work.version not in found.name:
            raise UsageError(
                f"pip brought no source archive of {work.package} {work.version}",
                hint="name a version that has one",
            )
        return found.replace(folder / found.name)


def _archive(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.tar.gz"))), None)


def _unpacked(archive: Path) -> Tree:
    """The regular files of a source distribution, without its outermost folder."""
    tree: dict[str, TreeFile] = {}
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                path = PurePosixPath(posixpath.normpath(member.name))
                if not member.isfile() or path.is_absolute() or ".." in path.parts:
                    continue
                file = opened.extractfile(member)
                if file is None or len(path.parts) < 2 or member.size > _MAX_FILE_BYTES:
                    continue
                mode = 0o100755 if member.mode & 0o100 else 0o100644
                tree[str(PurePosixPath(*path.parts[1:]))] = TreeFile(file.read(), mode)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise UsageError(
            f"{archive} cannot be unpacked: {error}", hint="remove it and try again"
        ) from error
    return tree


# --- blanking ----------------------------------------------------------------------------------


def _found(tree: Tree, target: str) -> tuple[TreeFile, Definition]:
    path, _, qualname = target.partition("::")
    file = tree.get(path)
    definition = find(file.data, qualname) if file is not None else None
    if file is None or definition is None:
        raise UsageError(f"the package has no function {target}", hint="correct the list")
    return file, definition


def deleted(tree: Tree, target: str) -> Tree:
    """The tree without the target; ``pass`` stands where nothing is left of its class.

    Raises UsageError when there is no such function.
    """
    file, definition = _found(tree, target)
    span = definition.span
    before, after = file.data[: span.start_byte], file.data[span.end_byte :]
    try:
        ast.parse(before + after)
    except SyntaxError:
        before += b"pass"
    return {**tree, target.partition("::")[0]: TreeFile(before + after, file.mode)}


def blanked(tree: Tree, target: str) -> Tree:
    """The tree with the target's body replaced by ``raise NotImplementedError``.

    Signature, decorators and docstring stay. Raises UsageError when there is no such function.
    """
    path, _, qualname = target.partition("::")
    file, definition = _found(tree, target)
    node = ast.parse(definition.code).body[0]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise UsageError(f"{target} is no function", hint="correct the list")
    lines = definition.code.split("\n")
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        head = lines[: first.end_lineno]
    else:
        head = definition.header.split("\n")
    code = "\n".join([*head, "    raise NotImplementedError"])
    after = prepare(file.data, qualname, path, definition.ordinal).fill(code)
    return {**tree, path: TreeFile(after, file.mode)}
