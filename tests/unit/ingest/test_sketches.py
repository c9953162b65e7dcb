"""Which texts are near-duplicates."""

from __future__ import annotations

import pytest

from ingest.sketches import FEWEST_WORDS, are_similar, buckets_of, sketch_of

WORDS = (
    "The harbour board met in the evening and heard the report of the pilot who had brought the ferry in through fog. "
    "She had sounded the horn at every buoy, slowed to a walk before the mole and asked for a tug that never came. "
    "The board thanked her, found no fault with the crew and asked the engineer to look at the rudder before the "
    "season begins. A letter from the islanders about the late boat was read aloud; it will be answered by the clerk. "
    "The treasurer said that fares had covered the coal, that the new landing would cost 120,000 crowns, and that "
    "the old one could be sold for 35,000. The next meeting is on 14 May at 18:30 in the custom house."
)
SLICE = 1 << 20


def alike(one: str, other: str) -> bool:
    first, second = sketch_of(one), sketch_of(other)
    assert are_similar(first, second) == are_similar(second, first)
    return are_similar(first, second)


def test_texts_that_say_yes_and_no_are_two_texts() -> None:
    assert not alike(f"{WORDS} The motion was approved.", f"{WORDS} The motion was rejected.")
    assert not alike(WORDS, WORDS.replace("found no fault", "found fault"))
    assert alike(f"{WORDS} The motion was approved.", f"{WORDS} The Motion was approved!")


@pytest.mark.parametrize(
    "other",
    [
        WORDS.upper(),
        WORDS.replace(". ", ".\n\n"),
        WORDS.replace("fog", "mist"),
        WORDS.replace("fog", "mist").replace("thanked", "praised"),
        f"{WORDS} Printed for the members of the board.",
        WORDS.replace(",", " ,").replace("120 ,000", "120,000").replace("35 ,000", "35,000"),
    ],
)
def test_small_changes_make_a_near_duplicate(other: str) -> None:
    assert alike(WORDS, other)
    assert set(buckets_of(sketch_of(WORDS))) & set(buckets_of(sketch_of(other)))


@pytest.mark.parametrize(
    "other",
    [
        WORDS.replace("120,000", "130,000"),
        WORDS.replace("14 May", "15 May"),
        WORDS.replace("18:30", "18:00"),
        f"{WORDS} Page 2",
        WORDS.replace("120,000", "35,000"),
    ],
)
def test_other_numbers_make_another_version(other: str) -> None:
    assert not alike(WORDS, other)
    assert not set(buckets_of(sketch_of(WORDS))) & set(buckets_of(sketch_of(other)))


def test_another_text_is_none() -> None:
    half = WORDS[: len(WORDS) // 2]
    assert not alike(half + "ferry " * 60, half + "engine " * 60)


def test_a_short_text_is_not_compared() -> None:
    assert sketch_of("see attached " * (FEWEST_WORDS // 2 - 1)) == b""
    assert sketch_of("see attached " * (FEWEST_WORDS // 2)) != b""


def test_text_without_spaces_is_compared_by_its_characters() -> None:
    text = "港湾委員会は夕方に開かれ霧の中を渡し船で入港した水先案内人の報告を聞いた。委員会は彼女に感謝した。"
    assert alike(text, text.replace("。", "。\n"))
    assert not alike(text, text[::-1])


def test_a_text_of_any_length_is_read_in_slices_without_losing_what_spans_them() -> None:
    text = " ".join(f"word{i % 4_000}" for i in range(SLICE // 7))
    assert len(text) > SLICE
    assert sketch_of(text) == sketch_of(f" {text}")
