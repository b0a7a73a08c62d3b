"""Training of the language model: what it may see, what is kept, what is exported."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (pip install -e .[train])")
onnx = pytest.importorskip("onnx", reason="exporting needs onnx (pip install -e .[train])")

from models.backends import OnnxRuntimeBackend  # noqa: E402
from models.language import artifacts, experiment, grammar, train, training  # noqa: E402
from models.language.batching import Source, batches  # noqa: E402
from models.language.card import page  # noqa: E402
from models.language.corpus import Example, folds, pairs_of, pool  # noqa: E402
from models.language.export import load_network, load_trunk, serialised, trunk_bytes  # noqa: E402
from models.language.forms import MASK_ID, SLOTS, encode, tokens_of  # noqa: E402
from models.language.outside import outside  # noqa: E402
from models.language.quantise import typical_inputs  # noqa: E402
from models.language.settings import TrainConfig  # noqa: E402
from models.language.teacher import Teacher  # noqa: E402
from models.language.tiny_bert import NetworkConfig, TinyBert  # noqa: E402
from models.language.training import Pupil, loss_of, masked  # noqa: E402
from models.language.words import PAD_ID, WordTokenizer, build  # noqa: E402
from sage.irp import ConfigError, ModelError  # noqa: E402
from sage.skills.meaning import UNKNOWN  # noqa: E402

CONFIG = TrainConfig(tune_steps=12, tune_batch=16)
PAIRS = [
    (("go", "to", "the", "<room>"), '( go " <room> " )'),
    (("stop", "now"), "( stop )"),
    (("find", "the", "<object>"), '( find ( lambda $1 e ( is_a $1 " <object> " ) ) )'),
]
TOKENIZER = WordTokenizer(build(["go", "to", "the", "stop", "now", "find"], []))


def small() -> Pupil:
    torch.manual_seed(0)
    return Pupil(TinyBert(NetworkConfig(words=TOKENIZER.size, layers=2, lower=1)))


def test_a_wholly_masked_form_shows_nothing_of_the_target() -> None:
    forms = torch.tensor([encode(tokens_of(form)) for _, form in PAIRS] * 200)
    generator = torch.Generator().manual_seed(0)
    seen, counts = masked(forms, CONFIG, generator, torch.zeros(len(forms), dtype=torch.bool))
    hidden = seen == MASK_ID
    whole = hidden.all(1).float().mean()
    assert CONFIG.all_masked - 0.05 < whole < CONFIG.all_masked + 0.25
    shown = seen[~hidden]
    agree = (shown == forms[~hidden]).float().mean()
    assert 0.8 < agree < 0.99, "a part of what is visible is wrong"
    assert (counts[hidden].mean() > counts[~hidden].mean()).item()
    seen, _ = masked(forms, CONFIG, generator, torch.ones(len(forms), dtype=torch.bool))
    assert (seen == MASK_ID).all(), "where words are to be guessed, the form would give them away"


def test_batches_hold_what_was_asked_for() -> None:
    source = batches([Source(PAIRS, 1.0)], TOKENIZER, 8, seed=0, noise=0.0, masked_share=0.0)
    batch = next(source)
    assert batch.forms.shape == (8, SLOTS)
    assert batch.tokens.shape == batch.real.shape == batch.hidden.shape
    assert not batch.hidden.any()
    assert batch.vectors.isnan().all()
    lengths = batch.real.sum(1)
    assert {int(n) for n in lengths} <= {4, 5, 6}
    source = batches([Source(PAIRS, 1.0)], TOKENIZER, 8, seed=0, noise=0.0, masked_share=1.0)
    hidden = next(source).hidden
    assert (hidden > 0).any(1).all(), "at least one word of each command"


def test_a_few_steps_lower_the_loss_and_the_average_is_what_comes_back() -> None:
    pupil = small()
    source = batches([Source(PAIRS, 1.0)], TOKENIZER, 16, seed=0)
    losses: list[float] = []
    average = training.train(
        pupil, source, 30, 3e-3, CONFIG, seed=0, watch=lambda step, loss: losses.append(loss)
    )
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert not average.training
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        assert float(loss_of(average, next(source), CONFIG, generator)) < losses[0]


def test_a_stopped_training_goes_on(tmp_path) -> None:
    path = tmp_path / "part.pt"
    source = batches([Source(PAIRS, 1.0)], TOKENIZER, 8, seed=0)
    training.train(small(), source, 3, 1e-3, CONFIG, seed=0, checkpoint=path)
    steps: list[int] = []
    training.train(
        small(), source, 5, 1e-3, CONFIG, seed=0, checkpoint=path,
        watch=lambda step, loss: steps.append(step),
    )  # fmt: skip
    assert steps == [4, 5]


def test_the_trunk_comes_back_but_for_rounding() -> None:
    pupil = Pupil(TinyBert(NetworkConfig(words=TOKENIZER.size)))
    again = load_trunk(trunk_bytes(pupil))
    for name, value in pupil.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], atol=2e-3), name
    with pytest.raises(ModelError, match=r"trunk\.onnx is no ONNX file"):
        load_trunk(b"nonsense")


def exported(network: TinyBert, *, quantised: bool) -> list[OnnxRuntimeBackend]:
    typical = typical_inputs(PAIRS * 10, TOKENIZER) if quantised else ()
    halves = []
    for content, name in zip(serialised(network, typical), artifacts.NETWORK, strict=True):
        halves.append(OnnxRuntimeBackend(content, name))
        halves[-1].warm_up()
    return halves


@pytest.mark.parametrize(("quantised", "tolerance"), [(False, 0.02), (True, 0.5)])
def test_what_is_exported_computes_the_same(quantised: bool, tolerance: float) -> None:
    network = small().network.eval()
    lower, upper = exported(network, quantised=quantised)
    for length in (3, 11):
        tokens = torch.randint(0, TOKENIZER.size, (1, length))
        slots = torch.full((1, SLOTS), MASK_ID)
        with torch.no_grad():
            wanted = network(tokens, slots)
        early = lower.infer({"tokens": tokens.numpy(), "slots": slots.numpy()})
        late = upper.infer({"tokens": tokens.numpy(), "hidden": early["hidden"]})
        for got, logits, meaning in (
            (early, wanted.early_logits, wanted.early_meaning),
            (late, wanted.slot_logits, wanted.meaning),
        ):
            expected = logits.log_softmax(-1).numpy()
            assert np.abs(got["log_probs"] - expected).max() < tolerance
            assert np.abs(got["meaning"] - meaning.numpy()).max() < tolerance


@pytest.mark.parametrize(("quantised", "tolerance"), [(False, 1e-4), (True, 0.02)])
def test_company_of_another_length_changes_nothing(quantised: bool, tolerance: float) -> None:
    lower, upper = exported(small().network.eval(), quantised=quantised)
    commands = [torch.randint(PAD_ID + 1, TOKENIZER.size, (n,)).numpy() for n in (3, 11, 7)]
    tokens = np.full((3, 11), PAD_ID, np.int64)
    for row, command in enumerate(commands):
        tokens[row, : len(command)] = command
    slots = np.full((3, SLOTS), MASK_ID, np.int64)
    together = lower.infer({"tokens": tokens, "slots": slots})
    both = upper.infer({"tokens": tokens, "hidden": together["hidden"]})
    for row, command in enumerate(commands):
        alone = lower.infer({"tokens": command[None], "slots": slots[:1]})
        after = upper.infer({"tokens": command[None], "hidden": alone["hidden"]})
        for name in ("log_probs", "meaning"):
            assert np.abs(together[name][row] - alone[name][0]).max() < tolerance
            assert np.abs(both[name][row] - after[name][0]).max() < tolerance


def test_the_shipped_halves_are_a_network_again() -> None:
    """And say the same as the graphs: what is measured on it holds for what runs."""
    network = load_network(*(artifacts.load_file(name) for name in artifacts.NETWORK))
    parser = artifacts.load_parser()
    draft = parser.begin("bring me the apple from the kitchen")
    tokens = torch.tensor([draft.tokens])
    with torch.no_grad():
        read = network(tokens, torch.full((1, SLOTS), MASK_ID))
    for logits in (read.early_logits, read.slot_logits):
        draft = parser.improve(draft)
        assert draft.form == tuple(logits[0].argmax(-1).tolist())
    with pytest.raises(ModelError, match="no halves of a language model"):
        load_network(artifacts.load_file(artifacts.UPPER))


def test_matrices_are_bytes_in_fixed_ranges_and_the_opset_stays() -> None:
    kinds: Counter[str] = Counter()
    for name in artifacts.NETWORK:
        proto = onnx.load_from_string(artifacts.load_file(name))
        assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
        kinds += Counter(node.op_type for node in proto.graph.node)
        large = {
            tensor.data_type
            for tensor in proto.graph.initializer
            if np.prod(tensor.dims) >= 4096 and "weight_float16" not in tensor.name
        }
        assert large <= {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16}
    assert kinds["QuantizeLinear"] == 28  # four a layer, two a head
    assert not kinds["DynamicQuantizeLinear"]


def test_a_fold_never_learns_from_what_it_is_measured_on(monkeypatch) -> None:
    forms = ["( stop )", "( return )", '( go " <room> " )']
    examples = [Example(f"stop {n}", ("stop", str(n)), forms[n % 3]) for n in range(30)]
    learnt: list[list] = []

    def spy(base, config, tokenizer, paraphrased, *rest, **named):
        learnt.append(paraphrased)
        return base

    monkeypatch.setattr(training, "tuned", spy)
    base = small().eval()
    for number in range(3):
        fold = experiment.run_fold(
            number, examples, examples[:6], PAIRS, base, TOKENIZER, CONFIG, parts=3
        )
        tested = [one.example for one in fold.parses]
        assert [examples.index(one) for one in tested] == folds(30, 3)[number].tolist()
        assert not {words for words, _ in pairs_of(tested)} & {words for words, _ in learnt[-1]}
        assert len(learnt[-1]) == 20
        assert all(fold.seen)


def test_a_fold_of_forms_never_learns_one_of_them(monkeypatch) -> None:
    forms = ["( stop )", "( return )", '( go " <room> " )', '( go " <location> " )']
    examples = [Example(f"stop {n}", ("stop", str(n)), forms[n % 4]) for n in range(32)]
    learnt: list[list] = []

    def spy(base, config, tokenizer, paraphrased, generated, *rest, **named):
        learnt.append([*paraphrased, *generated])
        return base

    monkeypatch.setattr(training, "tuned", spy)
    base = small().eval()
    for number in range(2):
        fold = experiment.run_fold(
            number, examples, examples[:6], PAIRS, base, TOKENIZER, CONFIG, parts=2, by_form=True
        )
        tested = {one.example.form for one in fold.parses}
        assert not tested & {form for _, form in learnt[-1]}
        assert not any(fold.seen)


def test_the_grammar_is_repeatable_and_different_by_seed() -> None:
    one, again, other = (pool(50, seed, lambda rng: grammar.sample(rng)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert len({" ".join(words) for words, _ in one}) == 50


def test_what_is_outside_is_never_a_plain_command() -> None:
    rng = random.Random(0)
    commands = {grammar.command(rng, grammar.OWN)[0] for _ in range(1500)}
    others = {outside(rng, ("tree", "house")) for _ in range(1500)}
    assert len(others) > 500
    assert len(commands & others) <= 3


def test_people_are_counted_as_they_were_described() -> None:
    rng = random.Random(0)
    for _ in range(400):
        text, form = grammar.count(rng)
        if "( lying $1 )" in form or "( standing $1 )" in form:
            described = ("floor", "ly", "lay", "recl", "stand", "upright", "feet", "flat")
            assert any(word in text for word in (*described, "stood", "laid", "stretched")), text


@pytest.mark.parametrize(
    "arguments", [["--threads", "0"], ["--folds", "1"], ["--evaluate-only", "--output", "/nowhere"]]
)
def test_bad_arguments_are_one_line(arguments: list[str], capsys) -> None:
    assert train.main(arguments) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_a_wrong_teacher_is_refused(tmp_path) -> None:
    path = tmp_path / "model.zip"
    with pytest.raises(ModelError, match="cannot be read"):
        Teacher(path)
    path.write_bytes(b"not it")
    with pytest.raises(ModelError, match="SHA-256"):
        Teacher(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"steps": 0}, "steps 0 must be 1 or more"), ({"wrong": 1.0}, r"wrong 1.0 must be in \[0, 1")],
)
def test_settings_are_checked(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**values)
    with pytest.raises(ConfigError, match="must be a multiple of heads"):
        NetworkConfig(words=10, width=100)


def test_unknown_is_a_form_like_others() -> None:
    assert encode((UNKNOWN,))[0] > MASK_ID


def test_the_readable_card_is_the_one_that_the_data_gives() -> None:
    text = (artifacts.FOLDER / "CARD.md").read_text(encoding="utf-8")
    assert text == page(artifacts.load_card())


def test_the_card_says_what_later_steps_are_worth() -> None:
    card = artifacts.load_card()
    folds = card["folds"]
    first = folds["all_exact_by_step"][0]
    folds["all_exact"] = folds["all_exact_all_steps"] = first + 0.5 * folds["exact_sd"]
    assert "Later steps lower the energy but do not raise accuracy" in page(card)
    folds["all_exact_all_steps"] = first + 0.1
    assert "Later steps raise accuracy" in page(card)
