"""A sample's own options: which answers its texts offer, and the texts without them. Reads words, never the model.

Options are what follows a question: `a) ..; b) ..` in Latin or Cyrillic, `1. ..`, one option a line or an item,
"Варианты: да, нет", "красный, синий или зелёный?" after a colon, and "да" and "нет" where a question asks for no more
("Верно ли, что ..."). A list that is followed by the question is part of the passage; so is one in its prose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal, TypeAlias

from submission.option_patterns import (
    ASKS_MORE,
    ASKS_MORE_AT_ITS_END,
    BORDER,
    BRACKETED,
    BULLET,
    CHOOSING,
    COMMA_OR,
    CUE,
    DOTTED,
    DOTTED_IN_LINE,
    EITHER,
    ENDS_A_SENTENCE,
    EQUATION,
    LEAD,
    NUMBER_WITH_A_DOT,
    OR,
    OR_NOT,
    OTHER_TASK,
    PAUSE,
    SENTENCE_BORDER,
    SENTENCE_END,
    SIGNS,
    STATED_PAIRS,
    WHETHER,
    WHITE_SPACE,
)

OptionsForm: TypeAlias = Literal["marked", "listed", "alternatives", "yes or no"]

MOST_OPTIONS = 32
MOST_LISTS = 4  # in one sample
MOST_FAULTS_NAMED = 3
NEAR = 200  # characters on either side of "да или нет" that tell whether it is an instruction
MOST_WORDS_BESIDE_A_PAIR = 6
MOST_WORDS_BEHIND_A_QUESTION = 6
MOST_WORDS_OF_AN_UNMARKED_OPTION = 12
_LINE_MARKERS_NEEDED = 3
_CONNECTIVES = frozenset(("и", "или", "либо", "а также", "and", "or", "по", "-", "—", "–"))
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_CYRILLIC = "абвгдежзиклмнопрстуфхцчшщэюя"  # й, ё and the signs mark nothing
# Letters that look like Latin ones and are typed for them.
_LOOK_ALIKES = {"а": "a", "в": "b", "с": "c", "е": "e", "к": "k", "о": "o", "р": "p", "х": "x"}


@dataclass(frozen=True)
class Option:
    """One answer that a sample offers: how it is marked ("" where it is not), and its text."""

    marker: str
    text: str


@dataclass(frozen=True)
class AnswerOptions:
    """The options of a sample, at least one, all different; its texts without them, none empty.

    `cut` says what of the list is not among them, and why; empty where all of it is.
    """

    options: tuple[Option, ...]
    texts: tuple[str, ...]
    form: OptionsForm
    cut: str = ""


def find_options(texts: Sequence[str]) -> AnswerOptions | None:
    """Return the options that a sample's text items offer, or None where they offer none."""
    whole = joined(texts)
    return _marked(whole) or _listed(whole) or _alternatives(whole) or _stated_pair(whole) or _yes_or_no(whole)


def joined(texts: Sequence[str]) -> str:
    """Return the texts as one string: each run of white space one character, a line's end where it holds one.

    Between any two texts stands `BORDER`, next to no other white space; empty ones are left out.
    """
    return BORDER.join(filter(None, (WHITE_SPACE.sub(_single, text.strip()) for text in texts)))


def asked_question(texts: Sequence[str]) -> str:
    """Return the question that a sample's text items end with, or one of them; empty where there is none."""
    return _question(joined(texts))


def _single(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "


@dataclass(frozen=True)
class _Hit:
    """A marker in the text: where it and its option begin, and what it may count as, from 0."""

    start: int
    stop: int
    marker: str
    ranks: frozenset[int]


def _ranks(marker: str) -> frozenset[int]:
    if marker.isdigit():
        return frozenset((int(marker) - 1,))
    letter = marker.lower()
    places = (_LATIN.find(letter), _CYRILLIC.find(letter), _LATIN.find(_LOOK_ALIKES.get(letter, "-")))
    return frozenset(place for place in places if place >= 0)


def _hits(pattern: re.Pattern[str], whole: str) -> list[_Hit]:
    return [
        _Hit(match.start("open"), match.end(), match["marker"], _ranks(match["marker"]))
        for match in pattern.finditer(whole)
    ]


def _lists(hits: Sequence[_Hit]) -> list[list[_Hit]]:
    """Split markers into lists, which begin with a first marker that a second one follows; return the last few."""
    starts = {place for place, (one, other) in enumerate(pairwise(hits)) if 0 in one.ranks and other.ranks & {0, 1}}
    # "a) .. a) .. b)" is one list with a wrong marker, "a) .. b) .. a) .. b)" two.
    kept = sorted(place for place in starts if place - 1 not in starts)
    return [list(hits[place:stop]) for place, stop in pairwise([*kept, len(hits)][-MOST_LISTS - 1 :])]


def _marked(whole: str) -> AnswerOptions | None:
    """Options behind markers. Of several lists the last that is no passage's counts."""
    for pattern in (BRACKETED, DOTTED, DOTTED_IN_LINE):
        for hits in reversed(_lists(_hits(pattern, whole))):
            if pattern is DOTTED_IN_LINE and not _in_order(hits, _LINE_MARKERS_NEEDED):
                continue
            found = _marked_list(whole, hits, dotted=pattern is not BRACKETED, in_line=pattern is DOTTED_IN_LINE)
            if found is not None:
                return found
    lead = list(LEAD.finditer(whole))
    if lead:  # a single one, where it is said to be one
        alone = _hits(BRACKETED, whole[lead[-1].end() :])
        if len(alone) == 1 and not whole[lead[-1].end() : lead[-1].end() + alone[0].start].strip(" \n" + BORDER):
            hit = alone[0]
            shifted = _Hit(hit.start + lead[-1].end(), hit.stop + lead[-1].end(), hit.marker, hit.ranks)
            return _marked_list(whole, [shifted], dotted=False, in_line=False)
    return None


def _in_order(hits: Sequence[_Hit], least: int) -> bool:
    return len(hits) >= least and all(place in hit.ranks for place, hit in enumerate(hits))


def _marked_list(whole: str, hits: Sequence[_Hit], *, dotted: bool, in_line: bool) -> AnswerOptions | None:
    head, led = _without_lead(whole[: hits[0].start])
    stops = [hit.start for hit in hits[1:]]
    contents = [whole[hit.stop : stop] for hit, stop in zip(hits, [*stops, len(whole)], strict=True)]
    contents[-1], tail = _end_of_list(contents)
    if any(BORDER in content.strip(f" \n;,{BORDER}") for content in contents[:-1]):
        return None  # an item of another kind stands between the markers
    asks_again = "?" in tail and "?" not in head
    own_item = not head.strip() or head.rstrip(" \t").endswith(BORDER)
    if "?" in tail and not led and (dotted or not own_item or "?" in head or not _are_short(contents)):
        return None  # what is asked comes afterwards: the list is part of the passage
    if asks_again and not led and any(SENTENCE_BORDER.search(content) for content in contents):
        return None
    if not own_item and not led and not _invites(head, in_line):
        return None
    texts = [_trimmed(content) for content in contents]
    if any(text.lower() in _CONNECTIVES or text[:1] in tuple("+*/=") for text in texts):
        return None  # "на рисунках а) и б)", "(1) + (2) = x"
    entries = [(hit.marker, text) for hit, text in zip(hits, texts, strict=True)]
    contradiction = ""
    if not all(place in hit.ranks for place, hit in enumerate(hits)):
        if not led and not any(1 in hit.ranks for hit in hits):
            return None
        named = ", ".join(hit.marker for hit in hits[:MOST_OPTIONS])
        contradiction = f"the markers contradict each other ({named}): their order counts"
    return _options(entries, head, tail, "marked", contradiction)


def _without_lead(head: str) -> tuple[str, bool]:
    """The text in front of a list without "Варианты:" at its end, and whether there was one."""
    leads = list(LEAD.finditer(head))
    if leads and not head[leads[-1].end() :].strip(" \n\t-–—" + BORDER):
        return head[: leads[-1].start()], True
    return head, False


def _invites(head: str, in_line: bool) -> bool:
    """Whether a list in the middle of an item can be one of options: what stands before it asks for it."""
    item = head.rpartition(BORDER)[2].rstrip()
    if item.endswith(("?", ":")) or "?" in SENTENCE_END.split(item)[-1]:
        return "?" in head or bool(CHOOSING.search(head)) or _is_task(item)
    if in_line:
        return False
    if "\n" in head[len(head.rstrip(" \t")) - 1 :]:  # a line of its own
        return True
    return (item.endswith((".", "!", "…")) and ("?" in item or _is_task(item))) or _is_task(item)


def _is_task(item: str) -> bool:
    return bool(EQUATION.search(item) or CHOOSING.search(item)) and len(item.split()) <= 40


def _are_short(contents: Sequence[str]) -> bool:
    return all(
        len(content.split()) <= MOST_WORDS_OF_AN_UNMARKED_OPTION and not SENTENCE_BORDER.search(content.strip())
        for content in contents
    )


def _end_of_list(contents: Sequence[str]) -> tuple[str, str]:
    """Split the last option from what follows the list: another item, another line, or another sentence."""
    last = contents[-1]
    body = last.lstrip()
    offset = len(last) - len(body)
    borders = [body.find(BORDER)]
    if len(contents) > 1 and all(content.rstrip(" \t").endswith(("\n", BORDER)) for content in contents[:-1]):
        borders.append(body.find("\n"))  # one option a line: the list ends with its line
    elif not any(SENTENCE_BORDER.search(content.strip()) for content in contents[:-1]):
        sentence = SENTENCE_BORDER.search(body)
        borders.append(sentence.start() if sentence else -1)
    ends = [offset + border for border in borders if border >= 0]
    end = min(ends, default=len(last))
    return last[:end], last[end:]


def _trimmed(text: str) -> str:
    text = WHITE_SPACE.sub(" ", text).strip(" ;,|")
    if ENDS_A_SENTENCE.fullmatch(text[-4:]) or NUMBER_WITH_A_DOT.fullmatch(text):
        text = text[:-1]
    return text.strip()


def _listed(whole: str) -> AnswerOptions | None:
    """Options without markers: behind "Варианты:", or an item of its own behind a text that lets one choose."""
    leads = list(LEAD.finditer(whole))
    for lead in reversed(leads[-MOST_LISTS:]):
        head, rest = whole[: lead.start()], whole[lead.end() :]
        parts = _parts(rest.strip(" \n" + BORDER), commas=True)
        if parts is not None:
            return _options([("", part) for part in parts], head, "", "listed")
    if leads or ("?" not in whole and not CHOOSING.search(whole)):
        return None
    head, border, last = whole.rpartition(BORDER)
    parts = _parts(last, commas=False) if border else None
    if border and parts is None:
        parts, head = _items_of_options(whole)
    if parts is None or not CHOOSING.search(head) or "?" in "".join(parts):
        return None
    return _options([("", part) for part in parts], head, "", "listed")


def _items_of_options(whole: str) -> tuple[list[str] | None, str]:
    """The short items behind the last one that asks, where there are two or more."""
    items = whole.split(BORDER)
    asking = [place for place, item in enumerate(items) if item.rstrip().endswith(("?", ":"))]
    if not asking:
        return None, whole
    parts = [_trimmed(item) for item in items[asking[-1] + 1 :]]
    if (
        len(parts) < 2
        or not _are_short(parts)
        or any(item.rstrip().endswith((".", "!")) for item in items[asking[-1] + 1 :])
    ):
        return None, whole
    return parts, BORDER.join(items[: asking[-1] + 1])


def _parts(text: str, *, commas: bool) -> list[str] | None:
    """The parts of a list, by the strongest sign that separates any: lines, semicolons, bars, commas."""
    text = CUE.sub("", text) if commas else text
    for sign in (*SIGNS, *((COMMA_OR,) if commas else ())):
        parts = [_without_bullet(part.strip()) for part in sign.split(text)]
        parts = [_trimmed(part) for part in parts if part.strip(" .;,")]
        if len(parts) >= 2:
            return parts if _are_short(parts) else None
    return None


def _without_bullet(part: str) -> str:
    bullet = BULLET.match(part)
    return part[bullet.end() :] if bullet else part


def _alternatives(whole: str) -> AnswerOptions | None:
    """What a question lists behind its colon: "Что больше: 3 или 7?"."""
    _, colon, listed = _question(whole).removesuffix("?").rpartition(":")
    if not colon or "?" in listed or not OR.search(listed):
        return None
    parts = [_trimmed(part) for part in COMMA_OR.split(listed)]
    parts = [part for part in parts if part]
    if len(parts) < 2 or not _are_short(parts):
        return None
    return _options([("", part) for part in parts], whole, "", "alternatives")


def _stated_pair(whole: str) -> AnswerOptions | None:
    """ "Ответь да или нет.": the two answers stand in the text, outside of what could be a passage."""
    if _asks_more(whole):
        return None
    for pattern, pair in STATED_PAIRS:
        for match in islice(pattern.finditer(whole), MOST_LISTS):
            before = PAUSE.split(whole[max(0, match.start() - NEAR) : match.start()])[-1]
            after = PAUSE.split(whole[match.end() : match.end() + NEAR])[0]
            if len((before + after).split()) <= MOST_WORDS_BESIDE_A_PAIR:
                return _options([("", answer) for answer in pair], whole, "", "yes or no")
    return None


def _question(whole: str) -> str:
    """The question that the texts end with, or an item of them; empty if there is none."""
    question = ""
    for item in whole.split(BORDER):
        sentences = [sentence.strip() for sentence in SENTENCE_END.split(item.strip())]
        asking = [place for place, sentence in enumerate(sentences) if sentence.endswith("?")]
        # What follows in the item may say how to answer, not go on telling: a passage asks questions of its own.
        if asking and len(" ".join(sentences[asking[-1] + 1 :]).split()) <= MOST_WORDS_BEHIND_A_QUESTION:
            question = sentences[asking[-1]]
    return question


def _asks_more(whole: str) -> bool:
    """Whether yes or no would be no answer: the question has a word to be answered, or the last item sets a task."""
    question, last = _question(whole), whole.rpartition(BORDER)[2]
    asked = ASKS_MORE.match(question) or ASKS_MORE_AT_ITS_END.search(question)
    return bool(asked or ("?" not in last and OTHER_TASK.match(last)))


def _yes_or_no(whole: str) -> AnswerOptions | None:
    """The last question of the texts, where it asks for no more than yes or no."""
    question = _question(whole)
    alternative = EITHER.search(OR_NOT.sub("", question))
    whether = WHETHER.search(question) or OR_NOT.search(question)
    if whether is None or alternative or _asks_more(whole):
        return None
    return _options([("", "да"), ("", "нет")], whole, "", "yes or no")


def _options(
    entries: Sequence[tuple[str, str]], head: str, tail: str, form: OptionsForm, contradiction: str = ""
) -> AnswerOptions | None:
    """Put a list together: without what is empty, repeated or too much, which `cut` tells."""
    cut = [contradiction] if contradiction else []
    kept: dict[str, Option] = {}
    for place, (marker, text) in enumerate(entries):
        name = f"{marker})" if marker else f"number {place + 1}"
        if not text:
            cut.append(f"option {name} is empty")
        elif text.lower() in kept:
            cut.append(f"option {name} says what an earlier one does")
        elif len(kept) == MOST_OPTIONS:
            cut.append(f"only the first {MOST_OPTIONS} of {len(entries)} options count")
            break
        else:
            kept[text.lower()] = Option(marker, text)
    if not kept:
        return None
    left = [CUE.sub("", item).strip() for item in f"{head.rstrip(' ')}{tail}".split(BORDER)]
    return AnswerOptions(tuple(kept.values()), tuple(item for item in left if item), form, _told(cut))


def _told(cut: Sequence[str]) -> str:
    more = [f"and {len(cut) - MOST_FAULTS_NAMED} more"] if len(cut) > MOST_FAULTS_NAMED else []
    return "; ".join([*cut[:MOST_FAULTS_NAMED], *more])
