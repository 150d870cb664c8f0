"""A working tree is read as it is, and written only where nothing of the user's can be lost."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from egbot import bounds, gitcommand, repository
from egbot.errors import SpaceError, SurroundingsError, UsageError
from egbot.records import Patch
from egbot.repository import Repository
from egbot.source.diff import unified_diff
from tests.machine import is_alive, wait_for

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches git, and the committer is known."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "EMAIL"):
        monkeypatch.delenv(name, raising=False)


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, check=True, text=True
    ).stdout


def _program(place: Path, text: str) -> Path:
    place.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


def _python(repo: Repository, code: str, **variables: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), **variables}
    subprocess.run([sys.executable, "-c", code], cwd=repo.root, env=environment, check=True)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    root = tmp_path / "my repo"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_bytes(b"def f():\r\n    pass\r\n")
    _program(root / "run.sh", "true")
    (root / ".gitignore").write_text("egbot-out/\n*.log\n")
    _sh(root, "git init -q -b main; git add -A; git commit -q -m start")
    return repository.open_repository(root)


def _patch(path: str, before: bytes | None, after: bytes) -> Patch:
    digest = "" if before is None else hashlib.sha256(before).hexdigest()
    return Patch(path, digest, unified_diff(path, before, after), "")


# --- opening -----------------------------------------------------------------------------------


def test_top_level_is_found_from_a_folder_or_a_file(repo: Repository) -> None:
    for place in (repo.root, repo.root / "pkg", repo.root / "pkg" / "a.py"):
        assert repository.open_repository(place) == repo
    with pytest.raises(UsageError, match="does not exist"):
        repository.open_repository(repo.root / "no" / "where")


# What befell the folder "t" (in sh, beside "my repo"), what is said, and the next step.
REFUSED = {
    "a configuration without an end": (
        "git init -q t; mkfifo t/f; printf '[include]\npath=../f\n' >>t/.git/config", "finish in 1 s", ""
    ),
    "another working tree": (
        "git init -q t; git -C t config core.worktree $PWD", "names another working tree", "--unset"
    ),
    "another one of an embedded repository": (
        """git init -q s; git init -q --bare s/t; git -C s/t config core.bare false; ln -s s/t t
        git -C t config core.worktree $PWD""", "names another working tree|bare repository", "",
    ),
    "no repository": ("mkdir t", "t is not a git repository", "git init"),
    "bare": ("git init -q --bare t", "not in a working tree", "check it out"),
    "inside .git": ("git init -q s; ln -s s/.git t", "not in a working tree", "check it out"),
    "no such gitdir": ("mkdir t; echo gitdir: /no/where >t/.git", "leads to no rep", "clone it again"),
    "no gitfile": ("mkdir t; echo garbage >t/.git", "leads to no repository", "clone it again"),
    "empty config": ("git init -q t; echo '[' >t/.git/config", "bad config line 1", "git status"),
    "include of itself": (
        "git init -q t; printf '[include]\npath=config\n' >>t/.git/config", "maximum include", ""
    ),
    "extension": (
        "git init -q t; cd t; git config core.repositoryformatversion 1; git config extensions.x2 x",
        "needs a newer git: .*x2", "install the git",
    ),
    "index of garbage": ("$clone; echo garbage >t/.git/index", "index of .* is broken", "git reset"),
    "index cut short": ("$clone; truncate -s 200 t/.git/index", "is broken", "git reset"),
    "index cut to nothing": ("$clone; : >t/.git/index", "is broken", "git reset"),
    "index of the future": (
        "$clone; printf 'DIRC\\0\\0\\0\\11%032d' 0 >t/.git/index", "is broken: .*version 9", "git reset"
    ),
    "index with another checksum": (
        "$clone; truncate -s -20 t/.git/index; printf %020d 0 >>t/.git/index",
        "does not have the checksum", "git reset",
    ),
    "HEAD of a lost commit": (
        "$clone; rm -r t/.git/objects/*; git -C t pack-refs --all", "lacks objects", "git fsck"
    ),
}  # fmt: skip
# What is like any other working tree, and the files that are not in its snapshot.
TAKEN = {
    "shallow": ('git clone -q --depth=1 "file://$PWD/my repo" t', set()),
    "partial": (
        """git -C 'my repo' config uploadpack.allowFilter 1
        git clone -q --no-checkout --filter=blob:none "file://$PWD/my repo" t
        git -C t reset -q; git -C t config remote.origin.uploadpack 'touch ran; false'""",
        {"pkg/a.py", "run.sh", ".gitignore"},
    ),
    "sparse": ("$clone; git -C t sparse-checkout set --no-cone run.sh", {"pkg/a.py", ".gitignore"}),
    "sparse index": ("$clone; git -C t sparse-checkout set --sparse-index", {"pkg/a.py"}),
    "split index": ("$clone; git -C t update-index --split-index --index-version=4", set()),
    "detached": ("$clone; git -C t checkout -q --detach", set()),
    "linked": ("git -C 'my repo' worktree add -q ../t", set()),
    "linked .git": ("$clone; mv t/.git g; ln -s ../g t/.git", set()),
    "separate git folder": ("git clone -q --separate-git-dir=g 'my repo' t", set()),
    "SHA-256": ("git init -q --object-format=sha256 t; cp -R 'my repo'/* t; git -C t add .", {".gitignore"}),
    "unborn": ("git init -q t; cp -R 'my repo'/* 'my repo'/.gitignore t", set()),
    "empty .git inside": ("$clone; mkdir t/pkg/.git", set()),
}  # fmt: skip


def _sh(folder: Path, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True)


def _befall(script: str, folder: Path) -> Path:
    _sh(folder, script.replace("$clone", "git clone -q 'my repo' t"))
    return folder / "t"


def _use(folder: Path) -> set[str]:
    opened = repository.open_repository(folder)
    assert opened.root == folder
    paths = set(repository.snapshot(opened))
    repository.head_sha(opened)
    return paths


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_working_tree_or_a_broken_one_is_one_message(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    if "end" in case:
        monkeypatch.setitem(gitcommand._TABLE["reading"], "limit_s", 1.0)
    script, message, hint = REFUSED[case]
    with pytest.raises((UsageError, SurroundingsError), match=message) as caught:
        _use(_befall(script, tmp_path))
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("case", TAKEN)
def test_every_kind_of_working_tree_is_read_and_nothing_is_fetched(
    repo: Repository, tmp_path: Path, case: str
) -> None:
    script, lacks = TAKEN[case]
    folder = _befall(script, tmp_path)
    assert _use(folder) == {"pkg/a.py", "run.sh", ".gitignore"} - lacks
    repository.is_clean(Repository(folder))
    assert not list(tmp_path.rglob("ran"))


def test_another_owner_is_said_with_the_command(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SurroundingsError, match="belongs to another user") as caught:
        repository.open_repository(repo.root)
    assert caught.value.hint.endswith(f"--add safe.directory '{repo.root}'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "git was not found"),
        ("echo git version 2.25.1", "git version 2.25 is too old"),
        ("echo usage: wrapper", "asked for its version, it says b'usage: wrapper'"),
        ("echo broken >&2; exit 1", "asked for its version, it says 'broken'"),
        ("#!/no/interpreter", "asked for its version, it says .*No such file"),
        ("sleep 600", "did not finish in 1 s"),
    ],
)
def test_a_git_that_is_missing_old_or_broken_is_said(
    repo: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str | None,
    message: str,
) -> None:
    monkeypatch.setitem(gitcommand._TABLE["reading"], "limit_s", 1.0)
    monkeypatch.setenv("PATH", f"{tmp_path}:" + (os.environ["PATH"] if text else "relative"))
    if text is not None:
        _program(tmp_path / "git", text)
    with pytest.raises(SurroundingsError, match=message) as caught:
        repository.open_repository(repo.root)
    assert "2.32" in caught.value.hint


def test_nothing_is_started_by_an_import_and_nothing_goes_on(
    repo: Repository, tmp_path: Path
) -> None:
    evil = _program(tmp_path / "evil", f"touch {tmp_path}/ran")
    code = """
import os, pathlib; from egbot.repository import *; before = dict(os.environ)
repo = open_repository(pathlib.Path('.')); snapshot(repo); is_clean(repo); head_sha(repo)
assert before == dict(os.environ)
assert not [c for c in pathlib.Path('/proc/self/task').glob('*/children') if c.read_text()]
"""
    _python(repo, code, GIT_PYTHON_GIT_EXECUTABLE=str(evil), GIT_PYTHON_REFRESH="nonsense")
    assert not (tmp_path / "ran").exists()


def test_an_interrupted_wait_ends_git_and_nothing_else_goes_on(
    repo: Repository, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    waits = f"echo $$ >'{tmp_path}/pid'; kill -ALRM $PPID; exec sleep 3600"
    _program(tmp_path / "bin/git", f"[ $1 = version ] && exec echo git version 2.40.0\n{waits}")
    code = """
import pathlib, threading; from egbot.repository import *; from egbot.deadline import *
try:
    with ended_after(60.0, 'x'): open_repository(pathlib.Path('.'))
except OutOfTimeError: pass
else: raise SystemExit(1)
assert threading.active_count() == 1
"""
    _python(repo, code, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_head_is_a_commit_or_nothing_yet(repo: Repository, tmp_path: Path) -> None:
    assert repository.head_sha(repo) == _git(repo.root, "rev-parse", "HEAD").strip()
    assert repository.head_sha(Repository(_befall("git init -q t", tmp_path))) == ""


def test_environment_of_a_git_hook_does_not_redirect_our_calls(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "OBJECT_DIRECTORY", "NAMESPACE"):
        monkeypatch.setenv(f"GIT_{name}", str(tmp_path / "elsewhere"))
    assert repository.open_repository(repo.root) == repo
    assert "pkg/a.py" in repository.snapshot(repo)


# --- reading -----------------------------------------------------------------------------------


def test_snapshot_is_the_working_tree_and_not_the_commit(repo: Repository) -> None:
    (repo.root / "pkg" / "a.py").write_bytes(b"changed\r\n")
    (repo.root / "new ü\n.py").write_bytes(b"\xff\0")
    _sh(
        repo.root,
        "touch gone x.log; git add gone; rm gone; mkdir egbot-out; touch egbot-out/run; ln -s run.sh l",
    )
    tree = repository.snapshot(repo)
    assert set(tree) == {".gitignore", "pkg/a.py", "run.sh", "new ü\n.py", "l"}
    assert tree["pkg/a.py"].data == b"changed\r\n"
    assert tree["new ü\n.py"].data == b"\xff\0"
    assert tree["l"].data == b"run.sh"
    modes = [tree[path].mode for path in ("run.sh", "pkg/a.py", "l")]
    assert modes == [0o100755, 0o100644, 0o120000]


# What is done in the repository, what its snapshot holds more or less, and what is noted.
LEFT_OUT: dict[str, tuple[str, set[str], list[str]]] = {
    "link inside": ("ln -s pkg/a.py in; ln -s ../run.sh pkg/up; ln -s no d", {"in", "pkg/up", "d"}, []),
    "link outside": ("echo secret >../s; ln -s ../s out", set(), ["is a link that leaves the repository"]),
    "absolute link": ('ln -s "$PWD/run.sh" abs', set(), ["is a link that leaves the repository"]),
    "link into .git": ("ln -s .git/config l", set(), ["is a link into .git"]),
    "folder that is a link": (
        "mv pkg ..; echo secret >../pkg/a.py; ln -s ../pkg pkg", {"pkg/a.py"},
        ["is a link that leaves the repository", "a folder on its way is a link"],
    ),
    "repository inside": ("git init -q in; touch in/x.py", set(), ["is a folder (another git repository?)"]),
    "submodule": (
        "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),lib; mkdir lib",
        set(), ["is a folder (another git repository?)"],
    ),
    "folder in a file's place": (
        "rm run.sh; mkdir run.sh; touch run.sh/x", {"run.sh", "run.sh/x"},
        ["is a folder (another git repository?)"],
    ),
    "big file": ("printf %02000d 0 >big", set(), ["has 2,000 bytes, more than 1,000"]),
    "odd name": (r"touch $(printf 'bad\377.py')", set(), ["has a name that is not UTF-8"]),
    "no file": ("mkfifo pipe", set(), []),
    "tracked no file": ("rm run.sh; mkfifo run.sh", {"run.sh"}, ["is no regular file"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_no_file_of_the_repository_is_left_out_with_a_note(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    script, changed, expected = LEFT_OUT[case]
    _sh(repo.root, script)
    monkeypatch.setattr(repository, "MAX_FILE_BYTES", 1000)
    notes: list[str] = []
    tree = repository.snapshot(repo, note=notes.append)
    assert set(tree) ^ {".gitignore", "pkg/a.py", "run.sh"} == changed
    assert [note.partition(": ")[2] for note in notes] == expected
    assert not any(b"secret" in file.data for file in tree.values())


def test_tree_that_is_too_large_is_one_clear_error(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_TREE_BYTES", 10)
    with pytest.raises(UsageError, match="holds more than 10 bytes") as caught:
        repository.snapshot(repo)
    assert ".gitignore" in caught.value.hint


def test_cleanliness_counts_every_kind_of_change(repo: Repository) -> None:
    assert repository.is_clean(repo)
    (repo.root / "new[1]*.py").write_text("x")
    assert not repository.is_clean(repo)
    assert repository.is_clean(repo, ["pkg/a.py", "new*"])
    assert not repository.is_clean(repo, ["new[1]*.py"])


def test_reading_takes_no_lock_and_starts_no_program_of_the_repository(repo: Repository) -> None:
    """Monitors, submodules and transports would obey what an unpacked repository brings along."""
    evil = _program(repo.root / ".git" / "evil", f"touch '{repo.root}/egbot-out'")
    _sh(
        repo.root,
        f"""git init -q sub; git -C sub commit -q --allow-empty -m x
        git add sub; git commit -q -m sub
        for one in . sub; do git -C $one config core.fsmonitor '{evil}'; done
        touch .git/index.lock""",
    )
    assert len(repository.snapshot(repo)) == 3
    assert repository.is_clean(repo)
    _sh(
        repo.root,
        f"""git config extensions.partialClone origin
        git config remote.origin.url ssh://evil.invalid/x
        git config remote.origin.promisor true
        git config core.sshCommand '{evil}'
        rm .git/objects/$(git rev-parse HEAD^{{tree}} | sed 's|^..|&/|')""",
    )
    assert len(repository.snapshot(repo)) == 3
    with pytest.raises(SurroundingsError, match="egbot fetches none"):
        repository.is_clean(repo)
    assert not (repo.root / "egbot-out").exists()


def test_a_submodule_is_a_working_tree_of_its_own(repo: Repository) -> None:
    root = repo.root
    _git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(root), "s")
    assert repository.open_repository(root / "s" / "pkg").root == root / "s"
    assert "pkg/a.py" in repository.snapshot(Repository(root / "s"))


# --- writing -----------------------------------------------------------------------------------


def test_patches_are_written_byte_for_byte_and_keep_the_mode(repo: Repository) -> None:
    before, shell = (repo.root / "pkg/a.py").read_bytes(), (repo.root / "run.sh").read_bytes()
    latin, first = b"# coding: latin-1\nx = '\xe9'\n", b"x = 1\n"
    (repo.root / "l.py").write_bytes(latin)
    _git(repo.root, "config", "core.autocrlf", "true")
    changes = [
        ("pkg/a.py", before, before.replace(b"pass", b"return 1")),
        ("run.sh", shell, shell + b"true"),
        ("l.py", latin, latin.replace(b"\xe9", b"\xe8")),
        ("new dir/ü.py", None, first),
        ("new dir/ü.py", first, b"x = 2\n"),
    ]
    written = repository.apply(repo, [_patch(*change) for change in changes])
    assert written == ("pkg/a.py", "run.sh", "l.py", "new dir/ü.py")
    last = {path: after for path, _, after in changes}
    assert {path: (repo.root / path).read_bytes() for path in written} == last
    assert stat.S_IMODE((repo.root / "run.sh").stat().st_mode) == 0o755
    assert not list(repo.root.rglob(".egbot-*"))


X = unified_diff("x", None, b"x\n")
# Patches that are not written, and why.
UNFIT = {
    "changed": (_patch("run.sh", b"#!/bin/sh\n", b"y\n"), r"run\.sh has changed since"),
    "unexpected": (_patch("run.sh", None, b"y\n"), "has changed since"),
    "missing": (_patch("none.py", b"x\n", b"y\n"), "is missing"),
    "through a folder": (_patch("link/x.py", None, b"x\n"), "writes through none"),
    "through a link": (_patch("file.py", None, b"x\n"), "writes through none"),
    "below a file": (_patch("run.sh/x.py", None, b"x\n"), "cannot be read: Not a directory"),
    "garbage": (Patch("a.py", "", "garbage", ""), "does not apply"),
    "of another file": (Patch("a.py", "", X, ""), "does not apply"),
    "of a file outside": (Patch("a.py", "", X.replace("b/x", "b/../x"), ""), "does not apply"),
} | {
    path: (Patch(path, "", X, ""), "may not write")
    for path in ("../x", "/tmp/x", "//x", ".git/hooks/x", "pkg/../../x", "", ".", "a/.GIT/x")
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_patch_that_does_not_fit_or_leaves_the_working_tree_stops_all(
    repo: Repository, case: str
) -> None:
    _sh(repo.root, "mkdir ../out; ln -s ../out link; ln -s ../out/x.py file.py; git add .")
    before = _git(repo.root, "status", "--porcelain")
    patch, message = UNFIT[case]
    with pytest.raises(UsageError, match=message):
        repository.apply(repo, [_patch("new.py", None, b"x\n"), patch])
    assert _git(repo.root, "status", "--porcelain") == before
    assert list((repo.root.parent / "out").iterdir()) == []


def test_folder_that_cannot_be_written_is_a_space_error(repo: Repository) -> None:
    with pytest.raises(SpaceError, match="cannot be written"):
        bounds.replace_file(repo.root / "run.sh" / "x.py", b"x\n")


# --- committing --------------------------------------------------------------------------------


def test_commit_holds_only_the_paths_and_the_user_is_its_author(repo: Repository) -> None:
    _sh(repo.root, "for one in pkg/a.py added.py staged.py run.sh; do echo x >$one; done")
    _git(repo.root, "add", "staged.py")
    sha = repository.commit(repo, ["pkg/a.py", "added.py"], "Write f\n\n# kept, with a body")
    assert sha == repository.head_sha(repo)
    shown = _git(repo.root, "show", "--name-only", "--format=%an <%ae>%n%B", "HEAD")
    assert shown.split("\n")[:4] == ["Ada <ada@example.org>", "Write f", "", "# kept, with a body"]
    assert set(shown.split("\n")[5:]) - {""} == {"pkg/a.py", "added.py"}
    assert _git(repo.root, "status", "--porcelain") == " M run.sh\nA  staged.py\n"


def test_nothing_changed_is_no_commit(repo: Repository) -> None:
    before = repository.head_sha(repo)
    assert repository.commit(repo, ["pkg/a.py"], "none") == ""
    assert repository.commit(repo, [], "none") == ""
    assert repository.head_sha(repo) == before


def test_first_commit_of_a_repository_works(tmp_path: Path) -> None:
    root = _befall("git init -q t; touch 't/-a b.py'", tmp_path)
    assert len(repository.commit(Repository(root), ["-a b.py"], "first")) == 40


# What is in the way of a commit of added.py (in sh), what is said, and the next step.
HINDERED = {
    "staged by the user": ("git add added.py", r"staged changes in added\.py", "git restore --staged"),
    "a hook": (
        """mkdir -p .git/hooks; cd .git/hooks; chmod 755 .
        printf '#!/bin/sh\necho "no tabs please, $LC_ALL" >&2\nexit 1\n' >pre-commit
        chmod 755 pre-commit""",
        r"no tabs please, C\.UTF-8", "stay in the working tree",
    ),
    "a lock left behind": ("touch .git/index.lock", "one that died left", "/my repo/.git/index.lock'"),
    "no identity": ("printf '[user]\nuseConfigOnly=1\n' >../gitconfig", "who commits", "user.email"),
}  # fmt: skip


@pytest.mark.parametrize("case", HINDERED)
def test_a_commit_that_cannot_be_names_the_next_step_and_leaves_the_index_as_it_was(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    script, message, hint = HINDERED[case]
    _sh(repo.root, f"touch added.py; {script}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    before = _git(repo.root, "status", "--porcelain")
    with pytest.raises((UsageError, SurroundingsError), match=message) as caught:
        repository.commit(repo, ["added.py"], "no")
    assert hint in caught.value.hint
    assert _git(repo.root, "status", "--porcelain") == before
