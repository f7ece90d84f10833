"""A private PostgreSQL cluster on a loopback port, made and removed by the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

# A killed server loses nothing that it has given to the operating system: nothing need be forced to the disk. Commits
# are still written before they are reported.
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=60")


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


def _free_port():
    """Return a port below those that the system gives to outgoing connections: it is still free after a restart."""
    for port in random.sample(range(15_000, 32_000), 200):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class Cluster:
    """A running server; ``port`` stays the same over restarts.

    A process beside it removes all when this one ends, however it ends.
    """

    def __init__(self):
        programs = _programs()
        assert programs is not None, "PostgreSQL's server is missing: apt-get install postgresql"
        self._programs, self._account = programs, _account()
        self.folder = Path(tempfile.mkdtemp(prefix="heatmap-pg-"))
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._remover = subprocess.Popen(
            ["/bin/sh", "-c", 'cat; "$0" -D "$1/data" -m immediate stop; rm -rf "$1"', programs / "pg_ctl",
             self.folder],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True, **self._identity,
        )  # fmt: skip
        try:
            self._run("initdb", "-D", self._data, "-U", "admin", "--auth=trust", "-E", "UTF8", "--no-locale", "-N")
            self.port = _free_port()
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def _data(self):
        return str(self.folder / "data")

    @property
    def _identity(self):
        account = self._account
        return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def start(self):
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 " + " ".join(f"-c {each}" for each in _SETTINGS)
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode="immediate"):
        """Stop at once, as a power cut does, or by another mode of ``pg_ctl``."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def kill(self):
        """Kill the server's main process, and wait until its children have ended, too."""
        main = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0]))
        children = main.children()
        main.kill()
        _, alive = psutil.wait_procs([main, *children], timeout=30)
        assert not alive

    def remove(self):
        """Stop the server and delete its files; harmless if called twice."""
        self._remover.communicate()

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

    def write(self, name, content):
        """Write a file of the server that nobody else may read."""
        path = self.folder / "data" / name
        path.write_bytes(content)
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)
        path.chmod(0o600)

    def want_password(self, user):
        """Let the server ask a user for a password, from soon on."""
        rules = (self.folder / "data" / "pg_hba.conf").read_text()
        self.write("pg_hba.conf", f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules}".encode())
        self.execute("SELECT pg_reload_conf()")

    @property
    def programs(self):
        """Return the folder of PostgreSQL's programs."""
        return self._programs

    def run(self, program, *arguments, **options):
        """Run one of PostgreSQL's programs for its users; return what it wrote."""
        given = {"capture_output": True, "text": True, "timeout": 60, **options}
        return subprocess.run([self._programs / program, *arguments], check=True, **given).stdout

    def _run(self, program, *arguments):
        done = subprocess.run(
            [self._programs / program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **self._identity,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}{self._log()}"

    def _log(self):
        log = self.folder / "log"
        return log.read_text()[-2000:] if log.exists() else ""
