"""ROUGE and BLEU by hand and against the libraries that count them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer

from backend.metrics.text import bleu, cloze_as_coded, offside_overall, rouge

VOCABULARY = ["she", "was", "born", "in", "Bergen,", "Lima.", "1988", "twice"]
sentences = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=12).map(" ".join)


def test_rouge_counts_shared_words_pairs_and_the_longest_common_subsequence() -> None:
    scores = rouge("born in Lima", "She was born in Bergen")
    # Two of three words of the answer, two of five of the truth: F = 2·2/(3 + 5).
    assert scores["rouge1"] == pytest.approx(0.5)
    # One shared pair (born in) of two and four: F = 2·1/(2 + 4).
    assert scores["rouge2"] == pytest.approx(1 / 3)
    assert scores["rougeL"] == pytest.approx(0.5)
    assert scores["rougeL_recall"] == pytest.approx(0.4)


def test_rouge_l_minds_the_order_and_rouge_1_does_not() -> None:
    scores = rouge("Bergen in born", "born in Bergen")
    assert scores["rouge1"] == 1
    assert scores["rougeL"] == pytest.approx(1 / 3)


def test_rouge_takes_words_by_their_stem() -> None:
    assert rouge("painters", "painter")["rouge1"] == 1


def test_a_long_answer_that_holds_the_truth_has_full_recall_and_a_low_f() -> None:
    scores = rouge("He was born in Lima and later moved to Accra with his aunt", "in Lima")
    assert scores["rougeL_recall"] == 1
    assert scores["rougeL"] == pytest.approx(2 * 2 / (13 + 2))


def test_bleu_of_a_perfect_answer_is_one_from_four_tokens_on() -> None:
    assert bleu("born in Bergen, Norway", "born in Bergen, Norway") == 1
    # Three tokens: the 4-gram precision is 0 of at least 1, smoothed to 0.1; (1·1·1·0.1)^¼. One token: 0.1^¾.
    assert bleu("born in Bergen", "born in Bergen") == pytest.approx(0.1**0.25)
    assert bleu("Bergen", "Bergen") == pytest.approx(0.1**0.75)


def test_bleu_by_hand_with_its_penalty_for_short_answers() -> None:
    # 4 of 4 words, 3 of 3 pairs, 2 of 2 triples, 1 of 1; the truth has 5 tokens and the answer 4.
    assert bleu("she was born in", "she was born in Bergen") == pytest.approx(math.exp(1 - 5 / 4))


def test_whitespace_keeps_case_and_full_stops_and_words_do_not() -> None:
    truth, answer = "She was born in Bergen.", "she was born in bergen ."
    assert bleu(answer, truth, "words") == 1
    assert bleu(answer, truth, "whitespace") < 1


def test_full_stops_are_split_off_at_every_sentence_and_not_only_at_the_last() -> None:
    assert bleu("He paints . He lives there", "He paints. He lives there", "words") == 1


def test_offside_takes_the_mean_of_bleu_and_three_rouges() -> None:
    answer, truth = "born in Lima", "She was born in Bergen"
    scores = rouge(answer, truth)
    by_hand = (bleu(answer, truth, "words") + scores["rouge1"] + scores["rouge2"] + scores["rougeL"]) / 4
    assert offside_overall(answer, truth) == pytest.approx(by_hand)
    assert offside_overall("She was born in Bergen.", "She was born in Bergen.") == 1
    assert offside_overall("", truth) == 0


def test_an_empty_answer_scores_nothing_and_an_empty_truth_is_refused() -> None:
    assert set(rouge("", "in Bergen").values()) == {0.0}
    assert bleu("", "in Bergen") == 0
    for measure in (rouge, bleu, offside_overall, cloze_as_coded):
        with pytest.raises(ValueError, match="true answer is empty"):
            measure("in Bergen", "  ")
    with pytest.raises(ValueError, match="a-z and 0-9"):
        rouge("ベルゲン", "ベルゲン")


def test_the_cloze_script_finds_art_in_martha() -> None:
    assert cloze_as_coded("She is called Martha.", "Art")
    assert not cloze_as_coded("She is called Anna.", "Art")


@settings(max_examples=50)
@given(sentences, sentences)
def test_scores_are_the_libraries_own_and_lie_between_0_and_1(answer: str, truth: str) -> None:
    reference = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True).score(target=truth, prediction=answer)
    scores = rouge(answer, truth)
    assert scores["rouge2"] == pytest.approx(reference["rouge2"].fmeasure)
    assert scores["rougeL_recall"] == pytest.approx(reference["rougeL"].recall)
    smoothing = SmoothingFunction().method1
    assert bleu(answer, truth) == sentence_bleu([truth.split()], answer.split(), smoothing_function=smoothing)
    assert all(0 <= value <= 1 + 1e-12 for value in (*scores.values(), offside_overall(answer, truth)))
