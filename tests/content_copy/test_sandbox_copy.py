"""What the sandbox answers to the copy stage: usable, varied, on the topic, in the language."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from content_kit_copy import SCENES, copies, plan, run, with_persona

from vixen_pipeline.content.caption_language import LEAST_MATCH, language_match
from vixen_pipeline.content.copy_model import CopyAnswer
from vixen_pipeline.db.session import Database
from vixen_pipeline.providers.schemas import anthropic_schema
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.sandbox.text_copy import write_copy
from vixen_pipeline.services import Services

MOST_OF_UNCACHED = 0.40


@pytest.mark.long
def test_fifty_pieces_take_at_most_forty_percent_of_the_input_of_single_calls(
    services: Services, sandbox: Sandbox, database: Database
) -> None:
    (avatar,) = with_persona(services, "luna")
    shots = plan(services, avatar, 50, notes="spring")
    (result,) = run(services)
    assert result.outcome == "made", result.error
    rows = copies(database)
    assert Counter(row.outcome for row in rows)["written"] == len(rows) == 300
    chosen = [row for row in rows if row.chosen]
    assert len({row.caption for row in chosen}) == 100
    by_shot = {shot: SCENES[n % len(SCENES)] for n, shot in enumerate(shots)}
    on_topic = sum(
        any(thing in (row.caption or "") for thing in by_shot[row.shot_id]) for row in chosen
    )
    assert on_topic >= 70, "the words are about their own picture"
    # One uncached call per piece would read the whole system text for each.
    first = [row for row in rows if row.effect_id == min(r.effect_id or 0 for r in rows)]
    per_call = sum(row.input_tokens or 0 for row in first)
    single = per_call - per_call // 5  # less than the true figure: system and one piece of five
    measured = float(result.metadata["input_tokens_per_piece"].value)  # type: ignore[arg-type]
    assert measured <= MOST_OF_UNCACHED * single
    assert float(result.metadata["cached_share"].value) > 0.5  # type: ignore[arg-type]
    assert {row.cached_tokens for row in first} == {0}, "the first call writes the cache"


LOCALES = (
    "en-GB", "pt-BR", "de-DE", "es-MX", "fr-FR", "it-IT", "nl-NL", "ja-JP", "ru-RU", "zh-CN",
    "ko-KR", "ar-EG", "hi-IN", "pl-PL", "fi-FI",
)  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
def test_what_the_sandbox_writes_is_in_the_language_of_the_locale(locale: str) -> None:
    pieces = [
        {"number": n, "platforms": ["instagram", "tiktok"], "scene": "box jumps on the stairs",
         "background": "the old gym", "outfit": "a grey hoodie", "lighting": "soft window light"}
        for n in range(1, 11)
    ]  # fmt: skip
    prompt = f"Locale: {locale}\nVariants per piece: 3\n<pieces>\n{json.dumps(pieces)}\n</pieces>"
    answer = CopyAnswer.model_validate(write_copy(prompt, anthropic_schema(CopyAnswer)))
    written = [v for piece in answer.pieces for p in piece.platforms for v in p.variants]
    assert len(written) == 60
    usable = [v for v in written if language_match(f"{v.hook} {v.body}", locale) >= LEAST_MATCH]
    assert len(usable) >= 57
    assert len({v.body for v in written}) >= 30


def test_other_prompts_and_schemas_are_left_to_the_general_writer() -> None:
    schema = anthropic_schema(CopyAnswer)
    assert write_copy("no pieces here", schema) is None
    assert write_copy("<pieces>\n[not json]\n</pieces>", schema) is None
    assert write_copy("<pieces>\n[]\n</pieces>", {"properties": {"name": {}}}) is None


def test_avatars_of_several_languages_are_written_for_in_one_run(
    services: Services, sandbox: Sandbox, database: Database
) -> None:
    keys: list[str] = []
    for handle, locale in (("bia", "pt-BR"), ("kei", "ja-JP"), ("ola", "pl-PL")):
        (avatar,) = with_persona(services, handle, locale=locale, languages=[locale[:2]])
        plan(services, avatar, 12)
        keys.append(avatar.key)
    results = run(services, *keys)
    assert [result.outcome for result in results] == ["made"] * 3, [r.error for r in results]
    assert {row.language for row in copies(database)} == {"pt-BR", "ja-JP", "pl-PL"}


def test_a_refusal_and_a_cut_off_answer_of_the_provider_end_with_captions_of_the_fallback(
    services: Services, sandbox: Sandbox, database: Database
) -> None:
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 7)
    sandbox.control.fault("anthropic", "refusal", count=1)
    sandbox.control.fault("anthropic", "cutoff", count=1)
    (result,) = run(services)
    assert result.outcome == "made", result.error
    rows = copies(database)
    outcomes = Counter((row.round, row.provider, row.outcome) for row in rows)
    assert outcomes[(1, "anthropic", "refused")] == 10
    assert outcomes[(1, "anthropic", "cut_off")] == 4
    assert outcomes[(2, "openai", "written")] == 42
    assert (result.metadata["refused"].value, result.metadata["cut_off"].value) == (10, 4)
