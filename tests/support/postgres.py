"""A private PostgreSQL cluster on a loopback port, made and removed by the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

# What the tests of an administrator do is never slow enough to matter; a killed server needs no disk that was forced.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60")


def _programs():
    """Return the folder of the newest server programs on this machine, None if there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    other = shutil.which("initdb")
    paths = [*found, *([Path(other).resolve()] if other else [])]
    return paths[-1].parent if paths else None


def _account():
    """Return the account that runs the server: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


class Cluster:
    """A running server; ``port`` stays the same over restarts."""

    def __init__(self):
        programs = _programs()
        assert programs is not None, "install PostgreSQL's server: apt-get install postgresql"
        self._programs, self._account = programs, _account()
        self.folder = Path(tempfile.mkdtemp(prefix="heatmap-pg-"))
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", self._data, "-U", "admin", "--auth=trust", "-E", "UTF8", "--no-locale", "-N")
        self.start()

    @property
    def _data(self):
        return str(self.folder / "data")

    def start(self):
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 " + " ".join(f"-c {each}" for each in _SETTINGS)
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode="immediate"):
        """Stop at once, as a power cut does, or by another mode of ``pg_ctl``."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def kill(self):
        """Kill the server's main process and wait until it is gone; its children end by themselves."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    def remove(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database, user="admin"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement, database="postgres"):
        """Execute a statement as the administrator; return its rows, if any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create(self, database):
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.url(database)

    def drop(self, database):
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def _run(self, program, *arguments):
        account = self._account
        identity = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [self._programs / program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **identity,
        )  # fmt: skip
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, program, stderr=done.stderr)
