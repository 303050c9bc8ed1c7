"""URLs of databases: passwords are kept out of everything that is printed or written; see tasks/common/typed_url.py."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.typed_url import TypedUrl

PASSWORD = "MOBILEVISION_STUDY_PASSWORD"
NETWORK = re.compile(r"nfs\d?|cifs|smb\w*|lustre|gpfs|beegfs|ceph|glusterfs|9p|afs|fuse\.\w+|virtiofs")
MOUNTS = Path("/proc/mounts")


def without_password(words: Sequence[str]) -> list[str]:
    """Arguments in which `search.study=<URL>` has no password and is quoted for Hydra; it is put into PASSWORD.

    Raises:
        UserError: for a URL in which a password cannot be told from the rest; it is not repeated.
    """
    return [bare(word) for word in words]


def bare(word: str) -> str:
    """One argument; see without_password()."""
    url = TypedUrl.of(word, "search.study")
    if url is None:
        return word
    if "@" in url.path or re.search(r"pass\w*=|pwd=", url.path, re.IGNORECASE):
        why = "a password stands between user and host, with %2F for / and %40 for @"
        raise url.refused(f"{why}; or set {PASSWORD}")
    url.check("a URL")
    user, colon, password = url.login.partition(":")
    if colon:
        os.environ[PASSWORD] = password
    return url._replace(login=user).quoted


def with_password(url: str) -> str:
    """The URL as it is opened, never to be printed."""
    password = os.environ.get(PASSWORD)
    user = re.match(r"([^:/]+://[^:@/]+)@", url)
    return url if not password or user is None else f"{user[1]}:{password}{url[user.end() - 1 :]}"


def check_database(url: str) -> None:
    """Check what can be checked before it is opened.

    Raises:
        UserError: for a URL with a password in a file, or a SQLite file on a network file system.
    """
    scheme, _, rest = url.partition("://")
    if re.match(r"[^/@]*:[^/@]*@", rest):
        raise UserError(f"search.study={scheme}://…: a URL in a file has no password: set {PASSWORD}")
    if not scheme.startswith("sqlite"):
        return
    name = rest.partition("?")[0].removeprefix("/")
    if not name or name == ":memory:":
        raise UserError(f"search.study={url} names no file: sqlite:///<file>")
    kind = file_system(Path(name))
    if NETWORK.fullmatch(kind):
        raise UserError(
            f"search.study={url} lies on {kind}, where SQLite's locks are not safe: take a journal "
            f"(search.study={Path(name).with_suffix('.log')}) or a database server"
        )


def file_system(path: Path) -> str:
    """Kind of the file system of a path, such as nfs4; '' if the system does not tell."""
    place, found, longest = path.absolute(), "", -1
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for words in (line.split() for line in lines):
        point = Path(words[1].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = words[2], len(point.parts)
    return found
