"""The patterns by which the options in a sample's texts are recognised.

Texts come from strangers and are as long as they like: to read them takes time in proportion to their length. So white
space is one character wherever a pattern looks (`answer_options.joined`), and none gives back what it repeated without
a bound (`++`, `*+`).
"""

from __future__ import annotations

import re

# Item borders while the texts are one string; people's texts have no such character.
BORDER = "\x1e"


_MARKER = r"(?P<open>[(\[]?)(?P<marker>[a-zа-я]|\d{1,2})"
# "a)" may stand anywhere behind a space; "1)" in an equation may not, nor the end of "(x + 1)".
BRACKETED = re.compile(rf"(?:^|(?<=[\s;,.:?!\"«{BORDER}])){_MARKER}[)\]]\s?", re.IGNORECASE)
# "1." and "А." begin a line, an item, or what follows a semicolon: elsewhere they are dates, sums and initials.
DOTTED = re.compile(
    rf"(?:^|(?<=[\n;:?{BORDER}]))[ ]?(?P<open>)(?P<marker>[a-zа-я]|\d{{1,2}})[.:]\s(?=\S)", re.IGNORECASE
)
# In one line they are taken for a list only if there are three of them in order, behind a question or a colon.
DOTTED_IN_LINE = re.compile(r"(?:^|(?<=[\s;,?:]))(?P<open>)(?P<marker>[A-ZА-Я]|\d{1,2})[.]\s(?=\S)")

LEAD = re.compile(
    r"(?:(?:возможные|предложенные|предлагаемые)\s)?(?:варианты|вариант)(?:\s(?:ответа|ответов|на\sвыбор|для\sответа))?\s?:"
    r"|возможные\sответы\s?:"
    r"|(?:выбер[иу](?:те)?|выбирай(?:те)?)\s(?:один\s|одно\s|одну\s|ответ\s|правильный\s|верный\s|нужный\s|вариант\s)*+"
    r"(?:из|среди)(?:\s(?:вариантов|списка|предложенных|предложенного|следующих|следующего))*+\s?:"
    rf"|(?:варианты|вариант|возможные)\s(?:ответа|ответов|ответы)\s?(?=[\n{BORDER}])"
    rf"|варианты\s?(?=[\n{BORDER}])",
    re.IGNORECASE,
)
CHOOSING = re.compile(
    r"\bвыбер|\bвариант|\bкак(?:ой|ая|ое|ие)\sиз\b|\b(?:что|кто)\sиз\b|\b(?:верн|правильн)\w++\s(?:ответ|описан|подпис)",
    re.IGNORECASE,
)
CUE = re.compile(r"\s?(?:правильный\s|верный\s|твой\s|ваш\s)?ответ\s?:?\s?$", re.IGNORECASE)
SENTENCE_BORDER = re.compile(r"(?<=[.!?…])\s(?=[А-ЯЁA-Z«\"])")
SENTENCE_END = re.compile(rf"(?<=[.!?…])\s|[\n{BORDER}]")

# "Верно ли", "Есть ли", "правда ли, что": the particle stands behind the word that is asked about, early on.
WHETHER = re.compile(r"(?:^|[\s,«(])[\w-]++\sли\b", re.IGNORECASE)
OR_NOT = re.compile(r"\bили\sнет\b", re.IGNORECASE)
_QUESTION_WORD = (
    r"(?:кто|что|где|когда|куда|откуда|почему|отчего|зачем|сколько|скольк\w++|насколько|каков\w{,2}|как(?!\s(?:[тв]ы\sдума|по-))|"
    r"как(?:ой|ая|ое|ие|ого|ому|ую|им|ими|ом|их)|чей|чья|чьё|чье|чью|чьи|чьих|чем|чём|чего|чему|кого|кому|кем|ком|"
    r"котор\w{2,3})\b(?!-)"
)
# "Кто сказал?", "А в каком городе?", "Иван живёт где?"
ASKS_MORE = re.compile(
    r"\W*+(?:(?:а|и|но|так|ну)\s)?(?:(?:во?|на|из|из-за|ко?|со?|об?|обо|по|от|за|у|для|до|под|над|перед|при|без|после|около|"
    rf"через|между|против|про)\s)?{_QUESTION_WORD}",
    re.IGNORECASE,
)
ASKS_MORE_AT_ITS_END = re.compile(rf"[^,]\s{_QUESTION_WORD}\W*+$", re.IGNORECASE)
# What asks for something else than yes or no without a question mark.
OTHER_TASK = re.compile(
    r"\W*+(?:назови|опиши|перечисли|объясни|поясни|расскажи|перескажи|найди|вычисли|посчитай|сосчитай|переведи|нарисуй|"
    r"придумай|сгенерируй|изобрази)(?:те)?\b",
    re.IGNORECASE,
)
STATED_PAIRS: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = tuple(
    (re.compile(rf"\b{one}\s?(?:или|либо|/|,)\s?{other}\b", re.IGNORECASE), (one, other))
    for one, other in (
        ("да", "нет"),
        ("верно", "неверно"),
        ("правда", "ложь"),
        ("истина", "ложь"),
        ("истинно", "ложно"),
    )
)
PAUSE = re.compile(rf"[.!?…\n{BORDER}]")
OR = re.compile(r"\s(?:или|либо)\s", re.IGNORECASE)
COMMA_OR = re.compile(rf",|{OR.pattern}", re.IGNORECASE)
WHITE_SPACE = re.compile(r"\s++")
# The signs between the parts of a list without markers, the strongest first; commas only where it is said to be one.
SIGNS = tuple(map(re.compile, (rf"[\n{BORDER}]", ";", r"\s/\s|\|")))
BULLET = re.compile(r"(?:[-–—•*]|(?:или|либо)\b)\s?")
ENDS_A_SENTENCE = re.compile(r"[\w)»\"]{3}\.")  # which is none of an option's; the dot of "1990 г." is
NUMBER_WITH_A_DOT = re.compile(r"-?\d++\.")
EITHER = re.compile(r"\b(?:или|либо)\b", re.IGNORECASE)
EQUATION = re.compile(r"\d\s?[-+*/=:]|=\s?-?\d|\b(?:найди|реши|вычисли|сколько|плюс|минус)\w*+", re.IGNORECASE)
