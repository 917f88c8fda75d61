from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Build, ConfigError
from mdm_core.values import Context

from mdm_content import WordsExtractor
from mdm_content.words import BUCKETS, buckets

CONTEXT = Context({}, None, 0, 0, 0)


@pytest.fixture
def words(tmp_path: Path) -> WordsExtractor:
    content = {"bias": -1.0, "weights": [number / 100 for number in range(BUCKETS)]}
    (tmp_path / "words.json").write_text(json.dumps(content))
    extractor = WordsExtractor()
    extractor.open(Build(base_dir=tmp_path))
    return extractor


class TestScore:
    def test_is_the_formula(self, words: WordsExtractor) -> None:
        """The score is the bias plus the weights of the distinct words, divided by the root of their number."""
        hashes = [crc32(word) % BUCKETS for word in (b"free", b"offer", b"subject:hello")]
        expected = -1.0 + sum(number / 100 for number in hashes) / sqrt(3)
        found = words.extract({"subject": "Hello", "text": "FREE offer, free"}, CONTEXT)
        assert {"words.score": pytest.approx(expected, rel=1e-12), "words.count": 3} == found

    @pytest.mark.parametrize("event", [{}, {"subject": None, "text": 7}, {"subject": "", "text": "? ! ,"}])
    def test_without_words_it_is_the_bias(self, words: WordsExtractor, event: dict[str, object]) -> None:
        """Where there is no word, or no text at all, nothing is added to the bias."""
        assert {"words.score": -1.0, "words.count": 0} == words.extract(event, CONTEXT)

    @given(st.lists(st.sampled_from(["free", "money", "meeting", "at", "noon"]), min_size=1))
    def test_order_and_repetition_do_not_matter(self, found: list[str]) -> None:
        """A text counts as the set of its words."""
        assert buckets("", " ".join(found)) == buckets("", " ".join(sorted(set(found))))


class TestBuckets:
    def test_digits_are_all_the_same(self) -> None:
        """No telephone number, price or date can be told from another."""
        assert buckets("", "call 555-1234") == buckets("", "call 89-0")

    def test_subject_is_apart(self) -> None:
        """The same word counts otherwise in a subject."""
        assert buckets("free", "").isdisjoint(buckets("", "free"))


class TestFile:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "cannot be read .*; check the path"),
            ("[]", "is no file of word weights"),
            ('{"bias": 0.0, "weights": [1.0]}', "has 1 weights and not 8192; fit it again"),
        ],
    )
    def test_wrong(self, tmp_path: Path, content: str | None, message: str) -> None:
        """A file that is missing or wrong is told with what is wrong with it."""
        if content is not None:
            (tmp_path / "words.json").write_text(content)
        with pytest.raises(ConfigError, match=message):
            WordsExtractor().open(Build(base_dir=tmp_path))
