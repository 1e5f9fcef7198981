"""Every paid call is written once, at the price of its day, and summed as asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.costs import CostFilter, Costs, PaidCall
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound
from vixen_pipeline.providers.ports import Usage

EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
NewCosts = Callable[[], Costs]


def seconds(count: Decimal | int | str) -> tuple[Usage, ...]:
    """h100 seconds; 1000 of them cost 1.525 USD."""
    return (Usage("replicate", "gpu-h100", Decimal(count)),)


def call(key: str, avatar_id: int | None, usages: tuple[Usage, ...] = seconds(1000)) -> PaidCall:
    return PaidCall(key, avatar_id, None, "trainings", usages)


def test_recording_a_call_twice_costs_once(costs: Costs, luna: int) -> None:
    costs.record([call("t-1", luna)])
    costs.record([call("t-1", luna), call("t-2", luna)])
    assert costs.spent(luna) == Decimal("3.05")


def test_recording_the_same_call_from_many_threads_costs_once(
    new_costs: NewCosts, luna: int
) -> None:
    calls = [call(f"t-{number}", luna, seconds(1)) for number in range(10)]
    orders = [calls, calls[::-1]] * 4
    threads = [threading.Thread(target=new_costs().record, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert new_costs().spent(luna) == Decimal("0.01525")


def test_one_call_may_bill_several_skus_and_the_same_one_twice(costs: Costs, luna: int) -> None:
    usages = (
        Usage("anthropic", "claude-haiku-5-5:input", Decimal(1000)),
        Usage("anthropic", "claude-haiku-5-5:output", Decimal(100)),
        Usage("anthropic", "claude-haiku-5-5:input", Decimal(1000)),
    )
    costs.record([call("persona", luna, usages)])
    assert costs.spent(luna) == costs.quote(usages) == Decimal("0.00025")
    (by_sku, other) = costs.summary(["sku"])
    assert (by_sku.sku, by_sku.units) == ("claude-haiku-5-5:input", Decimal(2000))
    assert (other.sku, other.units) == ("claude-haiku-5-5:output", Decimal(100))


def test_an_sku_without_a_price_records_nothing_and_says_so(costs: Costs, luna: int) -> None:
    usages = (*seconds(1), Usage("replicate", "gpu-x", Decimal(1)))
    with pytest.raises(NotFound, match="no price for replicate gpu-x"):
        costs.record([call("t-1", luna, usages)])
    assert costs.spent(luna) == 0


def test_entries_in_the_callers_transaction_go_with_it(
    costs: Costs, luna: int, database: Database
) -> None:
    with pytest.raises(ZeroDivisionError), database.begin() as session:
        costs.record([call("t-1", luna)], session=session)
        raise ZeroDivisionError
    assert costs.spent(luna) == 0


def test_an_entry_keeps_its_run_and_the_book_it_was_priced_with(
    costs: Costs, luna: int, database: Database
) -> None:
    costs.record([call("t-1", luna)])
    with database.begin() as session:
        row = session.execute(
            text("SELECT run_id, price_version, unit, usd, units FROM vixen.cost_entries")
        ).one()
    assert tuple(row) == ("run-1", "2026-11-22", "second", Decimal("1.525"), Decimal(1000))


def test_a_summary_sums_by_what_is_asked_and_only_what_is_asked_for(
    costs: Costs, luna: int, add_avatar: Callable[..., int], clock: ManualClock
) -> None:
    mira = add_avatar("mira", niche="travel")
    costs.record([call("t-1", luna), call("t-2", mira), call("t-3", None)])
    clock.advance(timedelta(hours=1))
    costs.record([call("t-4", luna)])

    by_avatar = {line.avatar: line.usd for line in costs.summary(["avatar"])}
    assert by_avatar == {
        "fitness:luna": Decimal("3.05"),
        "travel:mira": Decimal("1.525"),
        "unattributed": Decimal("1.525"),
    }
    by_day = {line.day: line.entries for line in costs.summary(["day"])}
    assert by_day == {EVENING.date(): 3, EVENING.date() + timedelta(days=1): 1}
    (niche,) = costs.summary(["provider", "batch"], CostFilter(niche="travel"))
    assert (niche.provider, niche.batch, niche.usd) == ("replicate", "trainings", Decimal("1.525"))
    (everything,) = costs.summary([], CostFilter(since=clock.now()))
    assert (everything.usd, everything.entries, everything.units) == (Decimal("1.525"), 1, None)
    assert costs.summary(["sku"], CostFilter(avatar="fitness:nobody")) == []
