"""What the model must beat: the most frequent form, and linear classifiers of n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from models.language.corpus import Example

Guess = Callable[[Sequence[Example]], list[str]]


def most_frequent(examples: Sequence[Example]) -> Guess:
    """Always the commonest form."""
    form = Counter(example.form for example in examples).most_common(1)[0][0]
    return lambda tested: [form] * len(tested)


def raw(example: Example) -> str:
    """The command as it was written."""
    return example.text


def delexicalised(example: Example) -> str:
    """The command as the model reads it: names are class tokens."""
    return " ".join(example.words)


def linear_svm(examples: Sequence[Example], view: Callable[[Example], str]) -> Guess:
    """A linear SVM (Fan et al. 2008) on TF-IDF of word 1- to 3-grams and character 2- to 5-grams.

    Args:
        examples: what it learns from; each form is a class.
        view: the text of an example, :func:`raw` or :func:`delexicalised`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    ngrams = make_union(
        TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, token_pattern=r"\S+"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(ngrams, LinearSVC(C=1.0, random_state=0))
    model.fit([view(example) for example in examples], [example.form for example in examples])
    return lambda tested: [str(form) for form in model.predict([view(one) for one in tested])]


def exact(guess: Guess, tested: Sequence[Example]) -> float:
    """The share of forms that are exactly right."""
    forms = guess(tested)
    right = sum(form == one.form for form, one in zip(forms, tested, strict=True))
    return right / len(tested)
