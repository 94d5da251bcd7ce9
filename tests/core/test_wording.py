from pricing_assets.core.wording import number_of


def test_one_is_said_in_the_singular_and_all_others_are_not() -> None:
    assert [number_of(n, "call") for n in (0, 1, 1200)] == ["0 calls", "1 call", "1,200 calls"]
    assert [number_of(days, "day") for days in (0.5, 1.0, 90.0)] == ["0.5 days", "1 day", "90 days"]
    assert number_of(1, "scan is", "scans are") == "1 scan is"
    assert number_of(21, "scan is", "scans are") == "21 scans are"
