import dagster as dg
import duckdb

from pricing_assets.checks.training_set import no_leaks
from tests.runs import Platform, evaluation, isbns, platform, sandbox_url

__all__ = ("platform", "sandbox_url")


def test_it_holds_over_what_is_built_and_a_leak_fails_it(platform: Platform) -> None:
    platform.scan(isbns(20))
    platform.run()
    held = evaluation(platform.run("build_training_set", partition="2026-10-01"), "no_leaks")
    assert (held.check_name, held.passed, held.blocking) == ("no_leaks", True, True)
    assert "rules hold" in (held.description or "")
    assert held.metadata["rules_broken"].value == 0
    place = platform.settings.training_sets / "2026-10"
    path = sorted((place / "sales").iterdir())[0]
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE sales AS SELECT * REPLACE ('ask' AS kind) FROM '{path}'")
        duck.execute(f"COPY sales TO '{path}' (FORMAT parquet)")
    resources = platform.definitions().resources or {}
    result = (
        dg.Definitions(
            asset_checks=[no_leaks],
            resources=resources,
            jobs=[dg.define_asset_job("check", dg.AssetSelection.checks(no_leaks))],
        )
        .resolve_job_def("check")
        .execute_in_process(
            instance=platform.instance,
            tags={"dagster/partition": "2026-10-01"},
            raise_on_error=False,
        )
    )
    found = evaluation(result, "no_leaks")
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    assert "of kind ask" in str(found.metadata["broken_by"].value)
    assert "build the month again" in (found.description or "")
