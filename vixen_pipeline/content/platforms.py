"""What the platforms allow of words. Belongs here: limits, their units, what breaks them.

Does not: cutting (caption_text), composing (caption_compose), publishing. Lengths are UTF-16 units:
TikTok counts so, and for Instagram, which says only "characters", it is the strictest reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vixen_pipeline.content.caption_text import count_hashtags, utf16_units
from vixen_pipeline.errors import InvalidInput

if TYPE_CHECKING:
    from vixen_pipeline.settings import Settings

PostKind = Literal["photo", "video"]
INSTAGRAM_CAPTION = 2200
"""`caption` of POST /{ig-id}/media, of every kind of post; 20 @-mentions, which we never make."""
TIKTOK_VIDEO_TITLE = 2200
"""`post_info.title` of a video: what people see as the caption."""
TIKTOK_PHOTO_TITLE = 90
TIKTOK_PHOTO_DESCRIPTION = 4000
TIKTOK_HASHTAGS = 5
"""TikTok's documents name no limit; its app has taken five per post since 2025."""


@dataclass(frozen=True, slots=True)
class TextLimits:
    """UTF-16 units of the text of one kind of post; `title` None: there is no title field."""

    text: int
    title: int | None


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform's limits. `caption` fits every kind of post there, so one text serves all."""

    name: str
    caption: int
    title: int | None
    hashtags: int


_KINDS: dict[str, dict[PostKind, TextLimits]] = {
    "instagram": {
        "photo": TextLimits(INSTAGRAM_CAPTION, None),
        "video": TextLimits(INSTAGRAM_CAPTION, None),
    },
    "tiktok": {
        "photo": TextLimits(TIKTOK_PHOTO_DESCRIPTION, TIKTOK_PHOTO_TITLE),
        "video": TextLimits(TIKTOK_VIDEO_TITLE, None),
    },
}
PLATFORMS = tuple(_KINDS)


def text_limits(platform: str, kind: PostKind) -> TextLimits:
    """The limits of one kind of post. Raises InvalidInput for a platform that is not known."""
    if platform not in _KINDS:
        raise InvalidInput(
            "platform",
            [f"{platform}: its limits are not known"],
            next_step=f"Known platforms: {', '.join(PLATFORMS)}.",
        )
    return _KINDS[platform][kind]


def platform_of(name: str, settings: Settings) -> Platform:
    """The limits of `name` as set. Raises InvalidInput for a platform that is not known."""
    kinds = (text_limits(name, "photo"), text_limits(name, "video"))
    titles = [kind.title for kind in kinds if kind.title is not None]
    return Platform(
        name,
        caption=min(kind.text for kind in kinds),
        title=min(titles) if titles else None,
        hashtags=settings.instagram_hashtags if name == "instagram" else TIKTOK_HASHTAGS,
    )


def limit_problems(platform: Platform, caption: str, title: str | None) -> list[str]:
    """Where a text breaks the platform's limits, one line each; empty means that it fits."""
    found: list[str] = []
    if (units := utf16_units(caption)) > platform.caption:
        found.append(f"the caption has {units:,} UTF-16 units, at most {platform.caption:,}")
    if (tags := count_hashtags(caption)) > platform.hashtags:
        found.append(f"the caption has {tags} hashtags, at most {platform.hashtags}")
    if platform.title is not None and (units := utf16_units(title or "")) > platform.title:
        found.append(f"the title has {units} UTF-16 units, at most {platform.title}")
    return found
