"""Whether a text is in the language that was asked for: by script, then by its smallest words.

Belongs here: the table and the measure. Does not: judging. No model and no dictionary: function
words tell two Latin languages apart in one sentence, a script tells the others. A Latin language
that the table lacks is told from the others only (0.5 when nothing speaks against it).
"""

from __future__ import annotations

from collections.abc import Mapping

from vixen_pipeline.content.caption_text import pattern

LEAST_MATCH = 0.5
"""Below this a text counts as written in another language."""
_UNDECIDED = 0.5
_LEAST_EVIDENCE = 2
"""Small words of another language that prove nothing yet."""

_SCRIPTS: Mapping[str, str] = {
    "ar": "Arabic",
    "fa": "Arabic",
    "ur": "Arabic",
    "bg": "Cyrillic",
    "ru": "Cyrillic",
    "sr": "Cyrillic",
    "uk": "Cyrillic",
    "el": "Greek",
    "he": "Hebrew",
    "hi": "Devanagari",
    "mr": "Devanagari",
    "ja": "Han Hiragana Katakana",
    "ko": "Hangul",
    "th": "Thai",
    "zh": "Han",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SMALL_WORDS: Mapping[str, frozenset[str]] = {
    "en": _words(
        "the and of to is that it with for was on you this my your have not are but what how when"
        " from i a in one every today we they which here there then if so at an be who by"
    ),
    "es": _words(
        "el los las y es que una un con para por no lo se mi tu te más pero cómo qué cuando hoy"
        " del al está este esta muy sin hay desde yo nos ya tus cada la de en"
    ),
    "pt": _words(
        "o os as e é que uma um com para por não do da dos das no na se meu minha seu sua mais mas"
        " como quando hoje está isso muito sem há eu você já cada ao em de a"
    ),
    "fr": _words(
        "le les et est que une un avec pour par ne pas du des au aux ce cette mon ma ton ta je tu"
        " nous vous plus mais comment quand sans il y c'est dans sur la de qui se"
    ),
    "de": _words(
        "der die das und ist dass ein eine einen mit für von zu nicht den dem des im am ich du wir"
        " ihr mein dein mehr aber wie wenn heute auf ohne es auch noch was sich bei nur"
    ),
    "it": _words(
        "il lo gli e è che una un con per non di del della dei mi ti mio tuo più ma come quando"
        " oggi questo questa senza sono nel alla io ci ogni la in si"
    ),
    "nl": _words(
        "de het een en is dat met voor van niet te op ik je jij mijn jouw meer maar hoe wanneer"
        " vandaag deze dit zonder er ook nog wat zijn naar bij elke in"
    ),
    "pl": _words(
        "i w na z że się nie to jest do jak co dla od po ale mój moja twój więcej kiedy dziś ten"
        " ta bez są już tylko o za ja ty każdy"
    ),
    "sv": _words(
        "och att det en ett är som på med för av inte den jag du vi min din mer men hur när idag"
        " utan till från har var varje i om"
    ),
    "tr": _words(
        "ve bir bu için ile de da ne ben sen benim senin daha ama nasıl bugün çok var yok her gibi"
        " kadar en mi o şey sonra"
    ),
}


def language_match(text: str, locale: str) -> float:
    """0 (another language) to 1 (surely this one). `locale` is a BCP 47 tag such as pt-BR."""
    language = locale.replace("_", "-").split("-", 1)[0].lower()
    share = _script_share(text, _SCRIPTS.get(language, "Latin"))
    if language in _SCRIPTS:
        kana = language != "ja" or pattern(r"[\p{Hiragana}\p{Katakana}]").search(text) is not None
        return share if kana else 0.0
    return share * _latin_match(text, language)


def _script_share(text: str, scripts: str) -> float:
    found = len(pattern(r"\p{L}").findall(text))
    wanted = "".join(rf"\p{{Script={name}}}" for name in scripts.split())
    return len(pattern(rf"[[{wanted}]&&\p{{L}}]").findall(text)) / found if found else 0.0


def _latin_match(text: str, language: str) -> float:
    words = pattern(r"[\p{L}'’]+").findall(text.casefold().replace("’", "'"))
    hits = {name: sum(1 for word in words if word in small) for name, small in _SMALL_WORDS.items()}
    own = hits.pop(language, None)
    other = max(hits.values())
    little = max(_LEAST_EVIDENCE, len(words) // 8)
    if own is None:  # not in the table: a text full of another language's words is not it
        return 0.0 if other > little else _UNDECIDED
    if own < other <= little:  # names of things, with a small word that many languages have
        return _UNDECIDED
    return min(1.0, own / other) if other else (1.0 if own else _UNDECIDED)
