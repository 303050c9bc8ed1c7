"""Addresses of streams: checked as they are typed, and their logins kept out of everything that is printed or written.

Hydra writes what is typed into the folder of a run, and messages quote it. So a login is taken out of the address
before anything else sees it, and travels in an environment variable, which may also be set instead of typing it.
"""

import os
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from tasks.common.errors import UserError

LOGIN = "MOBILEVISION_CAMERA_LOGIN"  # user:password, as in an address
SCHEMES = ("rtsp", "rtsps")
TYPED = re.compile(r"""(\+{0,2}input=)(["']?)([A-Za-z][A-Za-z0-9+.-]*://)(.*?)\2$""", re.DOTALL)


def is_address(text: str) -> bool:
    """Whether an input is meant as an address."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def without_login(words: Sequence[str]) -> list[str]:
    """Arguments in which `input=<address>` has no login and is quoted for Hydra; the login is put into LOGIN.

    Raises:
        UserError: for an address in which login and host cannot be told apart; it is not repeated.
    """
    return [bare(word) for word in words]


def bare(word: str) -> str:
    """One argument; see without_login()."""
    match = TYPED.match(word)
    if match is None:
        if re.match(r"\+{0,2}input=", word) and "@" in word and "rtsp" in word.lower():
            raise UserError(f"input=…: one address, rtsp://<login>@<host>/<path>, nothing around it; or set {LOGIN}")
        return word
    key, _, scheme, rest = match.groups()
    host, slash, path = rest.partition("/")
    login, at, host = host.rpartition("@")
    if "@" in path and (not at or "://" in path):
        why = "a login with / in it cannot be told from a path: write %2F, and %40 for @ in a path"
        raise UserError(f"{key}{scheme}…: {why}; or set {LOGIN}")
    if any(character in rest for character in "\"'\\\n") or "${" in rest:
        raise UserError(f"{key}{scheme}…: quotes, backslashes and ${{ do not stand in an address: write %22, %27, %5C")
    if at:
        os.environ[LOGIN] = login
    return f'{key}"{scheme}{host}{slash}{path}"'


def address_of(text: str) -> str:
    """A checked address.

    Raises:
        UserError: for an address that cannot be a stream's, or with a login that was not typed.
    """
    scheme = text.partition("://")[0].lower()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UserError(f"input={scheme}://…: its port is not a number up to 65535, or its host is none") from None
    if "@" in parts.netloc:
        raise UserError(f"input={scheme}://…: an address in a file has no login: set {LOGIN}=user:password")
    if scheme not in SCHEMES:
        raise UserError(f"input={text}: a stream begins with rtsp:// or rtsps://; of others download the file first")
    if not parts.hostname or port == 0 or not text.isprintable() or " " in text:
        raise UserError(f"input={text} is no address: rtsp://<host>[:port]/<path>")
    return text


def with_login(address: str) -> str:
    """The address as it is opened, never to be printed."""
    login = os.environ.get(LOGIN)
    return address if not login else address.replace("://", f"://{login}@", 1)
