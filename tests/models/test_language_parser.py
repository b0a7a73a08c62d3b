"""Refinement of a form with a network that says what the test wants, and the shipped files."""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.artifacts import CARD
from models.language import artifacts, evaluate
from models.language.alternatives import matching
from models.language.calibration import Calibration
from models.language.corpus import Example, folds, form_folds, noisy, read_pairs
from models.language.forms import (
    IDS,
    MASK_ID,
    PAD_ID,
    SLOTS,
    VOCABULARY,
    encode,
    read,
    tokens_of,
)
from models.language.manner import without_greeting
from models.language.parser import Parser, certain, stable
from models.language.words import SPECIAL, WordTokenizer, build
from sage.irp import ConfigError, ModelError
from sage.skills.entities import CLASS_TOKENS, tag

GO = tokens_of('( go " <room> " )')
FIND = tokens_of('( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) )')


class Scripted:
    """A half of a network that answers from a list of (SLOTS, chunks) probabilities, one a step;
    both halves take from the same list."""

    cost_s = 0.0

    def __init__(self, steps: list[np.ndarray], inputs: list[dict]) -> None:
        self.steps = steps
        self.inputs = inputs

    def load(self) -> None: ...

    def warm_up(self, runs: int = 3) -> None: ...

    def close(self) -> None: ...

    def infer(self, inputs):
        step = self.steps[min(len(self.inputs), len(self.steps) - 1)]
        self.inputs.append({name: value.copy() for name, value in inputs.items()})
        return {
            "log_probs": np.log(step)[None],
            "meaning": np.ones((1, 4), np.float32),
            "hidden": np.full((1, inputs["tokens"].shape[1] + SLOTS, 4), len(self.inputs)),
        }


def sure_of(*forms: tuple[tuple[str, ...], float]) -> np.ndarray:
    """Probabilities that mix some forms."""
    out = np.full((SLOTS, len(VOCABULARY)), 1e-6, np.float32)
    for form, share in forms:
        out[np.arange(SLOTS), list(encode(form))] += share
    return out / out.sum(1, keepdims=True)


def parser_of(*steps: np.ndarray) -> Parser:
    tokenizer = WordTokenizer(build(["go", "to", "the", "find"], []))
    inputs: list[dict] = []
    lower, upper = Scripted(list(steps), inputs), Scripted(list(steps), inputs)
    return Parser(lower, upper, tokenizer, Calibration(0.0, -1.0, 0.0))


def test_a_step_sees_the_words_and_its_own_choices_only() -> None:
    parser = parser_of(sure_of((GO, 1.0)))
    draft = parser.begin("go to the kitchen")
    for _ in range(6):
        draft = parser.improve(draft)
    first, gone_on, second, _, third, _ = parser.lower.inputs
    assert set(first) == {"tokens", "slots"}
    assert set(gone_on) == {"tokens", "hidden"}
    assert (gone_on["hidden"] == 1).all(), "what the first half computed"
    assert (first["slots"] == MASK_ID).all(), "nothing of any target before the first step"
    assert (first["tokens"] == second["tokens"]).all()
    predicted = set(encode(GO))
    for seen in (second, third):
        assert set(seen["slots"].ravel()) <= predicted | {MASK_ID}
    assert (second["slots"] == MASK_ID).sum() > (third["slots"] == MASK_ID).sum()


def test_the_first_half_answers_already_and_nothing_is_masked_after_four_passes() -> None:
    parser = parser_of(sure_of((FIND, 0.9), (GO, 0.1)))
    draft = parser.improve(parser.begin("find the apple in the kitchen"))
    assert read(draft.form) == FIND
    assert (draft.slots == MASK_ID).all(), "it commits nothing: the second half is to come"
    for _ in range(7):
        draft = parser.improve(draft)
    assert (draft.slots != MASK_ID).all()
    assert draft.energy == pytest.approx(-math.log(0.9) * 3, rel=0.5)


def test_a_committed_chunk_that_became_doubtful_is_opened_again() -> None:
    sure = [sure_of((GO, 1.0))] * 4
    parser = parser_of(*sure, sure_of((FIND, 0.95), (GO, 0.05)))
    draft = parser.begin("go to the kitchen")
    for _ in range(8):
        draft = parser.settle(parser.improve(draft))
    assert read(draft.form) == FIND


def test_projection_gives_the_likeliest_well_formed_form_once_and_for_all() -> None:
    broken = sure_of((GO, 1.0))
    broken[0] = 1e-6
    broken[0, IDS["( find"]] = 0.6  # ( find " <room> " ) is no command
    broken[0, IDS["( go"]] = 0.4
    parser = parser_of(broken)
    draft = parser.improve(parser.begin("to the kitchen"))
    assert not read(draft.form)
    settled = parser.settle(draft)
    assert read(settled.form) == GO
    assert parser.settle(settled) is settled
    assert settled.energy == pytest.approx(-math.log(0.4), abs=0.05)


def test_what_cannot_be_made_well_formed_is_unknown() -> None:
    noise = np.full((SLOTS, len(VOCABULARY)), 1e-6, np.float32)
    noise[:, IDS[")"]] = 1.0
    parser = parser_of(noise)
    draft = parser.settle(parser.improve(parser.begin("go")))
    meaning = parser.answer(draft)
    assert not meaning.known
    assert meaning.probability < 0.5


def test_the_runner_up_is_the_next_likely_form() -> None:
    parser = parser_of(sure_of((GO, 0.7), (tokens_of('( go " <location> " )'), 0.3)))
    meaning = parser.answer(parser.settle(parser.improve(parser.begin("go to the kitchen"))))
    assert meaning.form == GO
    assert meaning.runner_up == tokens_of('( go " <location> " )')
    assert [one.name for one in meaning.entities] == ["kitchen"]


def test_stable_needs_the_same_form_and_the_meaning_of_the_pass_before() -> None:
    parser = parser_of(*[sure_of((GO, 1.0))] * 3, sure_of((FIND, 1.0)))
    start = parser.begin("go to the kitchen")
    one = parser.improve(start)
    two = parser.improve(one)
    three = parser.improve(two)
    assert not stable(start, one), "there is no meaning before the first step"
    assert not stable(one, two), "the halves of a pass do not say it in the same terms"
    assert stable(two, three)
    turned = np.array([1.0, -1.0, 1.0, -1.0], np.float32)
    assert not stable(two, replace(three, meaning=turned))
    assert not stable(two, replace(three, form=encode(FIND)))


def test_after_a_whole_pass_twice_the_energy_will_do() -> None:
    parser = parser_of(sure_of((GO, 1.0)))
    half = replace(parser.improve(parser.begin("go to the kitchen")), energy=1.5)
    assert not certain(half, 1.0)
    assert certain(replace(half, hidden=None), 1.0)
    assert not certain(replace(half, hidden=None, energy=2.1), 1.0)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("don't go to the kitchen", ("UNKNOWN",)),
        ("please do not go to the kitchen", ("UNKNOWN",)),
        ("go to the kitchen", GO),
        ("is the person not in the kitchen", GO),
    ],
)
def test_what_not_to_do_is_no_command(text: str, form: tuple[str, ...]) -> None:
    parser = parser_of(sure_of((GO, 1.0)))
    meaning = parser.answer(parser.settle(parser.improve(parser.begin(text))))
    assert meaning.form == form


@pytest.mark.parametrize(
    "text", ["don't move", "please do not move", "robot, don't go any further"]
)
def test_not_to_move_is_to_stop(text: str) -> None:
    """Whatever the network says: to stand still must never be missed."""
    for form in (tokens_of("( stop )"), GO):
        parser = parser_of(sure_of((form, 1.0)))
        draft = parser.settle(parser.improve(parser.begin(text)))
        assert parser.answer(draft).form == ("(", "stop", ")")
        assert parser.settle(draft) is draft


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("hello robot stop", "stop"),
        ("hi there go on", "go on"),
        ("good morning robot go", "go"),
        ("hello robot", "robot"),
        ("hello", "hello"),
        ("hit it", "hit it"),
    ],
)
def test_greetings_are_passed_over(text: str, rest: str) -> None:
    assert " ".join(without_greeting(text.split())) == rest


@pytest.mark.parametrize("text", ["", "   ", "?!", "go " * 150, "a b c d e f g h " * 8])
def test_empty_and_endless_texts_are_unknown_without_asking_the_network(text: str) -> None:
    parser = parser_of(sure_of((GO, 1.0)))
    draft = parser.settle(parser.improve(parser.begin(text)))
    assert parser.answer(draft).form == ("UNKNOWN",)
    assert parser.lower.inputs == []
    assert draft.energy == 0.0


def test_a_restart_names_a_thing_once() -> None:
    form = tokens_of('( bring ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) )')
    tagged = tag("go to the cabinet go to the cabinet and bring me the coke")
    assert [one.name for one in matching(form, tagged.entities)] == ["cabinet", "coke"]
    twice = tokens_of(
        '( put ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) " <location> " )'
    )
    kept = matching(twice, tag("put the coke from the cabinet on the cabinet").entities)
    assert [one.name for one in kept] == ["coke", "cabinet", "cabinet"]


def test_noise_keeps_class_tokens_and_leaves_something() -> None:
    rng = random.Random(0)
    words = tokens_of("go to the <room> and find the <object>")
    for _ in range(500):
        out = noisy(words, rng, 3.0)
        assert {"<room>", "<object>"} <= set(out) or not ({"<room>", "<object>"} - set(words))
        assert out


def test_the_tokenizer_cuts_and_knows_class_tokens() -> None:
    tokenizer = WordTokenizer(build(["go", "kitchen"], ["##s"]))
    ids = tokenizer.encode(["go", "<room>", "kitchens"])
    vocabulary = tokenizer.vocabulary()
    assert [vocabulary[index] for index in ids] == [
        "[CLS]", "go", "<room>", "kitchen", "##s", "[SEP]",
    ]  # fmt: skip
    assert vocabulary[: len(SPECIAL) + len(CLASS_TOKENS)] == [*SPECIAL, *CLASS_TOKENS]
    assert len(tokenizer.encode(["go"] * 100)) == 34
    with pytest.raises(ModelError, match="no usable tokenizer"):
        WordTokenizer("{}")


def test_folds_cover_everything_once() -> None:
    parts = folds(23, 5)
    assert sorted(np.concatenate(parts)) == list(range(23))
    with pytest.raises(ConfigError, match=r"folds 1 must be in \[2, 23\]"):
        folds(23, 1)


def test_form_folds_hold_out_whole_forms() -> None:
    forms = ["( stop )", "( return )", '( go " <room> " )', "UNKNOWN"]
    examples = [Example(str(n), (str(n),), forms[n % 4]) for n in range(40)]
    parts = form_folds(examples, 3)
    assert sorted(np.concatenate(parts)) == [n for n in range(40) if n % 4 != 3]
    assert [len({examples[n].form for n in part}) for part in parts] == [1, 1, 1]
    with pytest.raises(ConfigError, match=r"folds 4 must be in \[2, 3\]"):
        form_folds(examples, 4)


@pytest.mark.parametrize("content", ["", "one line\n", "a\n( stop )\nb\n"])
def test_pairs_must_take_turns(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(content)
    with pytest.raises(ConfigError, match="take turns"):
        read_pairs(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_pairs(tmp_path / "absent.txt")


def test_calibration_learns_that_high_energy_is_wrong() -> None:
    def made(energy: float, right: bool) -> evaluate.Parse:
        example = Example("x", ("x",), "( stop )")
        form = "( stop )" if right else "UNKNOWN"
        return evaluate.Parse(example, (right,), (energy,), (1.0,), 1, form, energy, 5.0, 0.0)

    rng = random.Random(0)
    parses = []
    for _ in range(600):
        energy = rng.uniform(0.0, 3.0)
        parses.append(made(energy, rng.random() < math.exp(-energy)))
    fit = evaluate.fitted(parses)
    assert fit.probability(0.05, 5.0) > 0.75
    assert fit.probability(2.8, 5.0) < 0.3
    assert evaluate.calibration_error(parses, fit) < 0.12


# The shipped files.


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (*artifacts.NETWORK, artifacts.TOKENIZER, artifacts.RECALLED, CARD):
        shutil.copy(artifacts.FOLDER / name, tmp_path / name)
    return tmp_path


def test_shipped_files_match_their_card_and_are_small() -> None:
    sizes = [
        len(artifacts.load_file(name))
        for name in (*artifacts.NETWORK, artifacts.TOKENIZER, artifacts.RECALLED, artifacts.TRUNK)
    ]
    assert sizes[0] + sizes[1] < 11e6
    assert sum(sizes) < 30e6
    assert artifacts.load_tokenizer().size <= 10_000


def test_missing_weights_name_file_and_command(copy: Path) -> None:
    (copy / artifacts.UPPER).unlink()
    with pytest.raises(ModelError, match=r"upper\.onnx are missing.*models\.language\.train"):
        artifacts.load_file(artifacts.UPPER, copy)


def test_without_its_folder_the_trunk_is_only_in_a_checkout(copy: Path) -> None:
    """As in an installed package."""
    with pytest.raises(ModelError, match=r"trunk\.onnx are missing.*only a checkout.*git checkout"):
        artifacts.load_file(artifacts.TRUNK, copy)


def test_a_damaged_trunk_is_noticed(copy: Path) -> None:
    place = copy / artifacts.TRUNK
    place.parent.mkdir()
    shutil.copy((artifacts.FOLDER / artifacts.TRUNK).with_name(CARD), place.with_name(CARD))
    with pytest.raises(ModelError, match=r"trunk\.onnx are missing; run `git checkout"):
        artifacts.load_file(artifacts.TRUNK, copy)
    place.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"trunk\.onnx do not match their card.*git checkout"):
        artifacts.load_file(artifacts.TRUNK, copy)


@pytest.mark.parametrize("name", [*artifacts.NETWORK, artifacts.TOKENIZER, artifacts.RECALLED])
def test_one_flipped_bit_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"do not match their card.*git checkout"):
        artifacts.load_file(name, copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", 3),
        ("files", {"lower.onnx": 3}),
        ("chunks", 7),
        ("calibration", None),
        ("calibration", {"bias": math.nan, "energy_weight": 0.0, "margin_weight": 0.0}),
        ("calibration", {"bias": True, "energy_weight": 0.0, "margin_weight": 0.0}),
        ("calibration", {"bias": 1.0}),
    ],
)
def test_damage_inside_the_card_is_one_line_with_the_remedy(
    copy: Path, key: str, value: object
) -> None:
    card = json.loads((copy / CARD).read_text())
    card[key] = value
    (copy / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json is damaged \(.*git checkout") as caught:
        artifacts.load_card(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_damaged_card(copy: Path, text: str) -> None:
    (copy / CARD).write_text(text)
    with pytest.raises(ModelError, match=r"card\.json"):
        artifacts.load_card(copy)


def test_bytes_that_are_no_network() -> None:
    with pytest.raises(ModelError, match="no usable ONNX model"):
        artifacts.load_parser((b"nonsense", b"nonsense"))


def test_padding_is_chunk_zero() -> None:
    """The weights' format depends on it."""
    assert (PAD_ID, MASK_ID, len(VOCABULARY)) == (0, 1, artifacts.load_card()["chunks"])
