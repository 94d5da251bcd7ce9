from pathlib import Path

import pytest

from resources.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PROFILE", "SANDBOX_URL", "CATALOGUE", "INBOX_SETTLE_SECONDS"):
        monkeypatch.delenv(f"PRICING_{name}", raising=False)


def test_all_state_is_under_its_home(pricing_home: Path) -> None:
    settings = Settings.from_env()
    assert settings.home == pricing_home
    assert settings.database_url == f"sqlite:///{pricing_home}/pricing.db"
    places = (settings.inbox, settings.training_sets, settings.runs, settings.spool)
    for place in (*places, settings.limits):
        assert place.parent == pricing_home
    assert settings.profile == "sandbox"
    assert settings.source_prefix == "sandbox:"
    assert settings.sandbox_url is None
    assert settings.catalogue is None
    assert settings.inbox_settle_seconds == 5.0


def test_home_is_data_of_the_working_directory_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRICING_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env().home == tmp_path / "data"


def test_every_variable_is_read(pricing_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_DATABASE_URL", "postgresql://user@host/name")
    monkeypatch.setenv("PRICING_PROFILE", "live")
    monkeypatch.setenv("PRICING_SANDBOX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PRICING_CATALOGUE", str(pricing_home / "catalogue.csv"))
    monkeypatch.setenv("PRICING_INBOX_SETTLE_SECONDS", "0.5")
    settings = Settings.from_env()
    assert settings.database_url == "postgresql://user@host/name"
    assert settings.profile == "live"
    assert settings.source_prefix == ""
    assert settings.sandbox_url == "http://127.0.0.1:9"
    assert settings.catalogue == pricing_home / "catalogue.csv"
    assert settings.inbox_settle_seconds == 0.5


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PRICING_PROFILE", "production"),
        ("PRICING_INBOX_SETTLE_SECONDS", "soon"),
        ("PRICING_INBOX_SETTLE_SECONDS", "-1"),
        ("PRICING_INBOX_SETTLE_SECONDS", "nan"),
        ("PRICING_INBOX_SETTLE_SECONDS", "inf"),
    ],
)
def test_an_impossible_value_names_its_variable(
    pricing_home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as refusal:
        Settings.from_env()
    assert value in str(refusal.value)


def test_no_password_is_in_its_repr(pricing_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_DATABASE_URL", "postgresql://user:s3cret@host/name")
    settings = Settings.from_env()
    assert "s3cret" in settings.database_url
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in f"{settings}"


def test_a_file_of_variables_that_cannot_be_read_is_named_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"EBAY_CLIENT_SECRET=s3cret\xff\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read") as refusal:
        Settings.from_env()
    assert "s3cret" not in str(refusal.value)
