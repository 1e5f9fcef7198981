"""The stage `content_copy`: words for every planned shot and platform, one variant chosen.

Belongs here: the stage over many avatars, its rounds. Does not: asking (copy_call), judging
(caption_judge), choosing (copy_choosing), what is reported (copy_report).

    rows without a verdict are moderated ─▶ what can be chosen is chosen ─▶ nothing open: done
           ▲                                                                │ places are open
           └── rows of the answers are kept ◀── the model is asked, in chunks ◀─┘ (next round)

Calls are batched by avatar: one chunk first, so that the provider has the persona in its cache,
then the others at once. The first round asks the first provider; later ones, for what was refused,
cut off or unfit, its fallback. After MAX_ROUNDS the avatar fails by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from vixen_pipeline.content import copy_call
from vixen_pipeline.content.caption_judge import Voice
from vixen_pipeline.content.copy_answers import rows_of
from vixen_pipeline.content.copy_choosing import choose, moderate, unmoderated
from vixen_pipeline.content.copy_model import STAGE, Caption, Chunk, CopyBook, Place
from vixen_pipeline.content.copy_prompt import system_text
from vixen_pipeline.content.copy_report import report
from vixen_pipeline.content.copy_rows import insert_copies, load_books
from vixen_pipeline.content.frame import run_content_stage
from vixen_pipeline.costs import PaidCall
from vixen_pipeline.errors import StageFailed, Unavailable, VixenError
from vixen_pipeline.identity.persona_store import load_personas
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.identity.stage_run import StageRun
from vixen_pipeline.providers.text import second_opinion
from vixen_pipeline.stages import Progress, StageProgress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.identity.persona_model import Persona
    from vixen_pipeline.services import Services

T = TypeVar("T")
Work = Mapping[int, Sequence[T]]
"""Items to be done, by avatar id."""

MAX_ROUNDS = 3
"""Of one place, until the avatar fails; a person who tries again by hand grants as many more."""
TEXTS_PER_CALL = 30
"""Variants asked for at once: more of them would outlast the text time-out."""


def run_content_copy(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """Write what is missing for `keys`; one result per key, in their order.

    Raises Unavailable; every other failure is the result of its avatar.
    """

    def body(run: StageRun) -> None:
        run.require_persona(run.avatars)
        avatars = run.still_open(run.avatars)
        books = _load(run, avatars)
        for avatar in avatars:
            if avatar.id not in books:
                run.block(avatar, "content_plans")
        done = [book.avatar for book in books.values() if not book.places]
        report(run, done, "unchanged")
        missing = run.refuse_failed(run.still_open(avatars))
        if missing:
            _Making(run, missing, progress).make()

    return run_content_stage(services, STAGE, keys, body)


def _load(run: StageRun, avatars: Sequence[AvatarRef]) -> dict[int, CopyBook]:
    with run.services.database.begin() as session:
        return load_books(session, avatars)


class _Making:
    """The rounds of one run."""

    def __init__(self, run: StageRun, avatars: Sequence[AvatarRef], progress: Progress) -> None:
        self._run = run
        self._services = run.services
        self._progress = progress
        self._open = list(avatars)
        with run.services.database.begin() as session:
            people = consents_on_record(session)
            stored = load_personas(session, avatars)
        self._personas = {avatar_id: one.persona for avatar_id, one in stored.items()}
        self._voices = {a.id: _voice(a, self._personas[a.id], people) for a in avatars}
        self._second = second_opinion(run.services.text)
        self._last_round: dict[int, int] = {}

    def make(self) -> None:
        books = _load(self._run, self._open)
        for book in books.values():
            tried = max((place.rounds for place in book.places), default=0)
            self._last_round[book.avatar.id] = MAX_ROUNDS * (1 + tried // MAX_ROUNDS)
        while self._open:
            self._in_threads({a.id: unmoderated(books[a.id]) for a in self._open}, self._moderate)
            books = _load(self._run, self._open)
            for avatar in self._open:
                choose(self._services, books[avatar.id], self._voices[avatar.id])
            books = _load(self._run, self._open)
            self._settle(books)
            self._in_threads(
                {a.id: self._chunks(books[a.id]) for a in self._open}, self._ask, warm=True
            )
            books = _load(self._run, self._open)

    # ---- what is done, what is used up ----------------------------------------------------------

    def _settle(self, books: Mapping[int, CopyBook]) -> None:
        """Report those that are complete, fail those whose rounds are used up."""
        done = [avatar for avatar in self._open if not books[avatar.id].places]
        report(self._run, done, "made")
        for avatar in self._run.still_open(self._open):
            last = self._last_round[avatar.id]
            spent = [p for p in books[avatar.id].places if p.rounds >= last]
            if spent:
                self._run.fail(avatar, _used_up(spent, last))
        self._open = self._run.still_open(self._open)

    # ---- asking ---------------------------------------------------------------------------------

    def _chunks(self, book: CopyBook) -> list[Chunk]:
        """The open places in calls, grouped by plan, round and position: the same after a kill."""
        variants = self._services.settings.content_variants
        grouped: dict[tuple[int, int, int], list[Place]] = {}
        for place in book.places:
            shots = max(1, TEXTS_PER_CALL // (variants * len(place.shot.platforms)))
            if place.rounds:  # what was cut off is asked for in smaller pieces
                shots = max(1, shots // 2)
            window = place.shot.position // shots
            grouped.setdefault((place.shot.plan_id, place.rounds + 1, window), []).append(place)
        return [
            Chunk(book.avatar, plan_id, book.notes[plan_id], number, tuple(places))
            for (plan_id, number, _), places in sorted(grouped.items(), key=lambda item: item[0])
        ]

    def _ask(self, chunk: Chunk) -> None:
        """Have one chunk answered and keep its rows and its cost, together."""
        services, avatar = self._services, chunk.avatar
        variants, first = services.settings.content_variants, chunk.round == 1
        ask = copy_call.Ask(
            chunk,
            system_text(avatar, self._personas[avatar.id], chunk.notes, variants),
            variants,
            services.text if first else self._second,
            "anthropic" if first else "openai",
            services.settings.anthropic_model if first else services.settings.openai_model,
        )
        effect = copy_call.answer(services, ask)
        rows = rows_of(services, chunk, effect, self._voices[avatar.id], variants)
        paid = PaidCall(effect.key, avatar.id, effect.id, STAGE, copy_call.usage_of(effect))
        with services.database.begin() as session:
            insert_copies(session, rows)
            services.costs.record([paid], session)

    def _moderate(self, batch: list[Caption]) -> None:
        moderate(self._services, batch)

    def _in_threads(self, work: Work[T], do: Callable[[T], None], *, warm: bool = False) -> None:
        """Do every avatar's items at once; its first failure is its result, and stops the rest.

        With `warm`, an avatar's first item is done before its others begin.
        """
        workers = max(1, self._services.settings.text_concurrency)
        avatars = {avatar.id: avatar for avatar in self._open}
        held = {key: list(items[1:]) if warm else [] for key, items in work.items()}
        with ThreadPoolExecutor(workers, thread_name_prefix="copy") as pool:
            begun = (
                (k, item) for k, items in work.items() for item in (items[:1] if warm else items)
            )
            futures: dict[Future[None], int] = {pool.submit(do, i): k for k, i in begun}
            try:
                while futures:
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        key = futures.pop(future)
                        if self._ended(future, avatars[key]):
                            futures |= {pool.submit(do, i): key for i in held.pop(key, [])}
                            left = sum(1 for one in futures.values() if one == key)
                            total = len(work[key])
                            self._progress(
                                StageProgress(STAGE, avatars[key].key, total - left, total)
                            )
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        self._open = self._run.still_open(self._open)

    def _ended(self, future: Future[None], avatar: AvatarRef) -> bool:
        """Whether it went well; a failure is the avatar's result. Raises Unavailable."""
        try:
            future.result()
        except Unavailable:
            raise
        except VixenError as error:
            if avatar.key not in self._run.results:
                self._run.fail(avatar, error)
            return False
        return True


def _voice(avatar: AvatarRef, persona: Persona, people: Mapping[str, str]) -> Voice:
    likeness = avatar.spec.likeness
    person = people.get(likeness.consent) if likeness is not None else None
    return Voice(
        avatar.spec.locale,
        tuple(persona.prohibited_topics),
        (person,) if person is not None else (),
    )


def _used_up(places: Sequence[Place], rounds: int) -> StageFailed:
    counted = Counter(reason.split(":", 1)[0] for place in places for reason in place.reasons)
    reasons = [f"{kind} {count}x" for kind, count in counted.most_common()]
    first = next((reason for place in places for reason in place.reasons), "no answer")
    return StageFailed(
        STAGE,
        f"{len(places)} captions have no usable words after {rounds} rounds"
        f" ({', '.join(reasons)}), for example: {first}",
        reasons=reasons,
    )
