import dagster as dg
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import decide
from pricing_assets.store.intake import store_scans
from pricing_assets.store.queue import lease_holders, take_asks
from sensors.failed_runs import failed_runs
from tests.examples import DAY, book, readings
from tests.runs import Platform


def test_a_failed_run_leaves_no_lease(platform: Platform) -> None:
    now = platform.clock.now()
    result = platform.at(now - DAY).run()
    with platform.database() as database:
        store_scans(database, [readings([1, 2])], user_id="default", received_at=now)
        decide(database, now=now, run_id=result.run_id)
        for run_id, items in ((result.run_id, 1), ("another", 5)):
            take_asks(database, (), now=now, run_id=run_id, after="", items=items)
        assert sorted(lease_holders(database)) == sorted([result.run_id, "another"])
        run = platform.instance.get_run_by_id(result.run_id)
        assert run is not None
        event = result.all_events[0]
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_event=event,
            dagster_instance=platform.instance,
            dagster_run=run,
            resources={"database": database},
        ).for_run_failure()
        failed_runs(context)
        assert lease_holders(database) == ["another"]
        held = database.rows(sa.select(t.unified_index.c.item_id).distinct())
        assert len(held) == 1
        assert held[0].item_id in {book(1).item_id, book(2).item_id}
