"""The graph as a list of names: a change of it is reviewed here."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pricing_assets.build import build_defs
from resources.clock import Clock
from resources.settings import Settings, SettingsError
from tests.conftest import ROOT
from tests.runs import NOON

GROUPS = {
    "raw_scans": "intake",
    "refresh_plan": "enrichment",
    "enriched_metadata": "enrichment",
    "people": "enrichment",
    "works": "enrichment",
    "sold_comps": "enrichment",
    "training_quality_scores": "training",
    "in_training_flags": "training",
    "training_set": "training",
    "price_snapshots": "market",
    "payload_retention": "sources",
    "exchange_rates": "market",
}
LINEAGE = {
    "raw_scans": set(),
    "refresh_plan": set(),
    "enriched_metadata": {"raw_scans", "refresh_plan"},
    "people": {"enriched_metadata"},
    "works": {"enriched_metadata"},
    "sold_comps": {"enriched_metadata"},
    "training_quality_scores": {"sold_comps"},
    "in_training_flags": {"training_quality_scores"},
    "training_set": {"in_training_flags"},
    "price_snapshots": {"sold_comps"},
    "payload_retention": set(),
    "exchange_rates": set(),
}
JOBS = {
    "process_scans": {
        *("raw_scans", "enriched_metadata", "people", "works", "sold_comps"),
        *("training_quality_scores", "in_training_flags"),
    },
    "refresh_stale": {
        *("refresh_plan", "raw_scans", "enriched_metadata", "people", "works", "sold_comps"),
        *("training_quality_scores", "in_training_flags"),
    },
    "snapshot_prices": {"price_snapshots"},
    "build_training_set": {"training_set"},
    "remove_expired_payloads": {"payload_retention"},
    "update_exchange_rates": {"exchange_rates"},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        database_url="postgresql+psycopg2://pricing:canary-5d1f@db.invalid/pricing",
        profile="sandbox",
    )


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_defs(settings)


def test_building_touches_nothing(settings: Settings) -> None:
    """Dagster loads the definitions at every start, also where no database is reachable."""
    build_defs(settings)
    assert not settings.home.exists()


def test_names_groups_and_lineage(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    assert {name: node.group_name for name, node in nodes.items()} == GROUPS
    assert {
        name: {parent.to_user_string() for parent in node.parent_keys}
        for name, node in nodes.items()
    } == LINEAGE


def test_paid_is_said_of_what_may_cost_money(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    paid = {key for key in graph.get_all_asset_keys() if graph.get(key).tags.get("paid") == "true"}
    assert {key.to_user_string() for key in paid} == {"enriched_metadata", "sold_comps"}


def test_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys} == {
        ("raw_scans", "unified_index"),
        ("sold_comps", "source_results"),
        ("training_set", "no_leaks"),
    }
    blocking = {
        spec.name: spec.blocking
        for check in definitions.asset_checks or []
        if isinstance(check, dg.AssetChecksDefinition)
        for spec in check.check_specs
    }
    assert blocking == {"unified_index": True, "source_results": False, "no_leaks": True}


def test_jobs(definitions: dg.Definitions) -> None:
    found = {
        name: {
            key.to_user_string()
            for key in definitions.resolve_job_def(name).asset_layer.executable_asset_keys
        }
        for name in JOBS
    }
    assert found == JOBS
    checks = definitions.resolve_job_def("process_scans").asset_layer.asset_graph.asset_check_keys
    assert {key.name for key in checks} == {"unified_index", "source_results"}


def test_what_starts_work(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {s.name: [target.job_name for target in s.targets] for s in repository.sensor_defs} == {
        "new_scans": ["process_scans"],
        "failed_runs": [],
    }
    assert {(s.name, s.job_name) for s in repository.schedule_defs} == {
        ("daily_snapshot", "snapshot_prices"),
        ("weekly_refresh", "refresh_stale"),
        ("daily_payload_removal", "remove_expired_payloads"),
        ("daily_exchange_rates", "update_exchange_rates"),
        ("monthly_training_set", "build_training_set"),
    }


@pytest.mark.parametrize("name", GROUPS)
def test_an_asset_explains_itself(definitions: dg.Definitions, name: str) -> None:
    spec = definitions.resolve_asset_graph().get(dg.AssetKey(name))
    assert spec.description is not None
    assert len(spec.description) > 40
    assert list(spec.owners) == ["team:pricing"]
    assert spec.kinds
    schema = spec.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns if not column.description] == []
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert len(schema.columns) >= 5
    assert spec.tags


def test_time_is_the_only_partition(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    partitions = {
        key.to_user_string(): type(graph.get(key).partitions_def)
        for key in graph.get_all_asset_keys()
        if graph.get(key).partitions_def is not None
    }
    assert partitions == {
        "price_snapshots": dg.DailyPartitionsDefinition,
        "training_set": dg.MonthlyPartitionsDefinition,
    }


def test_resources_are_replaced_by_name(settings: Settings, tmp_path: Path) -> None:
    clock = Clock(NOON)
    definitions = build_defs(settings, {"clock": clock})
    assert (definitions.resources or {})["clock"] is clock
    assert set(definitions.resources or {}) == {"settings", "clock", "database", "sources"}

    @dg.asset
    def seen(clock: dg.ResourceParam[Clock], settings: dg.ResourceParam[Settings]) -> None:
        assert clock.now() == NOON
        assert settings.home == tmp_path / "home"

    resources = {name: (definitions.resources or {})[name] for name in ("clock", "settings")}
    assert dg.materialize([seen], resources=resources).success


def test_no_resource_shows_a_secret(definitions: dg.Definitions) -> None:
    for resource in (definitions.resources or {}).values():
        assert "canary-5d1f" not in repr(resource)
        assert "canary-5d1f" not in str(resource)


def test_an_impossible_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_PROFILE", "nonsense")
    with pytest.raises(SettingsError, match=r"PRICING_PROFILE.*nonsense.*sandbox"):
        build_defs()


@pytest.mark.slow
def test_dagster_loads_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `dg dev` does, from `[tool.dg]`."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("PRICING_HOME", str(tmp_path / "home"))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dg"), "check", "defs", "--use-active-venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr
