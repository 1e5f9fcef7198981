"""A request is worked on once, whatever dies when. `rendered` counts what would be paid."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from local_modal import Lost, MemoryLedger, ThreadRunner

from vixen_inference.calls import Calls, Differs, RunFailed, Running
from vixen_inference.wire import Generate, Refused


def body(**changes: Any) -> Generate:
    values: dict[str, Any] = {
        "request_id": "request-1",
        "weights_url": "https://objects.test/lora?signature=one",
        "weights_sha256": "a" * 64,
        "prompts": [{"id": "a", "prompt": "in a park", "seed": 1}],
    }
    return Generate.model_validate({**values, **changes})


class Kit:
    """Calls over stand-ins; `render` may be replaced, `gate` holds runs until it is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.time = 1000.0
        self.ledger = MemoryLedger()
        self.runner = ThreadRunner(self.ledger, self.answer)
        self.calls = self.another()

    def another(self) -> Calls:
        """Another web container over the same ledger."""
        return Calls(self.ledger, self.runner, now=lambda: self.time, tick_s=0.01)

    def answer(self, asked: Generate) -> dict[str, Any]:
        assert self.gate.wait(20)
        return {"request_id": asked.request_id, "images": {}, "seed": asked.prompts[0].seed}


def run(scenario: Callable[[Kit], Awaitable[None]]) -> Kit:
    kit = Kit()
    asyncio.run(scenario(kit))  # type: ignore[arg-type]
    return kit


def test_the_same_request_is_answered_again_without_a_second_run() -> None:
    async def scenario(kit: Kit) -> None:
        first = await kit.calls.generate(body())
        renewed = body(weights_url="https://objects.test/lora?signature=two")
        assert await kit.another().generate(renewed) == first
        assert await kit.calls.find("request-1") == first

    kit = run(scenario)
    assert (kit.runner.rendered, kit.runner.started) == (1, 1)


def test_twenty_at_once_in_several_containers_wait_for_one_run() -> None:
    async def scenario(kit: Kit) -> None:
        kit.gate.clear()
        webs = [kit.calls, kit.another(), kit.another()]
        waiting = [asyncio.ensure_future(webs[n % 3].generate(body())) for n in range(20)]
        await asyncio.sleep(0.1)
        assert await kit.calls.find("request-1") == Running()
        kit.gate.set()
        answers = await asyncio.gather(*waiting)
        assert all(answer == answers[0] for answer in answers)

    kit = run(scenario)
    assert (kit.runner.rendered, kit.runner.started) == (1, 1)


def test_other_prompts_under_the_same_id_are_refused_also_after_a_failure() -> None:
    async def scenario(kit: Kit) -> None:
        kit.runner.kill_runs = 1
        with pytest.raises(RunFailed):
            await kit.calls.generate(body())
        with pytest.raises(Differs):
            await kit.calls.generate(body(weights_sha256="b" * 64))
        await kit.calls.generate(body())
        with pytest.raises(Differs):
            await kit.calls.generate(body(steps=12))

    assert run(scenario).runner.rendered == 2


def test_refused_weights_leave_the_id_free_for_a_fresh_url() -> None:
    async def scenario(kit: Kit) -> None:
        def refuse(asked: Generate) -> dict[str, Any]:
            raise Refused("weights_unavailable", "the weights URL answered 403")

        kit.runner.render = refuse
        with pytest.raises(Refused) as refusal:
            await kit.calls.generate(body())
        assert refusal.value.code == "weights_unavailable"
        assert await kit.calls.find("request-1") is None
        kit.runner.render = kit.answer
        assert await kit.calls.generate(body(weights_url="https://objects.test/fresh"))

    run(scenario)


def test_a_run_that_crashes_frees_the_id_and_tells_everybody_who_waited() -> None:
    async def scenario(kit: Kit) -> None:
        def crash(asked: Generate) -> dict[str, Any]:
            raise ZeroDivisionError

        kit.runner.render = crash
        results = await asyncio.gather(
            *(kit.calls.generate(body()) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [RunFailed] * 3
        assert await kit.calls.find("request-1") is None
        kit.runner.render = kit.answer
        await asyncio.gather(*(kit.calls.generate(body()) for _ in range(3)))

    assert run(scenario).runner.rendered == 2


def test_a_starter_killed_after_the_run_began_does_not_pay_twice() -> None:
    async def scenario(kit: Kit) -> None:
        kit.gate.clear()
        kit.runner.dies_after_start = 1
        with pytest.raises(asyncio.CancelledError):
            await kit.calls.generate(body())
        await asyncio.sleep(0.05)  # the run nobody noted has claimed the work
        kit.gate.set()
        assert (await kit.another().generate(body()))["seed"] == 1

    kit = run(scenario)
    assert kit.runner.rendered == 1


def test_two_runs_of_one_attempt_draw_once_and_both_answers_are_the_one() -> None:
    """The lost starter's run is still queued when the next one is started."""

    async def scenario(kit: Kit) -> None:
        kit.runner.dies_after_start = 1
        held: list[tuple[Any, ...]] = []
        run_now = kit.runner._run

        def queued(*values: Any) -> dict[str, Any]:
            if not held:
                held.append(values)
                assert kit.gate.wait(20)
            return run_now(*values)

        kit.runner._run = queued  # type: ignore[method-assign]
        kit.gate.clear()
        with pytest.raises(asyncio.CancelledError):
            await kit.calls.generate(body())
        kit.time += 31  # its starter counts as lost
        kit.runner.render = lambda asked: {"by": "second"}
        assert await kit.another().generate(body()) == {"by": "second"}
        kit.gate.set()
        assert await kit.runner.wait("fc-1", 20) == {"held_by": "fc-2"}
        assert await kit.calls.find("request-1") == {"by": "second"}

    kit = run(scenario)
    assert (kit.runner.started, kit.runner.rendered) == (2, 1)


def test_a_starter_killed_before_the_run_began_is_replaced_after_a_while() -> None:
    async def scenario(kit: Kit) -> None:
        kit.runner.dies_before_start = 1
        with pytest.raises(asyncio.CancelledError):
            await kit.calls.generate(body())
        assert await kit.calls.find("request-1") == Running(), "it cannot be known yet"
        waiting = asyncio.ensure_future(kit.calls.generate(body()))
        await asyncio.sleep(0.05)
        assert not waiting.done() and kit.runner.started == 0
        kit.time += 31
        assert (await waiting)["seed"] == 1

    assert run(scenario).runner.rendered == 1


def test_an_attempt_that_never_began_is_unknown_in_the_end() -> None:
    async def scenario(kit: Kit) -> None:
        kit.runner.dies_before_start = 1
        with pytest.raises(asyncio.CancelledError):
            await kit.calls.generate(body())
        kit.time += 3600
        assert await kit.calls.find("request-1") is None
        assert await kit.calls.find("never") is None

    run(scenario)


def test_a_lost_connection_is_no_verdict_on_the_run() -> None:
    async def scenario(kit: Kit) -> None:
        kit.gate.clear()
        kit.runner.lost_waits = 1
        with pytest.raises(Lost):
            await kit.calls.generate(body())
        kit.gate.set()
        assert await kit.calls.generate(body())

    assert run(scenario).runner.rendered == 1


def test_a_run_that_its_machine_took_away_goes_on_under_its_own_claim() -> None:
    from vixen_inference.calls import work

    kit = Kit()
    for _ in range(2):  # Modal runs the same input again, under the same id
        answer = work(body().model_dump(), "r@0", "fc-1", kit.ledger.claim, kit.answer)
        assert answer["seed"] == 1
    assert work(body().model_dump(), "r@0", "fc-2", kit.ledger.claim, kit.answer) == {
        "held_by": "fc-1"
    }
