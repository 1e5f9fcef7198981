"""Which of the thirteen moderation categories a text touches, by word lists.

Belongs here: categories, patterns, scores. Does not: images and the wire form (openai_moderation).
A phrase under a negation in the same sentence ("no nudity, no explicit content") does not count,
because avatars' own limits are written that way. Scores are stable for a text, 0 to 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
IMAGE_CATEGORIES = frozenset(
    {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence"}
    | {"violence/graphic"}
)
"""The categories that are scored for images; all others are for text only."""
THRESHOLD = 0.5

_SEXUAL = (
    r"nudes?|nudity|naked|nsfw|porn\w*|erotic\w*|sexual\w*|sexting|lingerie|topless|orgasm\w*"
    r"|fetish\w*"
    r"|seduc\w+|strip ?tease|strippers?|undress\w*|explicit (?:photos?|pictures?|content|images?)"
    r"|having sex|sex (?:with|tape|scene|work\w*)|x-rated|bare breasts?"
)
_MINOR = (
    r"minors?|underage|under-age|child(?:ren)?|kids?|toddlers?|pre-?teens?|teen(?:s|ager|agers"
    r"|aged)?"
    r"|school ?girls?|school ?boys?|little (?:girl|boy)s?|(?:1[0-7]|[3-9])[- ]years?[- ]old|loli\w*"
)
_PATTERNS: dict[str, str] = {
    "harassment": r"(?:you(?:'re| are)) (?:an? )?(?:idiot|loser|worthless|pathetic|disgusting"
    r"|stupid"
    r"|ugly|a waste)\w*|nobody likes you|shut up,? you",
    "harassment/threatening": r"(?:i|we)(?:'ll| will| am going to|'m going to) (?:kill|hurt"
    r"|find|beat"
    r"|stab|shoot|destroy) (?:you|her|him|them)",
    "hate": r"subhumans?|vermin like (?:them|you)|ethnic cleansing|master race"
    r"|go back to your country"
    r"|(?:all|those) (?:immigrants|foreigners|jews|muslims|christians|women|gays) (?:are|should)",
    "hate/threatening": r"exterminate (?:them|all|the)|(?:kill|hang|burn) all (?:\w+)",
    "illicit": r"how (?:to|do i|can i) (?:\w+ ){0,3}?(?:shoplift|launder money|steal"
    r"|counterfeit|hack into"
    r"|pick a lock|cook meth|buy (?:cocaine|heroin|drugs))|fake (?:passports?|ids?)"
    r"|stolen credit cards?"
    r"|buy (?:cocaine|heroin|meth)",
    "illicit/violent": r"how (?:to|do i|can i) (?:\w+ ){0,3}?(?:build|make"
    r"|get) (?:an? )?(?:\w+ )?(?:bombs?"
    r"|explosives?|guns?|weapons?|silencers?)|pipe bombs?",
    "self-harm": r"suicid\w*|self-harm\w*|kill (?:myself|yourself|themselves)|cut(?:ting)? myself"
    r"|starv(?:e|ing) myself|pro-ana|thinspo",
    "self-harm/intent": r"i (?:want|am going|plan|'m going) to (?:die|kill myself|end (?:it all"
    r"|my life))"
    r"|i (?:will|'ll) kill myself|end my life",
    "self-harm/instructions": r"how (?:to|do i|can i) (?:kill|hurt|cut|starve) (?:myself|yourself)"
    r"|best way to (?:die|kill myself)|kill yourself",
    "sexual": _SEXUAL,
    "violence": r"murder(?:ed|ing|s)?|massacre\w*|tortur\w+|stabb(?:ed|ing)|behead\w*|decapitat\w+"
    r"|dismember\w*|slaughter(?:ed|ing) (?:people|them)|beat (?:him|her|them) to death"
    r"|(?:shoot|shot|kill|killed|killing) (?:him|her|them|people|everyone|you|somebody)",
    "violence/graphic": r"gore|gory|dismember\w*|decapitat\w+|entrails|pool of blood"
    r"|severed (?:head|limb)s?",
}
_COMPILED = {
    name: re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE)
    for name, pattern in _PATTERNS.items()
}
_MINORS = re.compile(rf"(?<![\w-])(?:{_MINOR})(?![\w-])", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:no|not|never|without|avoids?|nothing|none|refuses?|declines?|don't|won't|doesn't"
    r"|cannot|free"
    r" of|nor|keeps? away from|against|forbids?|bans?)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|[\n•]+")


def score_text(text: str) -> Mapping[str, float]:
    """A score for each category; `THRESHOLD` and above is flagged."""
    hits = {name: _hits(pattern, text) for name, pattern in _COMPILED.items()}
    hits["sexual/minors"] = _minors(text)
    if hits["sexual/minors"]:
        hits["sexual"] = max(hits["sexual"], 1)
    return {name: _score(text, name, hits.get(name, 0)) for name in CATEGORIES}


def flagged(scores: Mapping[str, float]) -> bool:
    """Whether any category reaches the threshold."""
    return any(score >= THRESHOLD for score in scores.values())


def _hits(pattern: re.Pattern[str], text: str) -> int:
    return sum(
        1
        for sentence in _SENTENCE.split(text)
        for found in pattern.finditer(sentence)
        if not _NEGATION.search(sentence, 0, found.start())
    )


def _minors(text: str) -> int:
    """Sexual wording and a minor in one sentence; negated only when both are."""
    return sum(
        1
        for sentence in _SENTENCE.split(text)
        if _MINORS.search(sentence) and _hits(_COMPILED["sexual"], sentence)
    )


def _score(text: str, category: str, hits: int) -> float:
    digest = hashlib.sha256(f"{category}\x1f{text}".encode()).digest()
    noise = int.from_bytes(digest[:4]) / 2**32
    if hits:
        return round(min(0.999, 0.86 + 0.04 * hits + 0.02 * noise), 6)
    return round(1e-6 + 0.002 * noise**4, 8)
