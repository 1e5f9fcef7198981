"""Prompts are judged before they are sent. Belongs here: policy and moderation of image prompts.

Does not: writing prompts (prompts.py), the rules themselves (vixen_pipeline.safety).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vixen_pipeline.errors import PolicyRefused, ProviderError
from vixen_pipeline.identity.image_tasks import Collection
from vixen_pipeline.identity.spec_consents import consents_on_record
from vixen_pipeline.safety.moderation import require_moderated
from vixen_pipeline.safety.policy import Door, require_text

if TYPE_CHECKING:
    from vixen_pipeline.identity.stage_run import StageRun


def refuse_prompts(run: StageRun, collections: Sequence[Collection]) -> list[Collection]:
    """Fail the avatars whose prompts the policy or the moderator refuses; the others come back.

    A moderator that is unavailable passes nothing: the avatar waits.
    """
    with run.services.database.begin() as session:
        consents = consents_on_record(session)
    for collection in collections:
        prompts = telling_prompts(collection)
        likeness = collection.avatar.spec.likeness
        person = consents.get(likeness.consent) if likeness is not None else None
        try:
            for prompt in prompts:
                require_text(prompt, Door.PROMPT, allowed_people=[person] if person else [])
            with run.services.slots.hold("text"):
                require_moderated(run.services.moderator, prompts, "the image prompt")
        except (PolicyRefused, ProviderError) as error:
            run.fail(collection.avatar, error)
    return [each for each in collections if each.avatar.key not in run.results]


def telling_prompts(collection: Collection) -> list[str]:
    """One prompt for each wording that is not of the shot.

    The shot's words are ours and the same for everybody (a test holds them to the policy); what an
    avatar adds are its looks and outfits, so a few prompts say all that fifty would.
    """
    telling: dict[str, str] = {}
    for slot in collection.slots:
        rest = slot.prompt
        for value in slot.shot.values():
            rest = rest.replace(f", {value}", ",")
        telling.setdefault(rest, slot.prompt)
    return list(telling.values())
