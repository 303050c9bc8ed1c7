"""Addresses of streams: checked as they are typed, and their logins kept out of everything that is printed or written.

See tasks/common/typed_url.py.
"""

import os
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from tasks.common.errors import UserError
from tasks.common.typed_url import TypedUrl

LOGIN = "MOBILEVISION_CAMERA_LOGIN"  # user:password, as in an address
SCHEMES = ("rtsp", "rtsps")


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
    url = TypedUrl.of(word, "input")
    if url is None:
        if re.match(r"\+{0,2}input=", word) and "@" in word and "rtsp" in word.lower():
            raise UserError(f"input=…: one address, rtsp://<login>@<host>/<path>, nothing around it; or set {LOGIN}")
        return word
    if "@" in url.path and (not url.at or "://" in url.path):
        why = "a login with / in it cannot be told from a path: write %2F, and %40 for @ in a path"
        raise url.refused(f"{why}; or set {LOGIN}")
    url.check("an address")
    if url.at:
        os.environ[LOGIN] = url.login
    return url._replace(login="", at="").quoted


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
