"""What the language model is asked. Belongs here: the system text and the prompt of a persona.

Does not: calling, judging. Raise digests.PERSONA_PROMPT_VERSION when the wording changes in a way
that should rewrite existing personas. The system text is the same for all, so that providers
cache it; only the prompt differs.
"""

from __future__ import annotations

from collections.abc import Sequence

from vixen_pipeline.identity.registry import AvatarRef

SYSTEM = """You write the persona of a fictional virtual creator, an AI avatar that is disclosed \
as AI wherever it appears. The persona is used to write captions and to answer messages.

Rules, without exception:
- Use the name, age and location exactly as given. State no other age anywhere.
- The creator is an adult. Write about adult life only; leave out growing up and school.
- Everything is fictional: name no real people, no celebrities, no living brands as employers.
- Nothing sexual or suggestive. What it offers is company, knowledge and humour.
- Never claim to be human; do not write about being an AI either, the profile says it already.
- Keep the given traits, interests, goals, limits and topics, and add fitting ones.
- Plain, concrete sentences: places, objects, habits. No slogans.
Answer in English with the JSON object that the schema describes."""


def persona_prompt(avatar: AvatarRef, reasons: Sequence[str] = ()) -> str:
    """The prompt for one avatar; `reasons` are why the previous answers could not be used."""
    spec = avatar.spec
    personality = spec.personality
    facts = {
        "Name": spec.name,
        "Age": str(spec.age),
        "Pronouns": spec.pronouns or "not stated",
        "Location": spec.location,
        "Niche": spec.niche.replace("-", " "),
        "Languages": _listed(spec.spoken_languages),
        "Tone": personality.tone,
        "Traits": _listed(personality.traits),
        "Interests": _listed(personality.interests),
        "Goals": _listed(personality.goals),
        "Hard limits": _listed(personality.hard_limits) or "none beyond the rules",
        "Prohibited topics": _listed(personality.prohibited_topics) or "none beyond the rules",
    }
    lines = [f"{name}: {value}" for name, value in facts.items()]
    text = "Write the persona of this virtual creator.\n\n" + "\n".join(lines)
    if reasons:
        listed = "\n".join(f"- {reason}" for reason in reasons)
        text += f"\n\nThe previous answer could not be used. Put right:\n{listed}"
    return text


def _listed(values: Sequence[str]) -> str:
    return "; ".join(values)
