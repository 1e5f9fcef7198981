"""Text made fit for captions: whatever comes in, what goes out is clean, whole and short enough."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vixen_pipeline.content.caption_compose import compose
from vixen_pipeline.content.caption_text import (
    ELLIPSIS,
    clean,
    clusters,
    count_hashtags,
    cut,
    hashtag,
    hashtags,
    utf16_units,
)
from vixen_pipeline.content.platforms import Platform, limit_problems, text_limits
from vixen_pipeline.errors import InvalidInput
from vixen_pipeline.safety.disclosure_texts import disclosure_text

FAMILY = "👨‍👩‍👧‍👦"
NASTY = st.sampled_from([
    FAMILY, "👩🏽‍🚀", "🏳️‍🌈", "🇵🇹", "🇵", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e"
    "\U000e0067\U000e007f", "e\u0301\u0301\u0301", "\u202e", "\u2066", "\u200d", "\ufe0f", "\x00",
    "\x1b[31m", "\ud83d", "\udc00", "שלום", "مرحبا", "नमस्ते", "ก็", "한글", "\u200b", "\ufeff", " ",
    "\r\n", "\u2028", "#tag", "＃日本", "word", "@who", "\U000e0041", "\ue000", "\ufdd0", "…",
    "a" * 90,
])  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=300), st.lists(NASTY, max_size=120).map("".join),
    st.lists(st.one_of(NASTY, st.text(max_size=5)), max_size=80).map("".join),
)  # fmt: skip
INSTAGRAM = Platform("instagram", 2200, None, 5)
TIKTOK = Platform("tiktok", 2200, 90, 5)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_cleaned_text_can_be_stored_shown_and_cleaned_again(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")  # no lone surrogates
    for character in cleaned:
        assert unicodedata.category(character) not in ("Cs", "Co") and character != "\x00"
        assert character == "\n" or unicodedata.category(character) != "Cc"
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff") & set(
        cleaned
    )


@given(TEXTS, st.integers(0, 120))
@settings(max_examples=300, deadline=None)
def test_a_cut_text_fits_and_takes_no_cluster_apart(text: str, units: int) -> None:
    text = clean(text)
    short = cut(text, units)
    assert utf16_units(short) <= units
    if short != text:
        kept = list(clusters(short.removesuffix(ELLIPSIS)))
        assert kept == list(clusters(text))[: len(kept)]


@given(hook=TEXTS, body=TEXTS, call=TEXTS, tags=st.lists(TEXTS, max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_caption_always_keeps_to_its_limits_with_tags_and_the_ai_line_whole(
    hook: str, body: str, call: str, tags: list[str]
) -> None:
    for platform in (INSTAGRAM, TIKTOK):
        made = compose(platform, "de-DE", hook=hook, body=body * 9, call_to_action=call, tags=tags)
        assert limit_problems(platform, made.caption, made.title) == []
        line = disclosure_text(platform.name, "de-DE")
        assert made.caption.endswith(line)
        if made.hashtags:
            assert made.caption.endswith("\n".join((" ".join(made.hashtags), line)))
        assert count_hashtags(made.caption) == len(made.hashtags) <= platform.hashtags


def test_ten_thousand_emoji_are_cut_between_families() -> None:
    made = compose(
        TIKTOK, "en", hook=FAMILY * 10_000, body=FAMILY * 10_000, call_to_action="", tags=[]
    )
    assert utf16_units(made.caption) <= 2200
    assert utf16_units(made.title or "") <= 90
    assert set(clusters(made.body.removesuffix(ELLIPSIS))) == {FAMILY}


def test_a_tower_of_marks_and_a_chain_of_joiners_are_taken_down() -> None:
    assert len(clean("e" + "\u0301" * 10_000)) <= 8
    assert clean("👨" + "‍👨" * 10_000) == "", "one cluster of twenty thousand code points"
    assert clean("a" + "\u200d" * 10_000 + "b") == "a\u200db"


def test_a_cut_ends_after_a_word_where_words_are_parted() -> None:
    assert cut("One small rule I keep in the garage", 20) == "One small rule I…"
    assert cut("今日は言い訳より先に着きました", 8) == "今日は言い訳よ…"
    assert cut("anything", 0) == ""


def test_hashtags_are_made_usable_or_left_out() -> None:
    assert hashtag("trail running") == "#trailrunning"
    assert hashtag("##Krafttraining") == "#Krafttraining"
    assert hashtag("#१२") is None
    assert hashtag("2026") is None
    assert hashtag("a/b") is None
    assert hashtag("x" * 61) is None
    assert hashtags(["Gym", "#gym", "  ", "tide tables", "हिन्दी"], 2) == ["#Gym", "#tidetables"]


def test_hashtags_inside_the_words_become_words() -> None:
    made = compose(
        INSTAGRAM,
        "en",
        hook="#Gym time",
        body="We love ＃海 and #hills",
        call_to_action="",
        tags=["a"],
    )
    assert made.words == "Gym time\nWe love 海 and hills"
    assert count_hashtags(made.caption) == 1


def test_the_limits_are_those_of_the_kind_of_post() -> None:
    assert (text_limits("tiktok", "photo").title, text_limits("tiktok", "photo").text) == (90, 4000)
    assert (text_limits("tiktok", "video").title, text_limits("tiktok", "video").text) == (
        None,
        2200,
    )
    assert text_limits("instagram", "photo").text == 2200
    with pytest.raises(InvalidInput, match="platform"):
        text_limits("myspace", "photo")


def test_a_text_over_the_limit_is_named_with_its_size() -> None:
    assert limit_problems(INSTAGRAM, "😀" * 1101, None) == [
        "the caption has 2,202 UTF-16 units, at most 2,200"
    ]
    assert "6 hashtags" in limit_problems(INSTAGRAM, "#a #b #c #d #e #f", None)[0]
    assert "the title has 91" in limit_problems(TIKTOK, "fine", "x" * 91)[0]
