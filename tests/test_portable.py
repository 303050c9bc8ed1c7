"""What macOS and Windows lack or do otherwise: names that must be guarded, text files, renames, paths and file names.

No such system was at hand: the sources are searched, and commands run with what is missing there taken away.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

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
NO_FILES = ("os.open", "Image.open", "webbrowser.open", "archive.open", "self.open")  # that name a text's encoding
PATHS = {  # where a path of Linux is named, and what happens elsewhere
    "tasks/common/cpu.py": "device files that are looked for",
    "tasks/data/files/video.py": "cameras, listed in a message if there are any",
    "tasks/data/loading/sharing.py": "exists() is asked first",
    "tasks/deploy/bench/device_commands.py": "on the other machine, an Android or Linux device",
    "tasks/deploy/bench/memory.py": "is_file() is asked first",
    "tasks/engine/memory.py": "is_file() is asked first",
    "tasks/latency/table.py": "is_file() is asked first",
    "tasks/report/process.py": "errors are suppressed: nothing is known then",
}


def functions(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Each node of a module with the text of the outermost function or statement that it stands in."""
    for outer in tree.body:
        parts = outer.body if isinstance(outer, ast.ClassDef) else [outer]
        for part in parts:
            text = ast.unparse(part)
            for node in ast.walk(part):
                yield node, text


def unguarded(text: str) -> list[str]:
    """Names of a source that only Unix has, used without asking for them."""
    found = []
    for node, around in functions(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, name = node.value.id, node.attr
            asked = re.search(rf"(has|get)attr\({module}, ", around) or PLATFORM.search(around)
            if name in UNIX.get(module, "").split() and not asked:
                found.append(f"{module}.{name}")
        elif isinstance(node, ast.ImportFrom) and node.module in UNIX:
            found += [f"{node.module}.{a.name}" for a in node.names if a.name in UNIX[node.module].split()]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if MODULES & set(names) and not (PLATFORM.search(around) or "except ImportError" in around):
                found += names
    return found


def text_files(text: str) -> list[str]:
    """Calls of a source that open a file as text without saying its encoding."""
    found = []
    tree = ast.parse(text)
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
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def unix_paths(text: str) -> list[str]:
    """Strings of a source that begin like a path of Linux; docstrings and messages do not."""
    return [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and UNIX_PATHS.match(node.value)
    ]


def everywhere(find, *arguments: str) -> list[str]:
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
        for node in ast.walk(ast.parse(text))
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
