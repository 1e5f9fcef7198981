"""Further languages of the sandbox's copywriter, with fewer patterns each.

Belongs here: data tables only. Does not: English, German, Portuguese (text_copy_words).
"""

from __future__ import annotations

from vixen_pipeline.sandbox.text_copy_words import Bank

MORE: dict[str, Bank] = {
    "es": Bank(
        hooks=(
            "¿Qué aprendes en diez minutos de {scene}?",
            "Casi lo dejo para mañana: {scene}.",
            "Tres cosas que noté aquí ({place})",
            "¿Por qué no empezar hoy con {subject}?",
        ),
        moments=(
            "Hoy llegué antes que mis excusas, y eso no es lo normal ({place}).",
            "Hay una hora en la que todo está en silencio, y ahí empezó: {scene}.",
            "Vine por {subject} y me quedé por la calma del lugar.",
            "Salí tarde, olvidé el plan y encontré uno mejor: {scene}, {place}.",
        ),
        details=(
            "Lo que ayuda: dejarlo todo listo la noche antes, para que solo falte empezar.",
            "El truco es siempre el mismo: la mitad del plan y el doble de paciencia.",
            "Si estás empezando con {subject}, apunta lo que te resultó fácil.",
            "Paro cuando todavía va bien, para que mañana tenga por dónde empezar.",
        ),
        turns=(
            "El objetivo es el mismo, lo que cambia cada día es el camino.",
            "Nada heroico, solo un pequeño paso más para {subject}.",
            "No fue perfecto, y lo haría otra vez antes de la cena.",
            "Parece poco, y fue poco, pero contó.",
        ),
        calls=(
            "¿Qué harías tú primero aquí?",
            "Cuéntame tu victoria más pequeña con {subject}.",
            "¿Prefieres empezar temprano o terminar tarde?",
            "Pruébalo diez minutos hoy y dime cómo te fue.",
        ),
    ),
    "fr": Bank(
        hooks=(
            "Que vous apprennent dix minutes de {scene} ?",
            "J'ai failli remettre ça à demain : {scene}.",
            "Trois choses que j'ai vues ici ({place})",
            "Et si on commençait aujourd'hui avec {subject} ?",
        ),
        moments=(
            "Je suis arrivée avant mes excuses, et ce n'est pas si courant ({place}).",
            "Il y a une heure où tout est calme, et c'est là que ça a commencé : {scene}.",
            "Je suis là pour {subject} et je reste pour le silence.",
            "Un départ en retard, un plan oublié, et un meilleur sur place : {scene}, {place}.",
        ),
        details=(
            "Ce qui aide : tout préparer la veille, pour ne plus avoir qu'à commencer.",
            "Le secret est toujours le même : la moitié du plan et le double de patience.",
            "Pour qui débute avec {subject} : notez ce qui est facile, c'est ce qui reste.",
            "Je m'arrête quand ça va encore bien, pour que demain ait un début.",
        ),
        turns=(
            "Le but est le même, c'est le chemin qui change tous les jours.",
            "Rien de grand, juste un petit pas de plus pour {subject}.",
            "Ce n'est pas parfait, et je le referais avant le dîner.",
            "C'est peu, mais ça compte, et demain il y aura la suite.",
        ),
        calls=(
            "Que feriez-vous en premier ici ?",
            "Racontez-moi votre plus petite victoire avec {subject}.",
            "Vous préférez commencer tôt ou finir tard ?",
            "Essayez dix minutes aujourd'hui et dites-moi comment c'était.",
        ),
    ),
    "it": Bank(
        hooks=(
            "Che cosa ti insegnano dieci minuti di {scene}?",
            "Oggi stavo per rimandare: {scene}.",
            "Tre cose che ho notato qui ({place})",
            "Perché non cominciare oggi con {subject}?",
        ),
        moments=(
            "Oggi sono arrivata prima delle mie scuse, e non è una cosa da poco ({place}).",
            "C'è un'ora in cui tutto è fermo, ed è lì che è cominciata: {scene}.",
            "Sono qui per {subject} e resto per il silenzio del posto.",
            "Tardi, senza il piano, ma con uno migliore: {scene}, {place}.",
        ),
        details=(
            "Quello che aiuta: preparare tutto la sera prima, e poi non resta che cominciare.",
            "Il segreto è sempre lo stesso: metà del piano e il doppio della pazienza.",
            "Se sei all'inizio con {subject}, scrivi le cose che ti sono venute facili.",
            "Mi fermo quando va ancora bene, così domani ho da dove cominciare.",
        ),
        turns=(
            "Lo scopo non è cambiato, è la strada che cambia ogni giorno.",
            "Niente di eroico, solo un altro piccolo passo per {subject}.",
            "Non è perfetto, e lo rifarei prima di cena.",
            "Sembra poco, ed è poco, ma conta.",
        ),
        calls=(
            "Che cosa faresti per prima qui?",
            "Raccontami la tua vittoria più piccola con {subject}.",
            "Meglio cominciare presto o finire tardi?",
            "Prova dieci minuti oggi e dimmi come è andata.",
        ),
    ),
    "nl": Bank(
        hooks=(
            "Wat leer je van tien minuten {scene}?",
            "Vandaag had ik het bijna niet gedaan: {scene}.",
            "Drie dingen die ik hier zag ({place})",
            "Waarom niet vandaag met {subject} beginnen?",
        ),
        moments=(
            "Ik was er eerder dan mijn smoesjes, en dat is niet elke dag zo ({place}).",
            "Er is een uur dat het stil is, en daar begon het vandaag: {scene}.",
            "Ik kwam voor {subject} en bleef voor de rust van de plek.",
            "Te laat weg, het plan vergeten en een beter gevonden: {scene}, {place}.",
        ),
        details=(
            "Wat helpt: alles op de avond ervoor klaarleggen, dan hoef je niet meer te zoeken.",
            "De truc is het plan te halveren en het geduld te verdubbelen.",
            "Ben je net met {subject} begonnen, schrijf dan op wat er makkelijk was.",
            "Ik stop als het nog goed gaat, dan is er morgen een begin.",
        ),
        turns=(
            "Het doel is nog het zelfde, maar de weg is elke dag anders.",
            "Niet groot, maar een kleine stap meer voor {subject}.",
            "Het was niet perfect, en ik zou het voor het eten nog een keer doen.",
            "Dat is niet veel, maar het telt, en morgen is er meer.",
        ),
        calls=(
            "Wat zou je hier als eerste doen?",
            "Vertel me je kleinste succes met {subject}.",
            "Begin je liever vroeg of stop je liever laat?",
            "Probeer het vandaag tien minuten en vertel hoe het was.",
        ),
    ),
    "ja": Bank(
        hooks=(
            "十分間で何が学べると思いますか？（{scene}）",
            "今日は危うくやめるところでした（{scene}）",
            "ここで気づいた三つのこと（{place}）",
            "{subject}を明日まで待つ理由はありますか？",
            "十二日目で、初めて楽に感じました（{scene}）",
        ),
        moments=(
            "今日は言い訳より先に着きました。こんな朝は珍しいので、ゆっくり楽しみます（{place}）。",
            "誰もいない静かな時間があって、今日はそこから始まりました。{scene}です。",
            "予定を忘れて出かけたら、もっといい予定が見つかりました。{place}で{scene}です。",
            "{subject}のために来て、静けさが気に入って長居をしてしまいました。",
            "二人の人に何をしているのかと聞かれました。{scene}ですと答えました。",
        ),
        details=(
            "前の晩に全部用意しておくと、朝は始めるだけで済みます。",
            "こつはいつも同じで、計画を半分に、忍耐を二倍にすることです。",
            "うまくいっているうちにやめると、明日の始まりが楽になります。",
            "{subject}を始めたばかりなら、簡単だったことを書いておくといいですよ。",
            "急いだ一時間より、ゆっくりした十分のほうがずっと役に立ちました。",
        ),
        turns=(
            "目標は変わりません。変わるのは毎日の道だけです。",
            "大したことではないけれど、{subject}への小さな一歩にはなりました。",
            "完璧ではなくても、夕食の前にもう一度やりたいくらいです。",
            "少しだけに聞こえるし、本当に少しだけでしたが、それで十分です。",
            "明日はまた{subject}です。今日はこれで満足しています。",
        ),
        calls=(
            "あなたなら{place}で最初に何をしますか？",
            "今日は十分だけ試して、感想を教えてください。",
            "早く始めるのと遅くまで続けるのと、どちらが好きですか？",
            "{subject}での一番小さな成功を教えてください。",
            "こんな日のための決まりはありますか？",
        ),
    ),
}
