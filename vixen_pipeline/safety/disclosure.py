"""Saying that an avatar is AI. Belongs here: the default text and the test of a custom one.

Does not: platform AI flags, content credentials (distribution and provenance set those).
"""

from __future__ import annotations

import re

DEFAULT_DISCLOSURE = (
    "I am a fictional virtual creator. My pictures and messages are made with AI; "
    "I am not a real person."
)

# "AI" as a word in the languages we know, or the phrase written out.
_SAYS_AI = re.compile(
    r"\b(?:a\.?i\.?|ia|ki)\b"
    r"|artificial intelligence|inteligencia artificial|inteligência artificial"
    r"|intelligence artificielle|künstliche\w* intelligenz|intelligenza artificiale"
    r"|kunstmatige intelligentie|sztuczn\w+ inteligencj\w+|yapay zeka"
    r"|\bии\b|искусственн\w+ интеллект\w*|人工智能|人工知能|人工智慧|인공지능|الذكاء الاصطناعي"
    r"|कृत्रिम बुद्धि"
    r"|\bAI(?=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])|(?<=[\u3040-\u30ff\u3400-\u9fff])AI",
    re.IGNORECASE,
)
_DENIES_AI = re.compile(
    r"\b(?:not|no|isn't|am not|never|without)\s+(?:an?\s+|made (?:with|by)\s+)?(?:a\.?i\.?)\b"
    r"|\bi(?:'m| am) (?:a )?(?:real|human)\b|\b100 ?% (?:real|human)\b",
    re.IGNORECASE,
)


def disclosure_problem(text: str) -> str | None:
    """Why `text` does not disclose AI, or None when it does."""
    if _DENIES_AI.search(text):
        return "denies being AI; allowed: a text that says plainly that this is AI"
    if not _SAYS_AI.search(text):
        return (
            "does not say that this is AI; allowed: a text with 'AI' or 'artificial intelligence' "
            "in it, or no disclosure at all for the default text"
        )
    return None
