"""When words are believed that no grammar bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.hearing.artifacts import load_card
from models.hearing.belief import FEATURES, Belief, Signs, belief_from
from models.hearing.card import ACCEPT
from models.hearing.fitting import logistic, shifted
from models.hearing.noises import NOISES, made, mixed
from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import ConfigError, ModelError

GOOD = Signs(-0.15, 0.05, 0.98, 0.95, 2.0, "go to the kitchen please")


def test_the_shipped_belief_accepts_clear_commands_and_no_others() -> None:
    belief = belief_from(load_card())
    assert belief.of(GOOD) > 0.8
    assert belief.of(replace(GOOD, understood=0.0)) == 0.0
    for worse in (
        replace(GOOD, log_probability=-1.5),
        replace(GOOD, no_speech=0.9, log_probability=-0.8),
        replace(GOOD, unknown=5, log_probability=-0.8),
        replace(GOOD, prompted=True, log_probability=-1.2),
    ):
        assert belief.of(worse) < ACCEPT


def test_an_accent_is_no_other_language() -> None:
    belief = belief_from(load_card())
    assert belief.of(replace(GOOD, english=0.6)) == pytest.approx(belief.of(GOOD))
    assert belief.of(replace(GOOD, english=0.01)) < belief.of(GOOD)


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": [1.0]},
        {"scale": [0.0] * len(FEATURES)},
        {"bias": float("nan")},
        {"complete": 2.0},
        {"mean": None},
    ],
)
def test_a_damaged_belief_is_refused(damage: dict[str, object]) -> None:
    card = load_card()
    with pytest.raises(ModelError, match=r"belief|scales|complete"):
        belief_from({**card, "belief": {**card["belief"], **damage}})
    with pytest.raises(ModelError, match="'belief'"):
        belief_from({})


def test_logistic_finds_what_tells_right_from_wrong() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 2))
    right = list(features[:, 0] + 0.3 * rng.standard_normal(400) > 0)
    mean, scale, weights, bias = logistic(features, right)
    assert weights[0] > 5 * abs(weights[1])
    assert abs(bias) < 1.0
    assert len(mean) == len(scale) == 2


def test_the_operating_point_lets_so_many_pass() -> None:
    chances = np.linspace(0.05, 0.95, 100)
    bias = shifted(0.0, list(chances), 0.02, ACCEPT)
    moved = 1 / (1 + np.exp(-(np.log(chances / (1 - chances)) + bias)))
    assert (moved > ACCEPT + 1e-9).mean() == pytest.approx(0.02)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_has_its_level(kind: str) -> None:
    rng = np.random.default_rng(1)
    talk = [rng.standard_normal(5000).astype(np.float32) * 0.1]
    voice = (0.3 * np.sin(np.arange(RATE_HZ) / 5)).astype(np.float32)
    together = mixed(voice, kind, 10.0, rng, talk)
    lead = RATE_HZ // 2
    assert len(together) == 2 * RATE_HZ
    assert np.abs(together).max() <= 1.0
    alone = np.concatenate([together[: lead - 100], together[-lead + 100 :]])
    ratio = np.square(together[lead:-lead]).mean() / np.square(alone).mean()
    assert 4 < ratio < 40  # 11 where the noise is steady
    assert math.isfinite(float(together.sum()))


def test_unknown_noise_names_the_others() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ConfigError, match="'rain' is unknown; valid: pink, babble, music"):
        made("rain", 100, rng, [])
    with pytest.raises(ConfigError, match="babble needs recordings"):
        made("babble", 100, rng, [])


def test_a_belief_checks_itself() -> None:
    zeros = (0.0,) * len(FEATURES)
    with pytest.raises(ModelError, match="scales above 0"):
        Belief(zeros, zeros, zeros, 0.0)
