"""Sentence patterns of captions in several languages: what the sandbox's copywriter says.

Belongs here: data tables only, fit for all readers, nothing about looks, no promises. Does not:
choosing or filling them (text_copy). Slots: {scene}, {place}, {outfit}, {light} of the picture;
{topic}, {trait}, {goal} of the persona in English, {subject} its niche or topic in any language.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bank:
    """The patterns of one language: a body is one of each of the three parts."""

    hooks: tuple[str, ...]
    moments: tuple[str, ...]
    details: tuple[str, ...]
    turns: tuple[str, ...]
    calls: tuple[str, ...]


BANKS: dict[str, Bank] = {
    "en": Bank(
        hooks=(
            "What does {scene} teach you in ten minutes?",
            "I nearly skipped {scene} today.",
            "Three things I noticed in the {place}",
            "Nobody warned me about {topic} before breakfast.",
            "Would you trade your lunch break for {scene}?",
            "The {trait} way into {topic}",
            "Day 12 of {scene}, and the first one that felt easy",
            "My worst idea this week: the {outfit}.",
            "How long can you put off {topic}?",
            "One small rule I keep in the {place}",
        ),
        moments=(
            "It was {scene} in the {place} again, and for once I arrived before my excuses did.",
            "There is an hour when the {place} belongs to nobody, and that is where this began.",
            "I came for {topic} and stayed for {scene}.",
            "Started late, wore the {outfit}, forgot the plan, found a better one.",
            "The {light} did half of the work today; {scene} did the rest.",
            "Two people asked what I was doing in the {place}. Fair question.",
            "I promised myself one round of {scene} and not a minute more.",
            "Some mornings {topic} feels like a chore, and then the {place} goes quiet.",
        ),
        details=(
            "What helps: lay everything out the night before, so that only {scene} is left.",
            "The trick I keep relearning is to halve the plan and double the patience.",
            "If you are new to {topic}, write down what was easy. Nobody ever does.",
            "I count to eight, breathe out on four, and let the rest be {trait}.",
            "The {outfit} has one job, which is not to be thought about.",
            "A notebook in the {place} beats an app: it never asks how I feel.",
            "I stop while it is still going well, so that tomorrow has somewhere to begin.",
            "Ten slow minutes of {scene} were worth more than last week's rushed hour.",
        ),
        turns=(
            "The aim has not changed: {goal}. The route changes daily.",
            "Nothing heroic, only one more small vote for {topic}.",
            "It was not perfect, and I would do it again before dinner.",
            "Somewhere in there it stopped being practice and turned into the good part.",
            "I will take {trait} over impressive any day of the week.",
            "If that sounds like little, it was, and it counted.",
            "Next time I bring tea and somebody who laughs at {topic}.",
            "Tomorrow there may be {topic} again. Today this was enough.",
        ),
        calls=(
            "What would you do first in the {place}?",
            "Tell me your smallest win with {topic}.",
            "Would you rather start early or finish late?",
            "Try ten minutes of it today and tell me how it went.",
            "Which part would you skip: the start or the end?",
            "What is your rule for days like this?",
            "Send this to the person who always joins late.",
            "Save it for the next slow afternoon.",
        ),
    ),
    "de": Bank(
        hooks=(
            "Was lernst du beim Thema {scene} in zehn Minuten?",
            "Heute wollte ich es fast auslassen: {scene}.",
            "Drei Dinge, die mir hier aufgefallen sind ({place})",
            "Warum mit {subject} nicht bis morgen warten?",
            "Eine kleine Regel, die ich mir für {scene} gemacht habe",
            "Tag 12, und zum ersten Mal war es leicht",
        ),
        moments=(
            "Ich war früher da als meine Ausreden, und das ist selten genug ({place}).",
            "Es gibt eine Stunde, in der alles still ist, und genau da fing es heute an: {scene}.",
            "Ich bin wegen {subject} gekommen und wegen der Ruhe geblieben.",
            "Zu spät los, den Plan vergessen und einen besseren gefunden: {scene}, {place}.",
            "Zwei Leute haben gefragt, was ich da mache. Eine gute Frage bei {scene}.",
        ),
        details=(
            "Was hilft: alles am Abend bereitlegen, dann bleibt am Morgen nur noch das Anfangen.",
            "Der Trick ist immer der gleiche: den Plan halbieren und die Geduld verdoppeln.",
            "Wer mit {subject} neu anfängt, sollte aufschreiben, was leicht war.",
            "Ich höre auf, wenn es noch gut läuft, damit der nächste Tag einen Anfang hat.",
            "Zehn langsame Minuten waren mehr wert als die eilige Stunde von letzter Woche.",
        ),
        turns=(
            "Das Ziel ist noch das gleiche, nur der Weg ändert sich jeden Tag.",
            "Nichts Großes, aber ein kleiner Schritt mehr für {subject}.",
            "Es war nicht perfekt, und ich würde es vor dem Abendessen noch einmal machen.",
            "Das klingt nach wenig, und es war wenig, aber es hat gezählt.",
            "Morgen wieder mit {subject}, heute war das hier genug.",
        ),
        calls=(
            "Was würdest du hier zuerst machen?",
            "Erzähl mir von deinem kleinsten Erfolg mit {subject}.",
            "Lieber früh anfangen oder spät aufhören?",
            "Probier es heute zehn Minuten aus und sag mir, wie es war.",
            "Welche Regel hast du für solche Tage?",
        ),
    ),
    "pt": Bank(
        hooks=(
            "O que você aprende em dez minutos de {scene}?",
            "Quase deixei para amanhã: {scene}.",
            "Três coisas que notei aqui ({place})",
            "Por que não começar hoje com {subject}?",
            "Uma pequena regra que eu sigo para {scene}",
            "Dia 12, e foi a primeira vez que pareceu fácil",
        ),
        moments=(
            "Hoje cheguei antes das minhas desculpas, e isso não é comum ({place}).",
            "Há uma hora em que tudo fica quieto, e foi aí que começou: {scene}.",
            "Eu vim por causa de {subject} e fiquei por causa do silêncio.",
            "Saí tarde, esqueci o plano e encontrei um melhor: {scene}, {place}.",
            "Duas pessoas me perguntaram o que eu estava fazendo. Boa pergunta para {scene}.",
        ),
        details=(
            "O que ajuda: deixar tudo pronto na noite anterior, para só faltar começar.",
            "O segredo é sempre o mesmo: cortar o plano pela metade e dobrar a paciência.",
            "Se você está começando com {subject}, anote o que foi fácil.",
            "Eu paro quando ainda está bom, para que amanhã tenha por onde começar.",
            "Dez minutos com calma valeram mais do que a hora corrida da semana passada.",
        ),
        turns=(
            "O objetivo não mudou, só o caminho muda a cada dia.",
            "Nada heroico, só mais um pequeno passo para {subject}.",
            "Não foi perfeito, e eu faria tudo outra vez antes do jantar.",
            "Parece pouco, e foi pouco, mas contou.",
            "Amanhã tem mais {subject}, hoje isso foi o bastante.",
        ),
        calls=(
            "O que você faria primeiro aqui?",
            "Me conta a sua menor vitória com {subject}.",
            "Você prefere começar cedo ou terminar tarde?",
            "Experimenta dez minutos hoje e me conta como foi.",
            "Qual é a sua regra para dias como este?",
        ),
    ),
}
