"""Prices are dated, exact and never silently zero."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vixen_pipeline.costs import Price, PriceBook
from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.settings import Settings

TODAY = date(2026, 11, 22)


def book(version: str, since: str, **prices: str) -> dict[str, Any]:
    entries = {sku: {"unit": "second", "usd": price} for sku, price in prices.items()}
    return {"version": version, "from": since, "providers": {"replicate": entries}}


@pytest.mark.parametrize(
    ("provider", "sku", "units", "expected"),
    [
        ("replicate", "gpu-h100", 1, "0.001525"),
        ("replicate", "gpu-a100-large", 1800, "2.52"),
        ("anthropic", "claude-haiku-5-5:input", 1_000_000, "0.10"),
        ("anthropic", "claude-haiku-5-5:output", 1_000_000, "0.50"),
        ("openai", "gpt-6-luna:cached_input", 1, "0.00000001"),
        ("openai", "omni-moderation-latest:request", 9, "0"),
        ("modal", "gpu-h100", 3600, "3.95"),
        ("modal", "gpu-h100", 1, "0.00109722"),
        ("r2", "class-a", 1_000_000, "4.50"),
    ],
)
def test_the_shipped_book_has_the_looked_up_prices(
    provider: str, sku: str, units: int, expected: str
) -> None:
    price = PriceBook.load().price(provider, sku, TODAY)
    assert price.cost(Decimal(units)) == Decimal(expected)
    assert price.version == "2026-11-22"


def test_the_default_models_have_prices_for_everything_they_bill() -> None:
    fields = Settings.model_fields
    prices = PriceBook.load()
    for provider, model in (
        ("anthropic", fields["anthropic_model"].default),
        ("openai", fields["openai_model"].default),
    ):
        for kind in ("input", "cached_input", "cache_write", "output"):
            assert prices.price(provider, f"{model}:{kind}", TODAY).usd > 0
    embedding = fields["openai_embedding_model"].default
    assert prices.price("openai", f"{embedding}:input", TODAY).usd > 0


def test_an_unknown_sku_is_an_error_and_not_free() -> None:
    with pytest.raises(NotFound, match=r"no price for replicate gpu-x.*Add it to"):
        PriceBook.load().price("replicate", "gpu-x", TODAY)
    with pytest.raises(NotFound, match="no price for nobody gpu-h100"):
        PriceBook.load().price("nobody", "gpu-h100", TODAY)


def test_the_newest_book_not_later_than_the_day_counts() -> None:
    prices = PriceBook(
        {"books": [book("b", "2026-06-01", gpu="0.2", new="1"), book("a", "2026-01-01", gpu="0.1")]}
    )
    assert prices.price("replicate", "gpu", date(2026, 5, 31)).version == "a"
    assert prices.price("replicate", "gpu", date(2026, 6, 1)).version == "b"
    with pytest.raises(NotFound):
        prices.price("replicate", "new", date(2026, 5, 31))
    with pytest.raises(NotFound, match="begins on 2026-01-01, after 2025-12-31"):
        prices.price("replicate", "gpu", date(2025, 12, 31))


def test_every_mistake_in_a_book_is_named_at_once() -> None:
    broken = book("a", "2026-01-01", zero="0", word="cheap", minus="-1")
    broken["providers"]["replicate"]["typo"] = {"unit": "second", "usd": "1", "pre": 10}
    with pytest.raises(InvalidInput) as raised:
        PriceBook({"books": [broken]})
    text = "\n".join(raised.value.problems)
    assert len(raised.value.problems) == 4
    for sku in ("zero", "word", "minus", "typo.pre"):
        assert f"replicate.{sku}" in text


def test_a_float_price_is_refused() -> None:
    broken = book("a", "2026-01-01")
    broken["providers"]["replicate"]["gpu"] = {"unit": "second", "usd": 0.1}
    with pytest.raises(InvalidInput):
        PriceBook({"books": [broken]})


@given(
    st.lists(st.decimals(0, 10**6, places=4), max_size=20),
    st.sampled_from([1, 1000, 3600, 1_000_000]),
    st.decimals("0.0001", 100, places=4),
)
def test_costs_of_parts_differ_from_the_whole_by_rounding_only(
    parts: list[Decimal], per: int, rate: Decimal
) -> None:
    price = Price(rate, per, "unit", "v")
    whole = price.cost(sum(parts, Decimal(0)))
    in_parts = sum((price.cost(part) for part in parts), Decimal(0))
    assert abs(whole - in_parts) <= Decimal("0.000000005") * (len(parts) + 1)
