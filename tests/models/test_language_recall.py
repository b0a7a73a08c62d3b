"""What people meant before with the same names decides where the words leave it open."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from models.language.calibration import Calibration
from models.language.corpus import Example
from models.language.forms import SLOTS, VOCABULARY, encode, read, tokens_of
from models.language.parser import Parser
from models.language.recall import Recall, key_of, learnt, load
from models.language.words import WordTokenizer, build
from sage.irp import ModelError
from sage.skills.entities import tag

ROOM, PLACE = '( go " <room> " )', '( go " <location> " )'
STOP = "( stop )"


def example(text: str, form: str) -> Example:
    return Example(text, tag(text).words, form)


HEARD = [
    example("go to the kitchen", PLACE),
    example("enter the kitchen", PLACE),
    example("go to the bathroom", ROOM),
    example("stop", STOP),
    example("walk to the bedroom", ROOM),
]


class Doubtful:
    """Both halves of a network that holds two forms for about as likely."""

    cost_s = 0.0

    def __init__(self, share: float) -> None:
        out = np.full((SLOTS, len(VOCABULARY)), 1e-6, np.float32)
        for form, part in ((ROOM, share), (PLACE, 1.0 - share)):
            out[np.arange(SLOTS), list(encode(tokens_of(form)))] += part
        self.said = np.log(out / out.sum(1, keepdims=True))[None]

    def load(self) -> None: ...

    def warm_up(self, runs: int = 3) -> None: ...

    def close(self) -> None: ...

    def infer(self, inputs):
        length = inputs["tokens"].shape[1]
        return {
            "log_probs": self.said.copy(),
            "meaning": np.ones((1, 4), np.float32),
            "hidden": np.zeros((1, length + SLOTS, 4), np.float32),
        }


def parsed(text: str, share: float, recall: Recall | None):
    network = Doubtful(share)
    tokenizer = WordTokenizer(build(["go", "to", "the"], []))
    parser = Parser(network, network, tokenizer, Calibration(0.0, -1.0, 0.0), recall=recall)
    return parser, parser.settle(parser.improve(parser.begin(text)))


def test_where_the_words_leave_it_open_what_was_meant_before_decides() -> None:
    recall = Recall(learnt(HEARD))
    for text, alone, with_it in (
        ("run to the kitchen", ROOM, PLACE),
        ("run to the bathroom", ROOM, ROOM),
        ("run to the corridor", ROOM, ROOM),  # of which nobody spoke
    ):
        assert " ".join(read(parsed(text, 0.6, None)[1].form)) == alone
        assert " ".join(read(parsed(text, 0.6, recall)[1].form)) == with_it


def test_it_does_not_decide_against_plain_words() -> None:
    _, draft = parsed("run to the kitchen", 0.995, Recall(learnt(HEARD)))
    assert " ".join(read(draft.form)) == ROOM


def test_who_agrees_is_surer_and_settles_once() -> None:
    _, alone = parsed("run to the bathroom", 0.6, None)
    parser, draft = parsed("run to the bathroom", 0.6, Recall(learnt(HEARD)))
    assert draft.energy < alone.energy
    assert parser.settle(draft) is draft
    energy, margin, runner_up = parser.judged(draft)
    assert energy == draft.energy
    assert margin > 0.5
    assert " ".join(runner_up) == PLACE


def test_names_count_in_any_order_and_classes_not_at_all() -> None:
    one = tag("bring the apple from the kitchen").entities
    other = tag("in the kitchen is an apple, get it").entities
    assert key_of(one) == key_of(other)
    assert key_of(one) != key_of(tag("bring the milk from the kitchen").entities)
    assert key_of(tag("go to the <room>").entities) == ""
    assert Recall(learnt(HEARD)).of(()) is None


def test_more_of_the_same_gains_more() -> None:
    form = encode(tokens_of(PLACE))
    gains = []
    for count in (1, 3, 9):
        heard = [*HEARD[2:], *[example("go to the kitchen", PLACE)] * count]
        found = Recall(learnt(heard)).of(tag("the kitchen").entities)
        assert found is not None
        assert found.otherwise < 0.0
        gains.append(found.gain(form) - found.otherwise)
    assert all(more > less for less, more in pairwise(gains))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"forms": ["( go"], "heard": {}}', b'{"forms": [], "heard": {"a": {"0": 1}}}'],
)
def test_a_damaged_memory_is_a_model_error(content: bytes) -> None:
    with pytest.raises(ModelError, match="recalled is damaged"):
        load(content)


def test_it_comes_back_from_json() -> None:
    content = json.dumps(learnt(HEARD)).encode()
    found = load(content).of(tag("the kitchen").entities)
    assert found is not None
    assert "kitchen" not in content.decode(), "names are kept as hashes only"
