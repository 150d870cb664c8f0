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
    result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    root = tmp_path / "my repo"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_bytes(b"def f():\r\n    pass\r\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / ".gitignore").write_text("egbot-out/\n*.log\n")
    _git(root, "init", "-q", "-b", "main")
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "start")
    return repository.open_repository(root)


def _patch(path: str, before: bytes | None, after: bytes) -> Patch:
    digest = "" if before is None else hashlib.sha256(before).hexdigest()
    return Patch(path, digest, unified_diff(path, before, after), "")


# --- opening -----------------------------------------------------------------------------------


def test_top_level_is_found_from_a_folder_or_a_file(repo: Repository) -> None:
    for place in (repo.root, repo.root / "pkg", repo.root / "pkg" / "a.py"):
        assert repository.open_repository(place) == repo


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        repository.open_repository(tmp_path / "no" / "where")


# What befell the folder "t" (in sh, beside "my repo"), what is said, and the next step.
REFUSED = {
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


def _befall(script: str, folder: Path) -> Path:
    start = "clone() { git clone -q 'my repo' t; }\n"
    subprocess.run(["sh", "-ec", start + script.replace("$clone", "clone")], cwd=folder, check=True)
    return folder / "t"


def _use(folder: Path) -> set[str]:
    opened = repository.open_repository(folder)
    assert opened.root == folder
    paths = set(repository.snapshot(opened))
    repository.head_sha(opened)
    return paths


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_working_tree_or_a_broken_one_is_one_message(
    repo: Repository, tmp_path: Path, case: str
) -> None:
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
        ("#!/bin/sh\necho git version 2.25.1\n", "git version 2.25 is too old"),
        ("#!/bin/sh\necho usage: wrapper\n", "asked for its version, it says b'usage: wrapper'"),
        ("#!/bin/sh\necho broken >&2; exit 1\n", "asked for its version, it says 'broken'"),
        ("#!/no/interpreter\n", "asked for its version, it says .*No such file"),
        ("#!/bin/sh\nsleep 600\n", "did not finish in 1 s"),
    ],
)
def test_a_git_that_is_missing_old_or_broken_is_said(
    repo: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str | None,
    message: str,
) -> None:
    monkeypatch.setattr(gitcommand, "_LIMIT_S", 1.0)
    before = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path}:relative")
    if text is not None:
        monkeypatch.setenv("PATH", f"{tmp_path}:{before}")
        (tmp_path / "git").write_text(text)
        (tmp_path / "git").chmod(0o755)
    with pytest.raises(SurroundingsError, match=message) as caught:
        repository.open_repository(repo.root)
    assert "2.32" in caught.value.hint


def test_a_configuration_that_never_ends_is_left_alone(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(repo.root / "fifo")
    (repo.root / ".git" / "config").write_text("[include]\n\tpath = ../fifo\n")
    monkeypatch.setattr(gitcommand, "_LIMIT_S", 1.0)
    with pytest.raises(SurroundingsError, match="did not finish in 1 s"):
        repository.open_repository(repo.root)


def test_nothing_is_started_by_an_import_and_nothing_goes_on(
    repo: Repository, tmp_path: Path
) -> None:
    (tmp_path / "evil").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "evil").chmod(0o755)
    code = (
        "import os, pathlib; from egbot.repository import *; before = dict(os.environ)\n"
        "repo = open_repository(pathlib.Path('.')); snapshot(repo); is_clean(repo); head_sha(repo)\n"
        "assert before == dict(os.environ)\n"
        "assert not [c for c in pathlib.Path('/proc/self/task').glob('*/children') if c.read_text()]\n"
    )
    environment = {
        "GIT_PYTHON_GIT_EXECUTABLE": str(tmp_path / "evil"),
        "GIT_PYTHON_REFRESH": "nonsense",
        "PYTHONPATH": os.fspath(ROOT),
    }
    subprocess.run(
        [sys.executable, "-c", code], cwd=repo.root, env=os.environ | environment, check=True
    )
    assert not (tmp_path / "ran").exists()


def test_an_interrupted_wait_ends_git_and_nothing_else_goes_on(
    repo: Repository, tmp_path: Path
) -> None:
    fake = tmp_path / "git"
    fake.write_text(
        "#!/bin/sh\n[ $1 = version ] && exec echo git version 2.40.0\n"
        f"echo $$ >'{tmp_path}/pid'; kill -ALRM $PPID; exec sleep 3600\n"
    )
    fake.chmod(0o755)
    code = (
        "import os, pathlib, signal, threading; from egbot.repository import open_repository\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "try: open_repository(pathlib.Path('.'))\n"
        "except KeyboardInterrupt: pass\n"
        "else: raise SystemExit(1)\n"
        "assert threading.active_count() == 1\n"
    )
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.fspath(ROOT)}
    subprocess.run(
        [sys.executable, "-c", code], cwd=repo.root, env=os.environ | environment, check=True
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_head_is_a_commit_or_nothing_yet(repo: Repository, tmp_path: Path) -> None:
    assert repository.head_sha(repo) == _git(repo.root, "rev-parse", "HEAD").strip()
    empty = tmp_path / "empty"
    empty.mkdir()
    _git(empty, "init", "-q")
    assert repository.head_sha(repository.open_repository(empty)) == ""


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
    (repo.root / "gone.py").write_text("x")
    _git(repo.root, "add", "gone.py")
    (repo.root / "gone.py").unlink()
    (repo.root / "egbot-out").mkdir()
    (repo.root / "egbot-out" / "run.json").write_text("{}")
    (repo.root / "x.log").write_text("")
    tree = repository.snapshot(repo)
    assert set(tree) == {".gitignore", "pkg/a.py", "run.sh", "new ü\n.py"}
    assert tree["pkg/a.py"].data == b"changed\r\n"
    assert tree["new ü\n.py"].data == b"\xff\0"
    assert (tree["run.sh"].mode, tree["pkg/a.py"].mode) == (0o100755, 0o100644)


def test_only_links_inside_the_tree_are_kept(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for name, goal in {
        "in.py": "pkg/a.py",
        "pkg/up.py": "../run.sh",
        "dangling": "pkg/none",
        "out": "../secret",
        "absolute": str(tmp_path / "secret"),
        "git": ".git/config",
    }.items():
        (repo.root / name).symlink_to(goal)
    notes: list[str] = []
    tree = repository.snapshot(repo, note=notes.append)
    links = {path: file.data for path, file in tree.items() if file.mode == 0o120000}
    assert links == {"in.py": b"pkg/a.py", "pkg/up.py": b"../run.sh", "dangling": b"pkg/none"}
    assert len(notes) == 3
    assert not any(b"secret" in file.data for file in tree.values())


def test_folder_that_became_a_link_is_not_followed(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.py").write_text("secret")
    (repo.root / "pkg" / "a.py").unlink()
    (repo.root / "pkg").rmdir()
    (repo.root / "pkg").symlink_to(tmp_path / "other")
    notes: list[str] = []
    assert set(repository.snapshot(repo, note=notes.append)) == {".gitignore", "run.sh"}
    assert any("is a link" in note for note in notes)


def test_other_repositories_big_files_and_odd_names_are_left_out_with_a_note(
    repo: Repository,
) -> None:
    inner = repo.root / "inner"
    inner.mkdir()
    _git(inner, "init", "-q")
    (inner / "x.py").write_text("x")
    (repo.root / "big.bin").write_bytes(b"x" * 2000)
    (repo.root / os.fsdecode(b"bad\xff.py")).write_text("x")
    os.mkfifo(repo.root / "pipe")
    notes: list[str] = []
    tree = repository.snapshot(repo, note=notes.append, max_file_bytes=1000)
    assert set(tree) == {".gitignore", "pkg/a.py", "run.sh"}
    assert sorted(note.split(": ")[1] for note in notes) == [
        "has 2,000 bytes, more than 1,000",
        "has a name that is not UTF-8",
        "is a git repository of its own",
    ]


def test_submodule_is_left_out(repo: Repository) -> None:
    sha = repository.head_sha(repo)
    _git(repo.root, "update-index", "--add", "--cacheinfo", f"160000,{sha},lib")
    (repo.root / "lib").mkdir()
    notes: list[str] = []
    assert "lib" not in repository.snapshot(repo, note=notes.append)
    assert notes == ["left out 'lib': is a git repository of its own"]


def test_tree_that_is_too_large_is_one_clear_error(repo: Repository) -> None:
    with pytest.raises(UsageError, match="holds more than 10 bytes") as caught:
        repository.snapshot(repo, max_tree_bytes=10)
    assert ".gitignore" in caught.value.hint


def test_cleanliness_counts_every_kind_of_change(repo: Repository) -> None:
    assert repository.is_clean(repo)
    (repo.root / "new[1]*.py").write_text("x")
    assert not repository.is_clean(repo)
    assert repository.is_clean(repo, ["pkg/a.py", "new*"])
    assert not repository.is_clean(repo, ["new[1]*.py"])


def test_reading_takes_no_lock_and_starts_no_program_of_the_repository(repo: Repository) -> None:
    witness = repo.root / "egbot-out"
    hook = repo.root / ".git" / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch '{witness}'\n")
    hook.chmod(0o755)
    _git(repo.root, "config", "core.fsmonitor", str(hook))
    (repo.root / ".git" / "index.lock").write_text("")
    assert len(repository.snapshot(repo)) == 3
    assert repository.is_clean(repo)
    assert not witness.exists()


def test_no_submodule_and_no_transport_is_started_by_reading(repo: Repository) -> None:
    """Both would obey a configuration that an unpacked repository brings along."""
    evil = repo.root / ".git" / "evil"
    evil.write_text("#!/bin/sh\ntouch '{}'\n".format(repo.root / "egbot-out"))
    evil.chmod(0o755)
    _git(repo.root, "init", "-q", "sub")
    _git(repo.root / "sub", "commit", "-q", "--allow-empty", "-m", "x")
    _git(repo.root, "add", "sub")
    _git(repo.root, "commit", "-q", "-m", "sub")
    _git(repo.root / "sub", "config", "core.fsmonitor", str(evil))
    assert repository.is_clean(repo)
    _git(repo.root, "config", "extensions.partialClone", "origin")
    _git(repo.root, "config", "remote.origin.url", "ssh://evil.invalid/x")
    _git(repo.root, "config", "remote.origin.promisor", "true")
    _git(repo.root, "config", "core.sshCommand", str(evil))
    missing = _git(repo.root, "rev-parse", "HEAD^{tree}").strip()
    (repo.root / ".git" / "objects" / missing[:2] / missing[2:]).unlink()
    assert len(repository.snapshot(repo)) == 3
    with pytest.raises(SurroundingsError, match="egbot fetches none"):
        repository.is_clean(repo)
    assert not (repo.root / "egbot-out").exists()


@pytest.mark.parametrize("kind", ["own", "embedded"])
def test_a_configuration_cannot_name_another_working_tree(
    repo: Repository, tmp_path: Path, kind: str
) -> None:
    """It would have the files of another folder read, run and written."""
    folder = repo.root
    if kind == "embedded":
        folder = repo.root / "pkg"
        _git(repo.root, "init", "-q", "--bare", "pkg")
        _git(folder, "config", "core.bare", "false")
    _git(folder, "config", "core.worktree", str(tmp_path))
    with pytest.raises(UsageError, match=r"names another working tree|bare repository"):
        repository.open_repository(folder)


def test_a_submodule_is_a_working_tree_of_its_own(repo: Repository) -> None:
    root = repo.root
    _git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(root), "s")
    assert repository.open_repository(root / "s" / "pkg").root == root / "s"
    assert "pkg/a.py" in repository.snapshot(Repository(root / "s"))


# --- writing -----------------------------------------------------------------------------------


def test_patches_are_written_byte_for_byte_and_keep_the_mode(repo: Repository) -> None:
    before = (repo.root / "pkg" / "a.py").read_bytes()
    after = before.replace(b"pass", b"return 1")
    shell = (repo.root / "run.sh").read_bytes()
    _git(repo.root, "config", "core.autocrlf", "true")
    written = repository.apply(
        repo,
        [
            _patch("pkg/a.py", before, after),
            _patch("run.sh", shell, shell + b"true"),
            _patch("new dir/ü.py", None, b"x = 1\n"),
        ],
    )
    assert written == ("pkg/a.py", "run.sh", "new dir/ü.py")
    assert (repo.root / "pkg" / "a.py").read_bytes() == after
    assert (repo.root / "new dir" / "ü.py").read_bytes() == b"x = 1\n"
    assert stat.S_IMODE((repo.root / "run.sh").stat().st_mode) == 0o755
    assert not list(repo.root.rglob(".egbot-*"))


def test_two_patches_of_one_file_build_on_each_other(repo: Repository) -> None:
    first = b"x = 1\n"
    repository.apply(repo, [_patch("n.py", None, first), _patch("n.py", first, b"x = 2\n")])
    assert (repo.root / "n.py").read_bytes() == b"x = 2\n"


def test_latin_1_file_is_patched_byte_for_byte(repo: Repository) -> None:
    before, after = b"# coding: latin-1\nx = '\xe9'\n", b"# coding: latin-1\nx = '\xe8'\n"
    (repo.root / "l.py").write_bytes(before)
    repository.apply(repo, [_patch("l.py", before, after)])
    assert (repo.root / "l.py").read_bytes() == after


def test_file_that_changed_since_stops_all_patches(repo: Repository) -> None:
    before = (repo.root / "pkg" / "a.py").read_bytes()
    (repo.root / "pkg" / "a.py").write_bytes(b"mine\n")
    patches = [_patch("new.py", None, b"x\n"), _patch("pkg/a.py", before, b"theirs\n")]
    with pytest.raises(UsageError, match=r"pkg/a\.py has changed since"):
        repository.apply(repo, patches)
    assert (repo.root / "pkg" / "a.py").read_bytes() == b"mine\n"
    assert not (repo.root / "new.py").exists()


def test_missing_and_unexpected_files_are_told_apart(repo: Repository) -> None:
    with pytest.raises(UsageError, match="is missing"):
        repository.apply(repo, [_patch("none.py", b"x\n", b"y\n")])
    with pytest.raises(UsageError, match="has changed since"):
        repository.apply(repo, [_patch("run.sh", None, b"y\n")])


@pytest.mark.parametrize(
    "path", ["../out.py", "/tmp/out.py", ".git/hooks/x", "pkg/../../x", "", ".", "a/.GIT/x"]
)
def test_patch_never_leaves_the_working_tree(repo: Repository, path: str) -> None:
    with pytest.raises(UsageError, match="may not write"):
        repository.apply(repo, [Patch(path, "", unified_diff("x", None, b"x\n"), "")])


def test_patch_is_not_written_through_a_link(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (repo.root / "link").symlink_to(tmp_path / "out")
    (repo.root / "file.py").symlink_to(tmp_path / "out" / "x.py")
    for path in ("link/x.py", "file.py"):
        with pytest.raises(UsageError, match="writes through none"):
            repository.apply(repo, [_patch(path, None, b"x\n")])
    assert list((tmp_path / "out").iterdir()) == []


def test_diff_that_speaks_of_other_files_writes_nothing(repo: Repository) -> None:
    for text in (
        unified_diff("../evil.py", None, b"x\n"),
        "garbage",
        unified_diff("b", None, b"x\n"),
    ):
        with pytest.raises(UsageError, match="does not apply"):
            repository.apply(repo, [Patch("a.py", "", text, "")])
    assert repository.is_clean(repo)


def test_folder_that_cannot_be_written_is_a_space_error(repo: Repository) -> None:
    (repo.root / "blocked").write_text("a file")
    with pytest.raises(SpaceError, match="cannot be written"):
        bounds.replace_file(repo.root / "blocked" / "x.py", b"x\n")
    with pytest.raises(UsageError, match="cannot be read: Not a directory"):
        repository.apply(repo, [_patch("blocked/x.py", None, b"x\n")])


# --- committing --------------------------------------------------------------------------------


def test_commit_holds_only_the_paths_and_the_user_is_its_author(repo: Repository) -> None:
    (repo.root / "pkg" / "a.py").write_bytes(b"new\n")
    (repo.root / "added.py").write_text("x\n")
    (repo.root / "staged.py").write_text("mine\n")
    (repo.root / "run.sh").write_text("unstaged\n")
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


def test_staged_changes_of_the_user_are_not_swept_in(repo: Repository) -> None:
    (repo.root / "pkg" / "a.py").write_bytes(b"mine\n")
    _git(repo.root, "add", "pkg/a.py")
    with pytest.raises(UsageError, match=r"staged changes in pkg/a\.py") as caught:
        repository.commit(repo, ["pkg/a.py"], "no")
    assert "git restore --staged" in caught.value.hint


def test_first_commit_of_a_repository_works(tmp_path: Path) -> None:
    root = tmp_path / "fresh"
    root.mkdir()
    _git(root, "init", "-q")
    (root / "-a b.py").write_text("x\n")
    assert len(repository.commit(repository.open_repository(root), ["-a b.py"], "first")) == 40


def test_hook_that_refuses_is_reported_and_leaves_the_index_as_it_was(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = repo.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "no tabs please, $LC_ALL" >&2\nexit 1\n')
    hook.chmod(0o755)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (repo.root / "added.py").write_text("x\n")
    with pytest.raises(UsageError, match=r"no tabs please, C\.UTF-8"):
        repository.commit(repo, ["added.py"], "no")
    assert _git(repo.root, "status", "--porcelain") == "?? added.py\n"


def test_a_lock_that_was_left_behind_is_named(repo: Repository) -> None:
    lock = repo.root / ".git" / "index.lock"
    lock.write_text("")
    (repo.root / "added.py").write_text("x\n")
    with pytest.raises(SurroundingsError, match="one that died left") as caught:
        repository.commit(repo, ["added.py"], "no")
    assert caught.value.hint.endswith(f"rm '{lock}'")


def test_missing_identity_names_the_next_step(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    (repo.root / "added.py").write_text("x\n")
    with pytest.raises(UsageError) as caught:
        repository.commit(repo, ["added.py"], "no")
    assert "user.email" in caught.value.hint
