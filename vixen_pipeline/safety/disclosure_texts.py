"""The line that tells viewers that a piece is AI, per platform and language.

Belongs here: the words. Does not: the avatar's own disclosure (disclosure.py), platform AI flags,
where in a caption the line stands (content's platform rules). Every line passes
`disclosure.disclosure_problem`; a language that is not here gets English, never no line at all.
"""

from __future__ import annotations

from vixen_pipeline.errors import InvalidInput

FALLBACK_LANGUAGE = "en"
PLATFORMS = ("instagram", "tiktok")

# Each platform's readers know its own label by these words: Instagram's reads "AI info",
# TikTok's "AI-generated"; our line says the same beside it, so that a re-post keeps it.
_TEXTS: dict[str, dict[str, str]] = {
    "instagram": {
        "en": "Virtual creator · made with AI",
        "es": "Creadora virtual · imagen hecha con IA",
        "pt": "Criadora virtual · imagem feita com IA",
        "fr": "Créatrice virtuelle · image créée avec l'IA",
        "de": "Virtuelle Creatorin · mit KI erstellt",
        "it": "Creator virtuale · immagine creata con l'IA",
        "nl": "Virtuele creator · gemaakt met AI",
        "pl": "Wirtualna twórczyni · stworzone przez AI",
        "tr": "Sanal içerik üreticisi · yapay zeka ile yapıldı",
        "ru": "Виртуальный автор · создано с помощью ИИ",
        "zh": "虚拟创作者 · 由人工智能生成",
        "ja": "バーチャルクリエイター・AIで作成",
        "ko": "가상 크리에이터 · 인공지능으로 제작",
        "ar": "صانعة محتوى افتراضية · صُنع باستخدام الذكاء الاصطناعي",
        "hi": "वर्चुअल क्रिएटर · कृत्रिम बुद्धि (AI) से बनाया गया",
    },
    "tiktok": {
        "en": "AI-generated · virtual creator",
        "es": "Generado con IA · creadora virtual",
        "pt": "Gerado por IA · criadora virtual",
        "fr": "Généré par IA · créatrice virtuelle",
        "de": "KI-generiert · virtuelle Creatorin",
        "it": "Generato con IA · creator virtuale",
        "nl": "AI-gegenereerd · virtuele creator",
        "pl": "Wygenerowane przez AI · wirtualna twórczyni",
        "tr": "Yapay zeka ile üretildi · sanal içerik üreticisi",
        "ru": "Сгенерировано ИИ · виртуальный автор",
        "zh": "人工智能生成 · 虚拟创作者",
        "ja": "AI生成・バーチャルクリエイター",
        "ko": "인공지능 생성 · 가상 크리에이터",
        "ar": "مُنشأ بالذكاء الاصطناعي · صانعة محتوى افتراضية",
        "hi": "कृत्रिम बुद्धि (AI) से निर्मित · वर्चुअल क्रिएटर",
    },
}


def languages() -> tuple[str, ...]:
    """The languages with words of their own, as primary subtags of BCP 47."""
    return tuple(_TEXTS[PLATFORMS[0]])


def disclosure_text(platform: str, language: str) -> str:
    """The AI line for a piece on `platform` ("instagram", "tiktok").

    `language` is a BCP 47 tag or locale such as "pt-BR"; its primary subtag counts. Raises
    InvalidInput for a platform that is not known: no line would mean no disclosure.
    """
    if platform not in _TEXTS:
        raise InvalidInput(
            "platform",
            [f"{platform}: there is no disclosure text for it"],
            next_step=f"Known platforms: {', '.join(PLATFORMS)}.",
        )
    primary = language.replace("_", "-").split("-", 1)[0].strip().lower()
    texts = _TEXTS[platform]
    return texts.get(primary, texts[FALLBACK_LANGUAGE])
