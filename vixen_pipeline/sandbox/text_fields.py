"""What a field of a given name would say: the sandbox's writer, one field at a time.

Belongs here: recognising field names, filling sentence patterns from the prompt and the tables.
Does not: JSON Schema (text_schema), tables (text_words, text_niches), lengths (text_fit).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vixen_pipeline.sandbox import text_words as words
from vixen_pipeline.sandbox.text_prompt import Brief, normal

Path = tuple[str, ...]
"""Where a field stands: property names and list positions from the root, e.g. ("traits", "2")."""


@dataclass(slots=True)
class Slots:
    """The values that patterns draw on, chosen once per prompt, so that a persona is consistent."""

    brief: Brief
    name: str = ""
    city: str = ""
    home: str = ""
    topics: list[str] = field(default_factory=list[str])
    traits: list[str] = field(default_factory=list[str])
    goals: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        brief, dice = self.brief, self.brief.dice("slots")
        self.name = brief.fact("display_name", "name", "full_name", "persona_name") or " ".join(
            (dice.choice(words.FIRST_NAMES), dice.choice(words.LAST_NAMES))
        )
        self.city = brief.fact("location", "city", "home_town", "based_in") or dice.choice(
            words.CITIES
        )
        self.home = dice.choice(words.HOME_DETAILS)
        own = _phrases(brief.facts_of("interests", "topics", "interest"))
        self.topics = _first_then_shuffled(own, brief.niche.topics, dice)
        self.traits = _first_then_shuffled(
            _phrases(brief.facts_of("traits", "personality", "personality_traits")),
            words.TRAITS,
            dice,
        )
        self.goals = _first_then_shuffled(
            [_lower_first(goal) for goal in _phrases(brief.facts_of("goals", "goal", "mission"))],
            brief.niche.goals,
            dice,
        )

    def fill(self, pattern: str, dice: random.Random) -> str:
        """One sentence pattern, filled. The same dice give the same sentence."""
        niche = self.brief.niche
        topics = dice.sample(self.topics[:8], k=min(3, len(self.topics[:8])))
        topics += [topics[-1]] * (3 - len(topics))
        traits = dice.sample(self.traits[:4], k=2)
        filled = pattern.format(
            name=self.name,
            city=self.city,
            home=self.home,
            niche=self.brief.niche_name,
            topic=topics[0],
            topic2=topics[1],
            topic3=topics[2],
            topic_cap=upper_first(topics[0]),
            trait=traits[0],
            trait2=traits[1],
            trait_cap=upper_first(traits[0]),
            goal=dice.choice(self.goals[:4]),
            activity=dice.choice(niche.activities),
            job=dice.choice(niche.jobs),
            place=dice.choice(niche.places),
        )
        return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", filled)


class Writer:
    """Writes fields for one prompt. `text` and `more` are deterministic by prompt and place."""

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self.slots = Slots(brief)

    def text(self, path: Path, attempt: int = 0, description: str = "") -> str:
        """A fitting text for the field at `path`; `attempt` 1, 2, … give other ones."""
        name, position = _name_of(path)
        draw = Draw(self, name, position + attempt, path, attempt)
        recipe = _recipe(name) or _recipe_of_description(description) or _sentence
        return recipe(draw)

    def more(self, path: Path, index: int) -> str:
        """A further sentence for a text that is too short."""
        start = self.brief.dice("more", *path).randrange(len(words.MORE))
        pattern = words.MORE[(start + index) % len(words.MORE)]
        return self.slots.fill(pattern, self.brief.dice("more", index, *path))

    def number(self, path: Path) -> float | None:
        """The number that the prompt states for this field (age, prices, …), if it does."""
        name, _ = _name_of(path)
        stated = self.brief.fact(name)
        found = re.match(r"-?\d+(\.\d+)?", stated) if stated else None
        return float(found.group()) if found else None


@dataclass(frozen=True, slots=True)
class Draw:
    """One field to be written: `position` in its list (0 for a lone field), plus the attempt."""

    writer: Writer
    name: str
    position: int
    path: Path
    attempt: int

    @property
    def slots(self) -> Slots:
        return self.writer.slots

    def dice(self) -> random.Random:
        return self.writer.brief.dice(*self.path, self.attempt)

    def pick(self, options: Sequence[str]) -> str:
        """The option at this position of the prompt's own order: siblings do not repeat."""
        place = "/".join(part for part in self.path if not part.isdigit())
        order = list(options)
        self.writer.brief.dice("order", place).shuffle(order)
        return order[self.position % len(order)]

    def fill(self, patterns: Sequence[str]) -> str:
        return self.slots.fill(self.pick(patterns), self.dice())


Recipe = Callable[[Draw], str]


def _in_order(options: Callable[[Slots], Sequence[str]]) -> Recipe:
    def write(draw: Draw) -> str:
        choices = options(draw.slots)
        return choices[draw.position % len(choices)]

    return write


def _patterns(patterns: Sequence[str]) -> Recipe:
    return lambda draw: draw.fill(patterns)


def _stated_or(names: Sequence[str], options: Sequence[str]) -> Recipe:
    """The prompt's own values first, then those of the table."""

    def write(draw: Draw) -> str:
        own = draw.writer.brief.facts_of(*names)
        if draw.position < len(own):
            return own[draw.position]
        return draw.pick(options)

    return write


def _hashtag(draw: Draw) -> str:
    topic = draw.slots.topics[draw.position % len(draw.slots.topics)]
    return "#" + re.sub(r"[^0-9A-Za-z]", "", topic.title())


def _goal(draw: Draw) -> str:
    return upper_first(draw.slots.goals[draw.position % len(draw.slots.goals)])


def _handle(draw: Draw) -> str:
    stated = draw.writer.brief.fact("handle", "username")
    return stated or normal(draw.slots.name)


_sentence = _patterns(words.SENTENCES)
_RECIPES: tuple[tuple[str, Recipe], ...] = (
    (r"(^|_)(hash)?tags?$", _hashtag),
    (r"(^|_)(user_?name|handle|slug)$", _handle),
    (r"first_name|given_name", lambda draw: draw.slots.name.split()[0]),
    (r"last_name|family_name|surname", lambda draw: draw.slots.name.split()[-1]),
    (r"(^|_)name$", lambda draw: draw.slots.name),
    (r"prohibited|forbidden|taboo", _stated_or(
        ("prohibited_topics", "forbidden_topics"), words.PROHIBITED_TOPICS)),
    (r"limit|boundar|never", _stated_or(
        ("hard_limits", "limits", "boundaries"), words.HARD_LIMITS)),
    (r"backstory|origin|history|story", _patterns(words.BACKSTORIES)),
    (r"bio(graphy)?$|^about$|profile|summary|description", _patterns(words.BIOGRAPHIES)),
    (r"trait|adjective|character|personality", _in_order(lambda slots: slots.traits)),
    (r"interest|topic|hobb|likes?$|keyword|subject|theme", _in_order(lambda slots: slots.topics)),
    (r"goal|mission|aspiration|objective|ambition", _goal),
    (r"tone|mood|register", _stated_or(("tone",), words.TONES)),
    (r"voice|style|speech|manner|writing", _stated_or(("voice", "voice_style"), words.VOICES)),
    (r"location|city|home|lives|based|hometown", lambda draw: draw.slots.city),
    (r"place|setting|background|scene", _in_order(lambda slots: slots.brief.niche.places)),
    (r"occupation|job|profession|work", _in_order(lambda slots: slots.brief.niche.jobs)),
    (r"activit|habit|routine|ritual", lambda draw: upper_first(
        draw.pick(draw.slots.brief.niche.activities))),
    (r"niche|category|field$|genre", lambda draw: draw.slots.brief.niche_name),
    (r"hook|opening|headline", _patterns(words.HOOKS)),
    (r"caption|post|body$|content", _patterns(words.CAPTIONS)),
    (r"call_to_action|cta", _patterns(words.CALLS)),
    (r"reply|answer|message|greeting|response", _patterns(words.REPLIES)),
    (r"title|subject_line", _patterns(words.TITLES)),
)  # fmt: skip


def _recipe(name: str) -> Recipe | None:
    return next((recipe for pattern, recipe in _RECIPES if re.search(pattern, name)), None)


def _recipe_of_description(description: str) -> Recipe | None:
    named = normal(" ".join(description.split()[:6]))
    return _recipe(named) if named else None


def _name_of(path: Path) -> tuple[str, int]:
    """The nearest property name, and the position when the field is an item of its list."""
    names = [part for part in path if not part.isdigit()]
    position = int(path[-1]) if path and path[-1].isdigit() else 0
    return (normal(names[-1]) if names else "", position)


def _phrases(values: Sequence[str]) -> list[str]:
    return [value.strip().rstrip(".") for value in values if 0 < len(value.strip()) <= 80]


def _first_then_shuffled(
    first: Sequence[str], rest: Sequence[str], dice: random.Random
) -> list[str]:
    others = [item for item in rest if item.lower() not in {own.lower() for own in first}]
    dice.shuffle(others)
    return [*first, *others]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if not text[1:2].isupper() else text


def upper_first(text: str) -> str:
    """`trail running` → `Trail running`; the rest is left as it is."""
    return text[:1].upper() + text[1:]
