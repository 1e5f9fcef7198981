"""What settings must be before anything runs."""

from __future__ import annotations

from vixen_pipeline.settings import load_settings, missing_settings


def test_a_grace_shorter_than_the_time_out_is_refused_where_it_could_pay_twice() -> None:
    lines = missing_settings(
        load_settings(replicate_mode="live", replicate_timeout_s=120, reconcile_grace_s=90)
    )
    assert any("VIXEN_RECONCILE_GRACE_S (90) must exceed" in line for line in lines)


def test_the_defaults_have_a_grace_that_is_long_enough() -> None:
    assert not any(
        "GRACE" in line for line in missing_settings(load_settings(replicate_mode="live"))
    )
