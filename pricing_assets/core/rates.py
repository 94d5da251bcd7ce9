"""Exchange rates: which rate converts an amount into USD, and when there is none.

An amount is converted by the last rate on or before its day, at most `MAX_AGE_DAYS` old: no
bank publishes on weekends and holidays, but a series that has ended must not convert for
ever. A currency without a rate is an error of that row; it is never taken for USD. The
result is rounded to the cent, half a cent away from zero.

How rates are read from their sources is in `resources.exchange_rates`.
"""

from datetime import date, timedelta

MAX_AGE_DAYS = 7
"""Days for which a rate holds. The longest pause of the ECB since 1999 is five days."""

HISTORY_BEGINS = date(1999, 1, 4)
"""The euro's first day of trading, and of the ECB's rates."""

USD = "USD"


def first_day_to_ask(newest: date | None, today: date, longest: timedelta | None) -> date:
    """Return from which day on a publisher is asked for its rates.

    Args:
        newest: The last day of which its rates are kept; None where there are none.
        longest: The longest period that it is asked for; None is without limit.
    """
    first = newest or HISTORY_BEGINS
    return first if longest is None else max(first, today - longest)


def conversion_sql(amounts: str, rates: str, max_age_days: int = MAX_AGE_DAYS) -> str:
    """Return the DuckDB statement that converts every row of a relation into USD.

    Args:
        amounts: Relation with columns price (DECIMAL(12, 2)), currency (ISO 4217), day (DATE).
        rates: Relation with columns day (DATE), currency, usd_per_unit (DECIMAL(18, 8)),
            source.
        max_age_days: Days for which a rate holds.

    Returns:
        A statement with the columns of `amounts` and exchange_rate, exchange_rate_date,
        price_usd (DECIMAL(12, 2)) and conversion_error: null where the row was converted,
        else why not, and then the other three are null.
    """
    return f"""
    WITH rates_of_a_day AS (
        SELECT currency AS rate_currency, day AS rate_day,
            min_by(usd_per_unit, source) AS usd_per_unit
        FROM {rates} GROUP BY currency, day
    ),
    rates_known AS (
        SELECT DISTINCT rate_currency AS known_currency FROM rates_of_a_day
    ),
    amounts_coded AS (SELECT *, upper(trim(currency)) AS code FROM {amounts}),
    amounts_rated AS (
        SELECT a.*, known_currency,
            CASE WHEN code = '{USD}' THEN day ELSE rate_day END AS rate_day,
            CASE WHEN code = '{USD}' THEN 1::DECIMAL(18, 8) ELSE usd_per_unit END AS rate
        FROM amounts_coded a
        ASOF LEFT JOIN rates_of_a_day r ON a.code = r.rate_currency AND a.day >= r.rate_day
        LEFT JOIN rates_known k ON a.code = k.known_currency
    ),
    amounts_judged AS (
        SELECT *,
            TRY_CAST(round(CAST(price AS DECIMAL(20, 2)) * rate, 2) AS DECIMAL(12, 2)) AS usd,
            CASE
                WHEN price IS NULL OR day IS NULL THEN 'no amount or no day'
                WHEN code IS NULL THEN 'no currency'
                WHEN code <> '{USD}' AND known_currency IS NULL THEN
                    'unknown currency ' || code || ': no source has a rate of it'
                WHEN rate IS NULL THEN 'no rate of ' || code || ' on or before ' || day
                WHEN day - rate_day > {max_age_days} THEN
                    'the last rate of ' || code || ' on or before ' || day || ' is of '
                    || rate_day || ', more than {max_age_days} days before'
                WHEN usd IS NULL THEN 'the amount in ' || code || ' is too large to be kept'
            END AS conversion_error
        FROM amounts_rated
    )
    SELECT * EXCLUDE (code, known_currency, rate, rate_day, usd, conversion_error),
        CASE WHEN conversion_error IS NULL THEN rate END AS exchange_rate,
        CASE WHEN conversion_error IS NULL THEN rate_day END AS exchange_rate_date,
        CASE WHEN conversion_error IS NULL THEN usd END AS price_usd,
        conversion_error
    FROM amounts_judged
    """
