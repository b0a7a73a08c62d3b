"""The code of logical forms: reversible, short, and what is well-formed."""

from __future__ import annotations

import random

import pytest

from models.language import grammar
from models.language.corpus import GENERATED, PARAPHRASED, read_pairs
from models.language.forms import PAD_ID, SLOTS, VOCABULARY, decode, encode, read, well_formed

data = pytest.mark.skipif(
    not PARAPHRASED.exists(), reason="the commands are not in ../shared/data/gpsr"
)


def tokens(form: str) -> tuple[str, ...]:
    return tuple(form.split())


@data
@pytest.mark.parametrize("path", [PARAPHRASED, GENERATED], ids=["paraphrased", "generated"])
def test_every_form_of_the_data_comes_back_exactly(path) -> None:
    forms = {one.form for one in read_pairs(path)}
    assert len(forms) > 70
    for form in forms:
        ids = encode(tokens(form))
        assert len(ids) == SLOTS
        assert decode(ids) == tokens(form)
        assert read(ids) == tokens(form), f"{form} should count as well-formed"


def test_forms_of_the_grammar_come_back_and_are_well_formed() -> None:
    rng = random.Random(0)
    forms = {grammar.sample(rng)[1] for _ in range(1500)}
    assert len(forms) > 80
    for form in forms:
        assert read(encode(tokens(form))) == tokens(form)


def test_a_form_never_seen_anywhere_is_coded_too() -> None:
    form = tokens(
        '( find ( lambda $1 e ( person $1 ) ( sitting $1 ) ( at $1 " <location> " ) ) 3 )'
    )
    assert decode(encode(form)) == form


@pytest.mark.parametrize(
    "form",
    [
        "",
        "( go",
        ") go (",
        '( go " <room> " ) ( stop )',
        '( go " <planet> " )',
        "( juggle )",
        "( sequence " + "( stop ) " * 12 + ")",
    ],
)
def test_what_cannot_be_coded_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match=r"form|bracket|chunks"):
        encode(tokens(form))


@pytest.mark.parametrize(
    "form",
    [
        "( go )",
        '( go ( lambda $1 e ( person $1 ) ) " <room> " )',
        '( bring " <room> " )',
        "( stop 3 )",
        "( say )",
        "( find ( lambda $1 e ) )",
        "( find ( lambda $1 e ( person $2 ) ) )",
        "( find ( lambda $1 e ( person $1 ) ( person $1 ) ) )",
        "( put ( lambda $1 e ( person $1 ) ) )",
        "( find ( lambda $1 e ( lambda $2 e ( person $2 ) ) ) )",
        "",
    ],
)
def test_nonsense_is_not_well_formed(form: str) -> None:
    assert not well_formed(tokens(form))


def test_random_chunks_never_decode_to_something_unbalanced() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        ids = tuple(rng.randrange(len(VOCABULARY)) for _ in range(SLOTS))
        form = decode(ids)
        assert form.count("(") == form.count(")")
        if read(ids):
            assert decode(encode(form)) == form


def test_what_follows_the_end_is_not_read() -> None:
    ids = encode(tokens("( stop )"))
    assert read(ids) == tokens("( stop )")
    assert read((*ids[:3], ids[0], *ids[4:])) == (), "chunks behind the padding"
    assert ids[1] == PAD_ID
