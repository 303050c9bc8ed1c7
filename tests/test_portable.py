"""What macOS and Windows lack or do otherwise: names that must be guarded, text files, renames, paths and file names.

No such system was at hand: the sources are searched, and commands run with what is missing there taken away.
"""

import ast
import importlib.util
import ntpath
import os
import posixpath
import re
import shlex
import signal
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import yaml

from backbones.file_lock import file_lock
from tasks.data.files import slashes

ROOT = Path(__file__).parent.parent
ROOMS = [ROOT / room for room in ("backbones", "heads", "tasks")]
SOURCES = [*sorted(path for room in ROOMS for path in room.rglob("*.py")), ROOT / "mobilevision.py"]
UNIX = {
    "os": "fork forkpty killpg getpgid setpgid setsid getsid sched_getaffinity sched_setaffinity getuid geteuid getgid "
    "statvfs fstatvfs sysconf uname mkfifo mknod getloadavg nice wait wait3 wait4 WIFSIGNALED WNOHANG chroot chown "
    "register_at_fork posix_fadvise posix_fallocate memfd_create pread pwrite openpty ttyname",
    "signal": "SIGKILL SIGUSR1 SIGUSR2 SIGHUP SIGALRM SIGCHLD SIGPIPE SIGQUIT SIGSTOP SIGCONT SIGTSTP SIGWINCH "
    "setitimer getitimer alarm pause pthread_sigmask pthread_kill sigwait sigtimedwait siginterrupt set_wakeup_fd",
    "select": "poll epoll kqueue",
    "time": "tzset",
    "socket": "AF_UNIX socketpair",
}
MODULES = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "posix", "syslog", "readline"}
PLATFORM = re.compile(r"sys\.platform|os\.name|platform\.system|platform\.libc_ver")
UNIX_PATHS = re.compile(r"^/(dev|proc|sys|tmp|etc|var)(/|$)")
TAKEN_AWAY = {  # what Python's own modules do not need on Linux
    "os": "sched_getaffinity sched_setaffinity statvfs sysconf killpg getpgid setsid getloadavg nice",
    "signal": "SIGALRM SIGHUP SIGUSR2 SIGPIPE SIGQUIT setitimer getitimer alarm pause",
}
# Calls that open no text, or name its encoding themselves.
NO_FILES = ("os.open", "Image.open", "webbrowser.open", "archive.open", "tarfile.open", "self.open")
PATHS = {  # where a path of Linux is named, and what happens elsewhere
    "tasks/common/cpu.py": "device files that are looked for",
    "tasks/data/files/video.py": "cameras, listed in a message if there are any",
    "tasks/data/loading/sharing.py": "exists() is asked first",
    "tasks/deploy/bench/device_commands.py": "on the other machine, an Android or Linux device",
    "tasks/deploy/bench/memory.py": "is_file() is asked first",
    "tasks/engine/memory.py": "is_file() is asked first",
    "tasks/search/database.py": "is read if it is there",
    "tasks/latency/table.py": "is_file() is asked first",
    "tasks/report/process.py": "errors are suppressed: nothing is known then",
}


@cache
def parsed(text: str) -> ast.Module:
    """The tree of a source; the searches look at the same ones."""
    return ast.parse(text)


def functions(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Each node of a module with the text of the outermost function or statement that it stands in."""
    for outer in tree.body:
        parts = outer.body if isinstance(outer, ast.ClassDef) else [outer]
        for part in parts:
            text = ast.unparse(part)
            for node in ast.walk(part):
                yield node, text


def caught(kind: str, around: str) -> bool:
    """Whether a function catches or suppresses such an error."""
    return re.search(rf"(except|suppress)\b.*\b{kind}Error", around) is not None


def unguarded(text: str) -> list[str]:
    """Names of a source that only Unix has, used without asking for them."""
    found = []
    for node, around in functions(parsed(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, name = node.value.id, node.attr
            asked = (
                re.search(rf"(has|get)attr\({module}, ", around)
                or PLATFORM.search(around)
                or caught("Attribute", around)
            )
            if name in UNIX.get(module, "").split() and not asked:
                found.append(f"{module}.{name}")
        elif isinstance(node, ast.ImportFrom) and node.module in UNIX:
            found += [f"{node.module}.{a.name}" for a in node.names if a.name in UNIX[node.module].split()]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if MODULES & set(names) and not (PLATFORM.search(around) or caught("Import", around)):
                found += names
    return found


def text_files(text: str) -> list[str]:
    """Calls of a source that open a file as text without saying its encoding."""
    found = []
    tree = parsed(text)
    own = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name in own and not isinstance(node.func, ast.Attribute):
            continue
        words = {word.arg: word.value for word in node.keywords}
        if name in ("read_text", "write_text"):
            if "encoding" not in words:
                found.append(ast.unparse(node))
        elif name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
            if ast.unparse(node.func) in NO_FILES:
                continue
            first = 1 if name == "fdopen" or isinstance(node.func, ast.Name) else 0
            mode = words.get("mode", node.args[first] if len(node.args) > first else ast.Constant("r"))
            if isinstance(mode, ast.Constant) and "b" not in str(mode.value) and "encoding" not in words:
                found.append(ast.unparse(node))
    return found


def calls(text: str, *names: str) -> list[str]:
    """Calls of a source of functions or methods with these names."""
    return [
        ast.unparse(node)
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def unix_paths(text: str) -> list[str]:
    """Strings of a source that begin like a path of Linux; docstrings and messages do not."""
    return [
        node.value
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and UNIX_PATHS.match(node.value)
    ]


def everywhere(find: Callable[..., list[str]], *arguments: str) -> list[str]:
    """What a search finds in all sources, with the files' names."""
    return [
        f"{path.relative_to(ROOT).as_posix()}: {found}"
        for path in SOURCES
        for found in find(path.read_text(encoding="utf-8"), *arguments)
    ]


def test_what_only_unix_has_is_asked_for_before_it_is_used():
    assert everywhere(unguarded) == []
    assert unguarded("import os\ndef f():\n    return os.fork()") == ["os.fork"]
    assert unguarded("import os\ndef f():\n    return os.fork() if hasattr(os, 'fork') else 0") == []
    assert unguarded("import fcntl") == ["fcntl"] and unguarded("from signal import SIGKILL") == ["signal.SIGKILL"]
    assert unguarded("def f():\n    try:\n        import fcntl\n    except ImportError:\n        return") == []


def test_text_files_say_their_encoding():
    assert everywhere(text_files) == []
    assert text_files("open('a')\nPath('a').write_text('ä')\npath.open('w')") == [
        "open('a')",
        "Path('a').write_text('ä')",
        "path.open('w')",
    ]
    assert text_files("open('a', 'rb')\npath.open('wb')\npath.read_text(encoding='utf-8')") == []


def test_nothing_is_renamed_over_an_existing_file_and_links_may_fail():
    assert everywhere(calls, "rename") == [], "Path.replace does the same on every system"
    linked = everywhere(calls, "symlink_to", "hardlink_to", "symlink", "link")
    assert linked == ["tasks/deploy/bench/device_commands.py: os.link(source, target)"], "in try, copied otherwise"


def test_paths_of_linux_are_optional():
    named = {found.partition(": ")[0] for found in everywhere(unix_paths)}
    assert named <= set(PATHS), named - set(PATHS)
    assert unix_paths("open('/dev/null')") == ["/dev/null"]


def test_paths_below_a_folder_are_written_with_slashes():
    assert everywhere(os_paths) == [] and everywhere(shown_as_text) == []
    assert os_paths("os.path.relpath(a, b)") and shown_as_text("str(a.relative_to(b))")


def os_paths(text: str) -> list[str]:
    """Calls that give backslashes on Windows, instead of tasks.data.files.slashes' ones."""
    return [call for call in calls(text, "relpath", "normpath") if call.startswith("os.")]


def shown_as_text(text: str) -> list[str]:
    """str(path.relative_to(…)), which has backslashes on Windows, instead of as_posix()."""
    return [
        ast.unparse(node)
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "str" and ".relative_to(" in ast.unparse(node)
    ]


def test_the_repository_can_be_checked_out_on_windows():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0")[:-1] or [
        path.relative_to(ROOT).as_posix()
        for room in ("tasks", "tests", "conf", "docs")
        for path in (ROOT / room).rglob("*")
    ]
    reserved = re.compile(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?(/|$)|[<>:\"|?*\\]|[. ](/|$)", re.IGNORECASE)
    assert len(names) > 500 and [name for name in names if reserved.search(name)] == []
    assert len({name.lower() for name in names}) == len(names), "two names differ in case alone"
    assert max(map(len, names)) < 150, "with the folder above, 260 is the limit"


def test_folders_of_runs_have_names_that_windows_takes():
    formats = [
        found
        for path in [*SOURCES, *(ROOT / "conf").rglob("*.yaml")]
        for found in re.findall(r"%Y[^\"'}\s]*", path.read_text(encoding="utf-8"))
    ]
    assert formats and not [found for found in formats if ":" in found.replace("_${now:", "")]


def workflow() -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "test.yaml").read_text(encoding="utf-8"))


def test_the_workflow_has_a_job_of_each_kind_without_rights_or_secrets():
    content = workflow()
    text = (ROOT / ".github" / "workflows" / "test.yaml").read_text(encoding="utf-8")
    systems = {
        system
        for job in content["jobs"].values()
        for system in job["strategy"]["matrix"].get("system", [job["runs-on"]])
    }
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    for job in content["jobs"].values():
        assert job["strategy"]["matrix"]["python"][0] == oldest.removeprefix(">=") and job["timeout-minutes"]
    assert content["permissions"] == {"contents": "read"} and "secrets" not in text
    uses = {step["uses"] for job in content["jobs"].values() for step in job["steps"] if "uses" in step}
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in uses) and len(uses) == 2


def test_the_commands_of_the_workflow_exist():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = {
        name: [shlex.split(step["run"]) for step in job["steps"] if "run" in step]
        for name, job in workflow()["jobs"].items()
    }
    assert commands["linux"] and {words[0] for words in commands["others"]} == {"python"}, "Windows has no make"
    for words in commands["linux"] + commands["others"]:
        if words[0] == "make":
            assert set(words[1:]) <= set(targets)
            continue
        assert words[:2] == ["python", "-m"] and importlib.util.find_spec(words[2]), words
        if words[2] == "pytest":
            assert words[3:] and all((ROOT / path).exists() for path in words[3:])


def test_the_workflow_trains_a_network(command, tmp_path):
    (words,) = (
        words
        for step in workflow()["jobs"]["others"]["steps"]
        if (words := shlex.split(step.get("run", "")))[2:3] == ["tasks.segment"]
    )
    result = command("segment", *words[3:], "mode=evaluate", f"dataset.root={tmp_path}", "checkpoint=none.ckpt")
    assert result.err.startswith("error: checkpoint=none.ckpt"), "every key is right"


def test_commands_run_without_what_windows_lacks(command, tmp_path, monkeypatch):
    for module, names in TAKEN_AWAY.items():
        for name in names.split():
            monkeypatch.delattr(f"{module}.{name}")
    for module in ("fcntl", "resource", "termios", "pwd"):
        monkeypatch.setitem(sys.modules, module, None)
    assert not hasattr(signal, "setitimer") and not hasattr(os, "sched_getaffinity")
    words = [f"dataset.root={tmp_path / 'streets'}", "dataset.train=4", "dataset.val=2", "dataset.height=64"]
    words += ["dataset.width=96", "backbone=mobilenet_v3_small", "backbone.width=0.35", "data.workers=0"]
    words += ["data.batch_size=2", "trainer.accelerator=cpu", "trainer.max_epochs=1", "pictures=1"]
    result = command("segment", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0 and (tmp_path / "run" / "report.html").is_file(), result.err


def test_slashes_on_windows(monkeypatch):
    monkeypatch.setattr(slashes, "paths", ntpath)
    assert slashes.below("C:\\data\\cat\\a.jpg", "C:\\data") == "cat/a.jpg"
    assert slashes.normal("images\\..\\b/c.jpg") == "b/c.jpg"
    monkeypatch.setattr(slashes, "paths", posixpath)
    assert slashes.normal("a\\b.jpg") == "a\\b.jpg", "a letter of a name"


def test_one_process_makes_what_others_wait_for(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom backbones.file_lock import file_lock\n"
        "folder = Path(sys.argv[1])\nwith file_lock(folder / 'a.lock') as locked:\n"
        "    before = (folder / 'made').exists()\n    time.sleep(0.3)\n    (folder / 'made').touch()\n"
        "print(locked, before)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(process.communicate()[0].strip() for process in both) == ["True False", "True True"]
    assert not (tmp_path / "a.lock").exists()


def test_a_lock_holds_though_its_file_is_removed_each_time(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom backbones.file_lock import file_lock\n"
        "count = Path(sys.argv[1]) / 'count'\nfor _ in range(20):\n    with file_lock(count.with_suffix('.lock')):\n"
        "        seen = int(count.read_text())\n        time.sleep(0.005)\n        count.write_text(f'{seen + 1}')\n"
    )
    (tmp_path / "count").write_text("0", encoding="utf-8")
    every = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in every] == [0, 0, 0]
    assert (tmp_path / "count").read_text(encoding="utf-8") == "60", "no two processes at a time"


def test_without_locks_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with file_lock(tmp_path / "a.lock") as locked:
        assert not locked
    with file_lock(tmp_path / "none" / "a.lock") as locked:
        assert not locked


def test_a_lock_on_windows_is_tried_again(tmp_path, monkeypatch):
    tries, said = [], []

    def locking(_file, _mode, _bytes):
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError(13, "held")

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr("backbones.file_lock.time.sleep", lambda _: None)
    with file_lock(tmp_path / "a.lock", lambda: said.append("waiting")) as locked:
        assert locked and len(tries) == 3 and said == ["waiting"]
