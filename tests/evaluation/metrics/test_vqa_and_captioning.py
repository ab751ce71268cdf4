"""VisualQA and captioning: the rules of mode strict, notes, and the metrics as a whole."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pymorphy3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import captioning, normalisation, stems, vqa
from evaluation.metrics.captioning import Captioning
from evaluation.metrics.errors import AttemptAbortedError, NothingToScoreError
from evaluation.metrics.meteor_tasks import TextComparison, score_official
from evaluation.metrics.vqa import VisualQA
from evaluation.metrics.wordnet import NO_WORDNET, WordNet, WordNetError, load_wordnet
from tests.evaluation.metrics.cases import GOLDEN, case
from tests.evaluation.metrics.fake_clip import FakeClip
from tests.evaluation.metrics.picture_cases import image, picture_cases, text

STUB = load_wordnet(GOLDEN / "wordnet_stub.db")


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Красной машины!", "красная машина", 1.0),
        ("машина красная", "красная машина", 1.0),
        ("ярко-жёлтый", "ярко желтый", 1.0),
        ("кот,собака", "кот собака", 1.0),
        ("«кот»", "кот", 1.0),
        ("кошка", "кот", 1.0),  # one synset
        ("кот", "животное", 0.0),  # a hypernym is no synonym
        ("", "кот", 0.0),
        ("", "", 0.0),
        # numbers
        ("три кошки", "3", 1.0),
        ("двадцать пять", "25", 1.0),
        ("twenty five", "25", 1.0),
        ("three", "three", 1.0),
        ("около трёх", "3", 1.0),
        ("4", "3", 0.75),
        ("-5", "5", 0.0),
        ("−5", "-5", 1.0),
        ("-4", "-5", 0.8),
        ("минус пять", "-5", 1.0),
        ("2,5", "25", 0.1),
        ("2.5", "2,5", 1.0),
        ("0", "ноль", 1.0),
        ("0", "5", 0.0),
        ("ни одного", "пять", 0.2),
        ("много", "5", 0.0),
        ("½", "½", 1.0),
        ("½", "0,5", 1.0),
        ("4 кошки", "3 кошки", 0.875),
        ("кошки: 4", "3 кошки", 0.875),
        ("2 кота и 4 собаки", "2 кота и 2 собаки", 0.9),
        ("кошки", "3 кошки", 5 / 9.5),
        ("12", "красный", 0.0),
    ],
)
def test_visual_answers_by_the_rules(answer: str, reference: str, score: float) -> None:
    assert vqa.strict_comparison(answer, reference, STUB).score == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("Кот", "кот", 1.0),
        ("На окне сидит кот.", "Кот сидит на окне", 1.0),
        ("в лесу", "в лесу в доме", 5 / 9.5),
        ("кот, собака и ёж", "кот,собака и еж", 1.0),
        ("поезд старый у платформы", "поезд {старый} у платформы", 1.0),
        ("пять птиц на ветке", "5 птиц на ветке", 1.0),
        ("three birds", "3 birds", 1.0),
        ("кошка спит", "кот спит", 1.0),
        ("", "кот", 0.0),
    ],
)
def test_captions_by_the_rules(answer: str, reference: str, score: float) -> None:
    assert captioning.strict_comparison(answer, reference, STUB).score == pytest.approx(score)


WORDS = st.lists(st.sampled_from(["кот", "собаку", "дома", "3", "пять", "-2,5", "three", "½", "!"]), max_size=6)


@given(WORDS, WORDS)
def test_scores_by_the_rules_lie_between_0_and_1(answer: list[str], reference: list[str]) -> None:
    for module in (vqa, captioning):
        assert 0 <= module.strict_comparison(" ".join(answer), " ".join(reference), STUB).score <= 1 + 1e-12


@given(WORDS.filter(lambda words: any(word != "!" for word in words)))
def test_an_answer_equal_to_its_reference_is_right(words: list[str]) -> None:
    for module in (vqa, captioning):
        assert module.strict_comparison(" ".join(words), " ".join(words), STUB).score == pytest.approx(1)


@pytest.mark.parametrize("module", [vqa, captioning])
def test_references_by_the_rules(module: Any) -> None:
    cases = [case(["кот", "пёс"], "Пса"), case("кот", "кот", "пёс"), case("кот", "пёс", "кот"), case(["кот"])]
    scores, notes = module.score_cases(cases, "strict", NO_WORDNET)
    assert scores == pytest.approx([1, 1, 0, 0])
    assert [note.message for note in notes] == ["the answer has no item of type text: scored as an empty text"]


STRUCK = [
    # module, answer, references, defects that strike
    (vqa, "синяя", ["синий"], set()),
    (vqa, "серая кошка", ["кошка"], {11, 16}),  # its lemma ends in кошко, whose Russian stem is right
    (vqa, "три кошки", ["3 кошки"], {11}),
    (vqa, "кот,собака", ["кот собака"], {7}),
    (vqa, "двадцать", ["20"], {9}),
    (vqa, "-5", ["5"], {12}),
    (vqa, "2.0", ["2"], {7, 12}),
    (vqa, "кот", ["животное"], {15}),
    (vqa, "кошка", ["кот"], {15}),
    (vqa, "кошечные", ["кошечная"], set()),
    (vqa, "кот", "кот", {5}),
    (captioning, "кот", ["дом"], set()),
    (captioning, "кот", ["кот"], {13}),
    (captioning, "в лесу", ["в лесу в доме"], {13, 14}),
    (captioning, "кошка", ["кот"], {15}),
    (captioning, "кот,собака", ["кот, собака"], {6}),
    (captioning, "", ["кот"], set()),
]


@pytest.mark.parametrize(("module", "answer", "references", "defects"), STRUCK)
def test_a_warning_names_each_defect_that_changed_the_score(
    module: Any, answer: str, references: list[str] | str, defects: set[int]
) -> None:
    _, notes = module.score_cases([case(references, answer)], "official", STUB)
    assert {note.defect for note in notes} == defects


@pytest.mark.parametrize("module", [vqa, captioning])
def test_an_answer_without_items_is_0_and_named(module: Any) -> None:
    scores, notes = module.score_cases([case(["кот"], "кот"), case(["кот"], sample_id="1")], "official", STUB)
    assert scores[1] == 0
    assert [(note.sample_id, note.defect) for note in notes if note.defect != 13] == [("1", 2)]


def test_a_reference_that_is_an_empty_string_scores_0() -> None:
    scores, notes = vqa.score_cases([case("", "кот")], "official", STUB)
    assert (scores, [note.defect for note in notes]) == ([0.0], [5])


def test_lemmas_and_stems_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    analyzer = normalisation._analyzer()

    class Counting:
        def parse(self, word: str) -> Any:
            asked.append(word)
            return analyzer.parse(word)

    monkeypatch.setattr(normalisation, "_analyzer", Counting)
    cases = [case(["невиданные слова", "небывалая строка"], "невиданная строка", sample_id=str(i)) for i in range(50)]
    for mode in ("official", "strict"):
        vqa.score_cases(cases, mode, STUB)
    assert len(asked) == len(set(asked)) < 12
    stems.nltk_stem.cache_clear()
    captioning.score_cases(cases, "official", STUB)
    assert stems.nltk_stem.cache_info().misses < 12


@pytest.mark.parametrize(
    ("phrase", "lemma"),
    [
        ("серая кошка", "серая кошко"),
        ("на окне", "на окно"),  # a word of the dictionary behind a few letters
        ("за красными домами", "за красными дом"),  # a known prefix
        ("2 кота", "2 кот"),
    ],
)
def test_a_string_of_russian_words_is_one_word(phrase: str, lemma: str) -> None:
    assert normalisation.lemma(phrase) == lemma


def test_a_word_without_lemma_stops_no_notes() -> None:
    scores, _ = vqa.score_cases([case(["kот"], "kот", sample_id="0")], "official", STUB)
    beside, _ = vqa.score_cases([case(["kот", "слово \U00017000пять"], "kот", sample_id="0")], "official", STUB)
    assert scores == beside == [1.0]


def test_of_equally_good_references_the_first_counts() -> None:
    scores = {"дом": 0.2, "кот": 0.6, "пёс": 0.6}

    def compare(_answer: str, reference: str) -> TextComparison:
        return TextComparison(scores[reference], "", reference, (), (), None)

    found = score_official([case(list(scores), "кот")], compare, lambda *one: [(1, one[2].reference_form)], str)
    assert (found[0], [note.message for note in found[1]]) == ([0.6], ["кот"])


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_the_best_reference_counts(answer: list[str], references: list[list[str]]) -> None:
    texts = [" ".join(words) for words in references]
    for module in (vqa, captioning):
        for mode, compare in (("official", module.official_comparison), ("strict", module.strict_comparison)):
            scores, _ = module.score_cases([case(texts, " ".join(answer))], mode, STUB)
            assert scores == [max(compare(" ".join(answer), text, STUB).score for text in texts)]


_PYMORPHY = pymorphy3.MorphAnalyzer()
PHRASES = st.lists(
    st.sampled_from(
        ["кот", "в", "лесу", "не", "наилучшая", "красную", "машину", "по", "ещё", "еще", "the", "x", "5", "ых", "авиа"]
    ),
    min_size=2,
)


@given(PHRASES)
def test_phrases_have_the_lemma_of_pymorphy(words: list[str]) -> None:
    plain, phrase = _PYMORPHY, " ".join(words)
    assert normalisation.lemma(phrase) == plain.parse(phrase)[0].normal_form
    assert normalisation.lemma(f"{phrase} по-русски") == plain.parse(f"{phrase} по-русски")[0].normal_form


def test_a_wordnet_is_read_once_and_named_by_its_content() -> None:
    again = load_wordnet(str(GOLDEN / "wordnet_stub.db"))
    assert again is STUB
    assert len(STUB.name) == 12
    assert STUB.related("кот") == {"животное", "домашний любимец", "котик"}
    assert STUB.related(" Дом ") == {"здание", "род", "домик", "домовой"}
    assert STUB.related("небывальщина") == frozenset()
    assert STUB.synsets_of("кот") & STUB.synsets_of("кошка")
    assert not STUB.synsets_of("кот") & STUB.synsets_of("животное")


def test_a_wordnet_folds_yo() -> None:
    assert WordNet("own", synsets={"елка": frozenset({"1"})}).synsets_of("ёлка ") == {"1"}


def test_a_file_that_is_no_wordnet_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "words.db"
    broken.write_text("words, but no database")
    with pytest.raises(WordNetError, match=r"words\.db is no RuWordNet database"):
        load_wordnet(broken)
    with pytest.raises(WordNetError, match="there is no file"):
        load_wordnet(tmp_path / "none.db")


def test_signatures_say_where_words_come_from() -> None:
    lemmas = normalisation.LEMMAS
    assert VisualQA().signature() == f"vqa|mode:official|lemmas:{lemmas}|wordnet:none|v:1"
    assert VisualQA(wordnet=STUB).signature() == f"vqa|mode:official|lemmas:{lemmas}|wordnet:{STUB.name}|v:1"
    assert Captioning(clip=FakeClip()).signature() == "captioning|mode:official|wordnet:none|clip:fake|v:1"
    strict = Captioning(clip=FakeClip(), mode="strict").signature()
    assert strict == f"captioning|mode:strict|lemmas:{lemmas}|wordnet:none|clip:fake|v:1"


def test_a_caption_has_two_halves() -> None:
    pictures = {"7": [text("Опиши"), image("00000.png")], "8": [text("Опиши"), image("00001.png")]}
    cases = picture_cases(pictures, {"7": [text("ответ")], "8": [text("кот")]})
    metric = Captioning(clip=FakeClip(), mode="strict")
    metric.update(cases[:1], [0])
    metric.update(cases[1:], [1])
    parts, samples = metric.result().parts, metric.result().samples
    assert parts["meteor"] == 0.5
    assert samples.keys() == {"7", "8"}
    assert samples["7"] >= 0.5
    assert metric.result().score == pytest.approx((parts["meteor"] + parts["clip"]) / 2)
    assert pickle.loads(pickle.dumps(copy.deepcopy(metric))).result().parts == parts
    assert Captioning(clip=FakeClip()).result().parts == {}


@pytest.mark.parametrize("metric", [VisualQA(mode="strict"), Captioning(clip=FakeClip(), mode="strict")])
def test_there_is_no_mean_of_nothing_by_the_rules(metric: VisualQA | Captioning) -> None:
    with pytest.raises(NothingToScoreError):
        metric.mean_of_none()


def test_what_their_script_raises_on_aborts_the_attempt() -> None:
    unsound = picture_cases({"0": [text("?")]}, {"0": [text("кот") | {"content": None}]})
    for module in (vqa, captioning):
        with pytest.raises(AttemptAbortedError, match="sample '0'"):
            module.score_cases(unsound, "official", NO_WORDNET)
        scores, notes = module.score_cases(unsound, "strict", NO_WORDNET)
        assert scores == [0.0]
        assert notes[0].sample_id == "0"
