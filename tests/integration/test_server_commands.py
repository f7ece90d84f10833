"""The commands on a PostgreSQL server: what they say where something is missing, and that no password gets out."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys

import pytest
from support.record import T, event
from support.waiting import until

import Heatmap
from Heatmap.cli import main
from Heatmap.commands.doctor import database_finding
from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.events import Coverage
from Heatmap.exit_code import ExitCode
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.database import database_of

SECRET = "open-sesame"  # noqa: S105 - of a test


@pytest.fixture
def heatmap(capsys):
    """Run a command in this process; return its exit code and both outputs as one text."""

    def run(*words):
        capsys.readouterr()
        try:
            code = main(list(map(str, words)))
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_every_command_works_on_a_server(server_url, heatmap, tmp_path):
    name = f"{server_url}: "
    assert heatmap("status", "--db", server_url) == (0, f"Nothing is recorded yet in {server_url}.\n")
    for words in (("vacuum",), ("export", "--format", "csv", "--output", tmp_path / "none.csv")):
        code, said = heatmap(*words, "--db", server_url)
        assert (code, said.count(f"Nothing is recorded yet in {server_url}.")) == (1, 1)
    database_of(server_url).insert([event(at_ms) for at_ms in range(50)], [Coverage("binance", "BTCUSDT", T, T + 49)])
    code, said = heatmap("status", "--db", server_url)
    assert (code, said.startswith(name)) == (0, True)
    assert "BTCUSDT (binance): 50 liquidations" in said
    assert "write-ahead" not in said
    code, said = heatmap("status", "--json", "--db", server_url)
    answer = json.loads(said)
    assert (answer["db"], answer["series"][0]["rows"]) == (server_url, 50)
    assert answer["size_bytes"] == answer["record"]["file_bytes"] > 100_000
    exported = tmp_path / "out.csv"
    assert heatmap("export", "--format", "csv", "--output", exported, "--db", server_url)[0] == 0
    assert len(exported.read_text().splitlines()) == 51
    exported.write_text(exported.read_text().replace(str(T + 7), str(T + 1007)))
    code, said = heatmap("import", exported, "--db", server_url)
    assert (code, said) == (0, "out.csv (heatmap): 50 rows, 1 new, 49 known already\n")
    code, said = heatmap("vacuum", "--db", server_url)
    assert (code, said.startswith(name)) == (0, True)


def test_a_database_that_cannot_be_used_is_a_sentence(cluster, server_url, heatmap):
    database_of(server_url).insert([event(0)])
    cluster.execute("CREATE ROLE stranger LOGIN")
    stranger = server_url.replace("admin@", "stranger@")
    nowhere = f"postgresql://u:{SECRET}@127.0.0.1:1/x"
    for address, words in {
        cluster.url("none"): f"There is no database {cluster.url('none')} on its server.",
        server_url.replace("admin@", "nobody_known@"): "does not know the user of postgresql://nobody_known@",
        nowhere: "No database server listens at the address of postgresql://u@127.0.0.1:1/x; does it run?",
        f"{server_url}?sslmode=require": "cannot be secured as asked for",
        f"{server_url}?sslmode=banana": "banana",
        stranger: f"The user of {stranger} has no right to do that",
    }.items():
        code, said = heatmap("status", "--db", address)
        assert code == ExitCode.PROBLEM, said
        assert words in said
        assert SECRET not in said
        assert len(said.splitlines()) == 1
    for broken in (f"postgresql://u:{SECRET}@[::1/x", f"postgresql:{SECRET}", f"postgres://u:{SECRET}%zz@h/x"):
        code, said = heatmap("status", "--db", broken)
        assert code == ExitCode.USAGE
        assert "expected one like postgresql://user@host/name" in said
        with pytest.raises(UnusableDatabaseError) as caught:
            HeatmapService(db=broken)
        assert SECRET not in f"{said}{caught.value}{caught.value.__cause__}"
    cluster.execute("DROP ROLE stranger")


def test_a_newer_record_ends_every_command(server_url, cluster, heatmap, tmp_path):
    database_of(server_url).insert([event(0)])
    cluster.execute("UPDATE heatmap.record SET version = 99", server_url.rpartition("/")[2])
    (tmp_path / "a.csv").write_text("ts_ms\n")
    for words in (("status",), ("vacuum",), ("import", tmp_path / "a.csv"), ("collect", "--duration", "9")):
        code, said = heatmap(*words, "--db", server_url)
        assert code == ExitCode.USAGE
        assert "was written by a newer version of this program; please update." in said


def test_without_the_extra_it_is_named():
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from Heatmap.cli import main\n"
        "sys.exit(main(['status', '--db', 'postgresql://u@h/x']))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert 'needs the extra "postgres": pip install "liquidation-heatmap[postgres]"' in done.stderr


def test_no_password_gets_out(cluster, server_url, heatmap, monkeypatch, tmp_path, caplog):
    """A right and a wrong one; in the address, the environment, a password file and a service file."""
    caplog.set_level(logging.DEBUG)
    cluster.execute(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
    cluster.execute(f"GRANT ALL ON DATABASE {server_url.rpartition('/')[2]} TO locked")
    cluster.want_password("locked")
    bare = server_url.replace("admin@", "locked@")
    heatmap("status", "--db", bare)
    until(lambda: "wants a password" in heatmap("status", "--db", bare)[1])
    said = []

    def check(address, *, is_right):
        said.extend(heatmap("status", *more, "--db", address)[1] for more in ((), ("--json",)))
        database = database_of(address)
        finding = database_finding(database)
        assert bool(finding.is_well) == is_right, finding
        said.extend([repr(database), str(database), finding.line(), str(database.local_path)])
        assert not is_right or database.insert([event(0)])
        service = HeatmapService(db=address)
        said.extend([str(service.status()), repr(service.database)])
        if not is_right:
            with pytest.raises(StorageError, match="password authentication failed") as caught:
                Heatmap.open_record(address)
            error = caught.value
            assert "refuses the password" in error.short
            said.extend([str(error), repr(error), error.short, repr(error.__cause__)])

    def address_with(password):
        return bare.replace("locked@", f"locked:{password}@")

    check(address_with(SECRET), is_right=True)
    check(address_with(f"{SECRET}-wrong"), is_right=False)
    check(f"{bare}?password={SECRET}", is_right=True)
    for password, is_right in ((SECRET, True), (f"{SECRET}-wrong", False)):
        with monkeypatch.context() as patch:
            patch.setenv("PGPASSWORD", password)
            check(bare, is_right=is_right)
        with monkeypatch.context() as patch:
            passwords = tmp_path / "pgpass"
            passwords.write_text(f"127.0.0.1:*:*:locked:{password}\n")
            passwords.chmod(0o600)
            patch.setenv("PGPASSFILE", str(passwords))
            check(bare, is_right=is_right)
        with monkeypatch.context() as patch:
            services = tmp_path / "services"
            name = server_url.rpartition("/")[2]
            services.write_text(
                f"[desk]\nhost=127.0.0.1\nport={cluster.port}\nuser=locked\ndbname={name}\npassword={password}\n"
            )
            patch.setenv("PGSERVICEFILE", str(services))
            check("postgresql:///?service=desk", is_right=is_right)
    texts = "\n".join([*said, caplog.text])
    assert SECRET not in texts
    assert "postgresql://locked@127.0.0.1" in texts
    cluster.drop(server_url.rpartition("/")[2])
    cluster.execute("DROP ROLE locked")


def test_doctor_says_what_the_user_may_do(cluster, server_url):
    name = server_url.rpartition("/")[2]
    admin = database_of(server_url)
    assert database_finding(admin).detail.endswith("no tables yet, the first recorder makes them")
    cluster.execute("CREATE ROLE someone LOGIN")
    someone = database_of(server_url.replace("admin@", "someone@"))

    def finding():
        return database_finding(someone)

    assert "its user has no right to make the tables" in finding().detail
    assert "Heatmap/docs/server.md" in finding().cure
    admin.insert([event(0)])
    assert ", writing, " in database_finding(admin).detail
    for grant, is_well, words in (
        ("SELECT ON ALL TABLES IN SCHEMA heatmap", False, "may not read the record: USAGE on the schema heatmap is"),
        ("USAGE ON SCHEMA heatmap", True, ", reading only, "),
        ("INSERT, UPDATE ON ALL TABLES IN SCHEMA heatmap", False, "in part only: DELETE on liq_events, DELETE on cov"),
        ("DELETE ON ALL TABLES IN SCHEMA heatmap", True, ", writing, "),
    ):
        cluster.execute(f"GRANT {grant} TO someone", name)
        assert (finding().is_well, words in finding().detail) == (is_well, True), finding()
    # What only the owner of the tables may do.
    with pytest.raises(StorageError) as caught:
        someone.compact()
    assert "Only the owner of the tables may do that" in caught.value.short
    cluster.drop(name)
    cluster.execute("DROP ROLE someone")


@pytest.fixture
def certificate(cluster, tmp_path):
    """Let the server use a certificate of its own for the time of a test; return the certificate's path."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is missing: apt-get install openssl"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=heatmap",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"],
        check=True, capture_output=True,
    )  # fmt: skip
    for name in ("certificate", "key"):
        cluster.write(f"server.{'crt' if name == 'certificate' else 'key'}", (tmp_path / name).read_bytes())
    cluster.execute("ALTER SYSTEM SET ssl = on")
    cluster.execute("SELECT pg_reload_conf()")
    yield tmp_path / "certificate"
    cluster.execute("ALTER SYSTEM RESET ssl")
    cluster.execute("SELECT pg_reload_conf()")


def test_the_connection_is_secured_as_the_address_says(server_url, certificate, heatmap):
    trusted = f"{server_url}?sslmode=verify-full&sslrootcert={certificate}"
    until(lambda: heatmap("status", "--db", trusted)[0] == 0)
    database = database_of(trusted)
    database.insert([event(0)])
    with database.reader() as reader:
        assert list(reader.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")) == [(True,)]
    for address in (
        f"{server_url}?sslmode=verify-full",
        f"{server_url.replace('127.0.0.1', 'localhost')}?sslmode=verify-full&sslrootcert={certificate}",
    ):
        code, said = heatmap("status", "--db", address)
        assert (code, "cannot be secured as asked for" in said) == (1, True), said
