"""The language plugin with its shipped weights: what it understands, and what it declines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.language.corpus import PROBES, read_pairs
from models.language.forms import MASK_ID
from plugins.language import LanguageConfig, LanguagePlugin
from sage.irp import (
    ConfigError,
    HaltReason,
    ModelError,
    PluginError,
    Refinement,
    advance_together,
    check_plugin,
    refine,
)
from sage.skills.meaning import UNKNOWN, Meaning
from sage.values import Frame, Observation, Utterance


@pytest.fixture(scope="module")
def language() -> LanguagePlugin:
    return LanguagePlugin()


def heard(text: str) -> Observation:
    return Observation("test", "speech", 1.5, 0, Utterance(text))


def meant(language: LanguagePlugin, text: str) -> Meaning:
    result = refine(language, heard(text)).result
    assert isinstance(result, Meaning)
    return result


def test_keeps_the_contract(language: LanguagePlugin) -> None:
    texts = ["go to the kitchen", "what is the weather like", "", "bring me the coke from the sink"]
    check_plugin(lambda: language, [heard(text) for text in texts])


@pytest.mark.parametrize(
    ("text", "form", "names"),
    [
        ("go to the kitchen", '( go " <room> " )', ["kitchen"]),
        ("Robot, please drive to the sofa!", '( go " <location> " )', ["sofa"]),
        ("come back", "( return )", []),
        ("stop", "( stop )", []),
        ("hello robot, stop!", "( stop )", []),
        ("don't move", "( stop )", []),
        ("find the apple", '( find ( lambda $1 e ( is_a $1 " <object> " ) ) )', ["apple"]),
        (
            "look for the mug in the living room",
            '( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) )',
            ["mug", "living room"],
        ),
        (
            "find a person in the kitchen",
            '( find ( lambda $1 e ( person $1 ) ( at $1 " <room> " ) ) )',
            ["kitchen"],
        ),
        (
            "how many apples are in the kitchen",
            '( say ( count ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) ) )',
            ["apple", "kitchen"],
        ),
        (
            "follow me please",
            "( follow ( lambda $1 e ( person $1 ) ) )",
            [],
        ),
        ("what time is it", '( say " <whattosay> " )', ["the time"]),
        (
            "could you lead Taylor to the kitchen",
            '( guide ( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ) " <room> " )',
            ["Taylor", "kitchen"],
        ),
        ("may I ask you something", '( say ( answer " <question> " ) )', []),
        (
            "put it on the dining table",
            '( put ( lambda $1 e ( is_a $1 " <object> " ) ) " <location> " )',
            ["dining table"],
        ),
        (
            "take the cup from the couch and put it on the table the dining table",
            '( put ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) '
            '" <location> " )',
            ["mug", "sofa", "dining table"],
        ),
    ],
)
def test_commands_are_understood(
    language: LanguagePlugin, text: str, form: str, names: list[str]
) -> None:
    meaning = meant(language, text)
    assert " ".join(meaning.form) == form
    assert [entity.name for entity in meaning.entities] == names
    assert meaning.probability > 0.5
    assert meaning.runner_up != meaning.form


@pytest.mark.parametrize(
    "text",
    [
        "what is the weather like today",
        "switch on the light in the kitchen",
        "boil two eggs",
        "how are you",
        "don't go to the kitchen",
        "wo ist die küche bitte",
        "grumble fizzle womp",
        "",
        "bring " * 200,
    ],
)
def test_what_is_no_command_is_declined(language: LanguagePlugin, text: str) -> None:
    meaning = meant(language, text)
    assert meaning.form == (UNKNOWN,) or meaning.probability < 0.5


def test_probes_written_by_hand(language: LanguagePlugin) -> None:
    """The rates of the model card, with room for rounding on other processors."""
    right, declined = [], []
    for one in read_pairs(PROBES):
        meaning = meant(language, one.text)
        sure = meaning.known and meaning.probability >= 0.5
        if one.form == UNKNOWN:
            declined.append(not sure)
        else:
            right.append(sure and " ".join(meaning.form) == one.form)
    assert np.mean(right) >= 0.93
    assert np.mean(declined) >= 0.85


def test_energy_falls_from_the_first_step_to_the_last(language: LanguagePlugin) -> None:
    curves = []
    for one in read_pairs(PROBES)[:60]:
        state = language.init_state(heard(one.text), {})
        energies = []
        for _ in range(10):
            state = language.project(language.step(state))
            energies.append(language.energy(state))
        curves.append(energies)
    means = np.mean(curves, 0)
    assert means[-1] <= means[0]
    passes = means[1::2]  # the first half of the next one has fewer layers to be sure with
    assert all(later <= earlier + 0.02 for earlier, later in pairwise(passes))


def test_an_easy_command_stops_at_once_because_it_is_certain(language: LanguagePlugin) -> None:
    outcome = refine(language, heard("go to the kitchen"))
    assert outcome.reason is HaltReason.FEASIBLE
    assert outcome.trajectory.steps == 1
    assert outcome.trajectory.saved_steps == language.config.max_steps - 1
    assert outcome.trajectory.best_energy is not None
    assert outcome.trajectory.best_energy < language.config.certain_nats


def test_without_that_it_stops_early_because_the_meaning_stands() -> None:
    outcome = refine(LanguagePlugin(LanguageConfig(certain_nats=0.0)), heard("go to the kitchen"))
    assert outcome.reason is HaltReason.STABLE
    assert 2 <= outcome.trajectory.steps <= 3


def test_stopping_when_certain_changes_no_form(language: LanguagePlugin) -> None:
    patient = LanguagePlugin(LanguageConfig(certain_nats=0.0))
    texts = [one.text for one in read_pairs(PROBES)]
    stopped = 0
    for text in texts:
        early, late = refine(language, heard(text)), refine(patient, heard(text))
        assert early.result is not None
        assert late.result is not None
        if early.reason is HaltReason.FEASIBLE:
            stopped += 1
            assert early.result.form == late.result.form
    assert stopped > 0.7 * len(texts)


@pytest.mark.parametrize("threads", [1, 2])
def test_together_each_command_is_read_as_alone(threads: int) -> None:
    """Of any length, in any company, empty ones among them; the curves agree to rounding."""
    plugin = LanguagePlugin(LanguageConfig(threads=threads))
    texts = [one.text for one in read_pairs(PROBES)] + ["", "bring " * 200]
    together = [Refinement(plugin, heard(text)) for text in texts]
    going = together
    while going:
        steps = advance_together(going)
        going = [one for one, goes_on in zip(going, steps, strict=True) if goes_on]
    for one, text in zip(together, texts, strict=True):
        alone = refine(plugin, heard(text))
        assert one.outcome is not None
        assert one.outcome.reason is alone.reason
        assert one.outcome.trajectory.energies == pytest.approx(alone.trajectory.energies, abs=0.02)
        assert one.outcome.result is not None
        assert alone.result is not None
        assert one.outcome.result.form == alone.result.form


def test_commands_at_different_halves_go_on_together(language: LanguagePlugin) -> None:
    """One has read the first half of a pass, one the whole, one nothing yet."""
    texts = ["bring me the apple from the kitchen table", "stop", "find the mug in the bedroom"]
    states = []
    for steps, text in enumerate(texts):
        state = language.init_state(heard(text), {})
        for _ in range(steps):
            state = language.project(language.step(state))
        states.append(state)
    for one, together in zip(states, language.step_batch(states), strict=True):
        alone = language.step(one)
        assert together.form == alone.form
        assert together.draft.energy == pytest.approx(alone.draft.energy, abs=0.02)
        assert (together.draft.hidden is None) == (alone.draft.hidden is None)


def test_a_batch_is_few_runs_of_the_network(language: LanguagePlugin, monkeypatch) -> None:
    backend = language._parser.lower
    sizes: list[int] = []
    infer = backend.infer

    def counted(inputs):
        sizes.append(len(inputs["tokens"]))
        return infer(inputs)

    monkeypatch.setattr(backend, "infer", counted)
    states = [language.init_state(heard(one.text), {}) for one in read_pairs(PROBES)[:24]]
    assert len(language.step_batch(states)) == 24
    assert len(sizes) <= 3
    assert sum(sizes) == 24


def test_meaning_tells_commands_apart(language: LanguagePlugin) -> None:
    """The [CLS] vector is no constant: halting by it means something."""
    vectors = []
    for text in ("go to the kitchen", "how many apples are in the kitchen", "stop", "find the mug"):
        state = language.step(language.init_state(heard(text), {}))
        vectors.append(state.draft.meaning / np.linalg.norm(state.draft.meaning))
    cosines = np.array(vectors) @ np.array(vectors).T
    assert (cosines[~np.eye(4, dtype=bool)] < language.config.stable_cosine - 0.1).all()


def test_the_first_step_sees_nothing_but_masks(language: LanguagePlugin) -> None:
    state = language.init_state(heard("go to the kitchen"), {"form": '( go " <room> " )'})
    assert (state.draft.slots == MASK_ID).all()


def test_a_restarted_command_is_understood(language: LanguagePlugin) -> None:
    meaning = meant(language, "go to the cabinet go to the cabinet and find the apple")
    assert meaning.named("location") == ("cabinet",)


@pytest.mark.parametrize(
    "observation",
    [
        "go to the kitchen",
        Observation("test", "camera", 0.0, 0, Frame(np.zeros((4, 4, 3), np.uint8))),
        Observation("test", "speech", 0.0, 0, Utterance(None)),  # type: ignore[arg-type]
    ],
)
def test_anything_but_speech_is_refused(language: LanguagePlugin, observation: object) -> None:
    with pytest.raises(PluginError, match="language"):
        language.init_state(observation, {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_steps": 0}, r"max_steps 0 must be in \[1, 32\]"),
        ({"stable_cosine": 0.0}, r"stable_cosine 0.0 must be in \(0, 1\]"),
        ({"certain_nats": -0.1}, r"certain_nats -0.1 must be in \[0, 10\]"),
        ({"threads": 65}, r"threads 65 must be in \[1, 64\]"),
    ],
)
def test_settings_are_checked(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageConfig(**values)


def test_corrupt_weights_are_a_model_error() -> None:
    with pytest.raises(ModelError, match="restore it with"):
        LanguagePlugin(weights=(b"not a model", b"nor this"))
