import os
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
import yaml

from tests.conftest import ROOT, DatabaseUrl

FILES = {name: ROOT / "dagster_home" / name for name in ("dagster.yaml", "dagster.postgres.yaml")}


def test_database_url_names_an_empty_database_that_takes_tables(database_url: DatabaseUrl) -> None:
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE probe (a INTEGER)")
    assert sa.inspect(engine).get_table_names() == ["probe"]
    engine.dispose()


def test_url_is_shown_without_its_password() -> None:
    url = DatabaseUrl("postgresql+psycopg2://me:hunter2@host/name")
    assert "hunter2" not in repr(url)
    assert "hunter2" in url


def test_no_developer_setting_reaches_a_test(pricing_home: Path) -> None:
    assert os.environ["PRICING_PROFILE"] == "sandbox"
    assert os.environ["PRICING_HOME"] == str(pricing_home)
    assert not [name for name in os.environ if name.endswith(("_API_KEY", "_CLIENT_SECRET"))]


def test_instance_file_is_loaded_as_written(dagster_instance: dg.DagsterInstance) -> None:
    pools = dagster_instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    assert pools.pool_granularity is not None
    assert pools.pool_granularity.value == "run"
    assert dagster_instance.run_monitoring_enabled
    assert dagster_instance.run_retries_enabled
    assert not dagster_instance.run_retries_retry_on_asset_or_op_failure
    assert not dagster_instance.telemetry_enabled


def test_instance_keeps_a_run(dagster_instance: dg.DagsterInstance) -> None:
    @dg.asset(pool="sources")
    def probe() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"rows": 3})

    assert dg.materialize([probe], instance=dagster_instance).success
    event = dagster_instance.get_latest_materialization_event(probe.key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["rows"].value == 3


def test_both_instance_files_differ_in_storage_alone() -> None:
    sqlite, postgres = (yaml.safe_load(path.read_text()) for path in FILES.values())
    assert postgres.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    assert sqlite == postgres
