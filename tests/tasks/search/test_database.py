"""URLs of databases: no password is printed or written, and SQLite stays off network file systems."""

import os

import pytest

from tasks.common.errors import UserError
from tasks.search import database
from tasks.search.database import PASSWORD, bare, check_database, file_system, with_password


@pytest.fixture(autouse=True)
def no_password(monkeypatch):
    monkeypatch.setenv(PASSWORD, "")


def test_a_password_travels_in_the_environment():
    word = bare("search.study=postgresql+psycopg://me:s3cr%2Ft@host:5432/db?sslmode=require")
    assert word == 'search.study="postgresql+psycopg://me@host:5432/db?sslmode=require"'
    assert os.environ[PASSWORD] == "s3cr%2Ft"
    url = word.partition("=")[2].strip('"')
    assert with_password(url) == "postgresql+psycopg://me:s3cr%2Ft@host:5432/db?sslmode=require"


@pytest.mark.parametrize("scheme", ["oracle+cx_oracle", "mysql+mysqldb", "postgresql"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_the_driver_has_any_name(scheme, quote):
    assert bare(f"++search.study={quote}{scheme}://me:pw@host/db{quote}") == f'++search.study="{scheme}://me@host/db"'
    assert os.environ[PASSWORD] == "pw"


@pytest.mark.parametrize("word", ["search.study=study.log", "search.trials=3", "input=rtsp://a:b@c/d"])
def test_other_words_stay(word):
    assert bare(word) == word and with_password("sqlite:///a.db") == "sqlite:///a.db"


@pytest.mark.parametrize(
    "rest", ["me:s3cr/t@host/db", "host/db?password=s3cr", 'me:s3cr"t@host/db', "me:${s3cr}@host/db"]
)
def test_what_cannot_be_told_apart_is_refused_and_not_repeated(rest):
    with pytest.raises(UserError) as error:
        bare(f"search.study=mysql://{rest}")
    assert "s3cr" not in str(error.value) and str(error.value).startswith("search.study=mysql://…")


def test_a_password_in_a_file_is_refused_and_not_repeated():
    with pytest.raises(UserError, match="no password: set") as error:
        check_database("postgresql://me:s3cr@host/db")
    assert "s3cr" not in str(error.value)


def test_sqlite_on_a_network_is_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/b /home/local xfs rw 0 0\n")
    monkeypatch.setattr(database, "MOUNTS", mounts)
    assert [file_system(database.Path(path)) for path in ("/a", "/home/me/b", "/home/local/c")] == [
        "ext4",
        "nfs4",
        "xfs",
    ]
    with pytest.raises(UserError, match=r"lies on nfs4, where SQLite's locks are not safe.*study=/home/me/b\.log"):
        check_database("sqlite:////home/me/b.db")
    check_database("sqlite:////home/local/c.db")
    with pytest.raises(UserError, match="names no file"):
        check_database("sqlite://")
