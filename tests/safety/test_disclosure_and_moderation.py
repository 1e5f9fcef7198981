"""AI disclosure says AI; moderation that cannot tell is never a pass."""

from __future__ import annotations

import pytest

from vixen_pipeline.errors import PolicyRefused, Transient, Unavailable
from vixen_pipeline.providers.ports import ModerationResult
from vixen_pipeline.safety.disclosure import DEFAULT_DISCLOSURE, disclosure_problem
from vixen_pipeline.safety.moderation import moderate_texts, refusal_reason, require_moderated


@pytest.mark.parametrize(
    "text",
    [
        DEFAULT_DISCLOSURE,
        "AI-generated creator.",
        "Made with A.I.",
        "Soy un personaje creado con inteligencia artificial",
        "Perfil criado por IA",
        "Ich bin eine KI",
        "Цифровой персонаж, созданный ИИ",
        "AIで作られたキャラクターです",
        "由人工智能生成",
        "인공지능으로 만든 캐릭터",
    ],
)
def test_a_text_that_says_ai_discloses_it(text: str) -> None:
    assert disclosure_problem(text) is None


@pytest.mark.parametrize(
    "text", ["Just Luna.", "Fitness every day", "I am a real girl, AI fan", "Definitely not an AI"]
)
def test_a_text_that_hides_or_denies_ai_is_refused(text: str) -> None:
    assert disclosure_problem(text) is not None


class Scripted:
    """A moderator that answers with what it was given, or raises it."""

    def __init__(self, answer: list[ModerationResult] | Exception) -> None:
        self.answer = answer

    def moderate_texts(self, texts: object) -> list[ModerationResult]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def moderate_image(self, image: bytes, content_type: str) -> ModerationResult:
        raise NotImplementedError


def result(flagged: bool = False, **scores: float) -> ModerationResult:
    named = {name.replace("_", "/"): score for name, score in scores.items()}
    return ModerationResult(flagged, ("harassment",) if flagged else (), named, "m")


def test_flags_and_high_scores_refuse() -> None:
    assert refusal_reason(result()) is None
    assert refusal_reason(result(sexual=0.4)) is None
    assert refusal_reason(result(flagged=True)) == "harassment"
    assert refusal_reason(result(sexual_minors=0.2)) == "sexual/minors 0.20 (limit 0.05)"


@pytest.mark.parametrize(
    "failure", [Transient("openai", "429"), Unavailable("the moderator is down")]
)
def test_a_moderator_that_is_down_passes_nothing(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        require_moderated(Scripted(failure), ["hello"], "persona")


def test_a_missing_verdict_is_an_error_and_not_a_pass() -> None:
    with pytest.raises(Transient, match="2 texts sent, 1 verdicts received"):
        moderate_texts(Scripted([result()]), ["a", "b"])


def test_a_flagged_text_is_refused_with_the_category() -> None:
    with pytest.raises(PolicyRefused, match="harassment"):
        require_moderated(Scripted([result(), result(flagged=True)]), ["a", "b"], "persona")
    require_moderated(Scripted([result()]), ["a"], "persona")
