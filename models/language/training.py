"""The two trainings: from nothing on the grammar, and from there on people's paraphrases."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.language import grammar, words
from models.language.batching import Batch, Source, batches
from models.language.corpus import pool
from models.language.forms import MASK_ID, PAD_ID, VOCABULARY
from models.language.settings import TrainConfig
from models.language.swaps import swapped
from models.language.teacher import WIDTH, Teacher
from models.language.tiny_bert import NetworkConfig, TinyBert
from models.language.words import WordTokenizer

_LOG: Final = logging.getLogger(__name__)

Pairs = list[tuple[tuple[str, ...], str]]
# A word that means something alone is no word salad.
_MEANT_ALONE: Final = frozenset(
    [
        "stop",
        "halt",
        "freeze",
        "wait",
        "return",
        "stay",
        "cancel",
        "abort",
        "pause",
        "cease",
        "quit",
        "park",
        "home",
        "back",
    ]
)


class Pupil(nn.Module):
    """The network with what only training needs: heads for the meaning vector."""

    def __init__(self, network: TinyBert) -> None:
        super().__init__()
        self.network = network
        self.bag = nn.Linear(network.config.width, len(VOCABULARY))
        self.sentence = nn.Linear(network.config.width, WIDTH)


def vocabulary_from(teacher: Teacher, pairs: Pairs, config: TrainConfig) -> str:
    """A tokenizer (JSON): the words of the pairs and the teacher's most common ones."""
    common = [token for token in teacher.vocabulary()[1996:] if token.isascii()]
    whole = [token for token in common if token.isalpha()][: config.words]
    pieces = [token for token in common if token.startswith("##") and token[2:].isalpha()][:1200]
    used = dict.fromkeys(
        word for command, _ in pairs for word in command if not word.startswith("<")
    )
    return words.build([*used, *whole], pieces)


def word_vectors(teacher: Teacher, vocabulary: Sequence[str], width: int) -> Tensor:
    """(words, width): the teacher's vectors of words and of what they say alone, compressed."""
    texts = [token.strip("<>[]").removeprefix("##") for token in vocabulary]
    said = teacher.encode(texts, batch=512).float()
    pieces = teacher.piece_vectors()
    entered = torch.stack(
        [
            pieces[teacher.tokenizer.encode(text, add_special_tokens=False).ids or [100]].mean(0)
            for text in texts
        ]
    )
    entered = entered / entered.norm(dim=1).mean()
    both = torch.cat((0.6 * entered, said), 1)
    both = both - both.mean(0)
    _, _, axes = torch.linalg.svd(both, full_matrices=False)
    compressed = both @ axes[:width].T
    return compressed / compressed.norm(dim=1).mean() * 0.05 * math.sqrt(width)


def grammar_pool(
    config: TrainConfig,
    common: tuple[str, ...],
    count: int | None = None,
    outside: float = 0.14,
    own: float = 0.0,
) -> Pairs:
    """Different pairs of the grammar: a share ``own`` of what this robot does, and of the rest a
    share ``outside`` of what is no command."""
    salad = tuple(word for word in common if word not in _MEANT_ALONE)
    return pool(
        count or config.pool,
        config.seed,
        lambda rng: (
            grammar.command(rng, grammar.OWN)
            if own and rng.random() < own
            else grammar.sample(rng, outside, salad)
        ),
    )


def tune_pool(config: TrainConfig, tokenizer: WordTokenizer, count: int) -> Pairs:
    """What fine-tuning sees of the grammar: more of what this robot does and of what is none of
    its business, which paraphrases lack."""
    return grammar_pool(config, known_words(tokenizer), count, outside=0.4, own=0.35)


def common_words(teacher: Teacher, count: int = 4_000) -> tuple[str, ...]:
    """The teacher's most common whole words."""
    return tuple(
        token for token in teacher.vocabulary()[1996:] if token.isascii() and token.isalpha()
    )[:count]


def known_words(tokenizer: WordTokenizer) -> tuple[str, ...]:
    """The whole words that a tokenizer knows."""
    return tuple(
        token
        for token in tokenizer.vocabulary()[words.FIRST_WORD_ID :]
        if token.isascii() and token.isalpha() and len(token) > 1
    )


def masked(
    forms: Tensor, config: TrainConfig, generator: torch.Generator, wholly: Tensor
) -> tuple[Tensor, Tensor]:
    """A form as some step of its refinement sees it, and how much each slot counts.

    A share of the forms is masked wholly, as are those chosen, others to any degree; of what stays
    visible, a part is wrong: replaced by what another form has there. Slots behind the end count
    little.
    """
    count, slots = forms.shape
    used = (forms != PAD_ID).sum(1, keepdim=True) + 1  # with the first padding, which ends it
    degree = torch.rand(count, 1, generator=generator)
    whole = torch.rand(count, 1, generator=generator) < config.all_masked
    order = torch.rand(count, slots, generator=generator).argsort(1).argsort(1)
    hide = whole | wholly[:, None] | (order < (degree * (slots + 1)).floor())
    wrong = torch.rand(count, slots, generator=generator) < config.wrong
    others = forms[torch.randperm(count, generator=generator)]
    seen = torch.where(wrong, others, forms)
    seen = torch.where(hide, torch.full_like(forms, MASK_ID), seen)
    counts = torch.where(hide, 1.0, 0.3)
    behind = torch.arange(slots)[None] >= used
    return seen, torch.where(behind, 0.1 * counts, counts)


def loss_of(pupil: Pupil, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Forms from masked forms; and from [CLS] what the form holds and what the teacher says."""
    guessing = (batch.hidden > 0).any(1)
    seen, counts = masked(batch.forms, config, generator, guessing)
    read = pupil.network(batch.tokens, seen, batch.real)
    total = torch.zeros(())
    for logits, weight in ((read.slot_logits, 1.0), (read.early_logits, config.early_weight)):
        entropy = F.cross_entropy(
            logits.float().flatten(0, 1),
            batch.forms.flatten(),
            reduction="none",
            label_smoothing=config.smoothing,
        )
        total = total + weight * (entropy * counts.flatten()).sum() / counts.sum()
    alike = F.cosine_similarity(read.early_meaning.float(), read.meaning.detach().float())
    total = total + 0.2 * (1.0 - alike.mean())
    held = torch.zeros(len(seen), len(VOCABULARY)).scatter_(1, batch.forms, 1.0)
    bag = F.binary_cross_entropy_with_logits(pupil.bag(read.meaning).float(), held)
    total = total + config.bag_weight * 10.0 * bag
    known = ~batch.vectors[:, 0].isnan()
    if bool(known.any()):
        said = F.normalize(pupil.sentence(read.meaning[known]).float(), dim=-1)
        agreement = (said * batch.vectors[known]).sum(-1).mean()
        total = total + config.taught_weight * (1.0 - agreement)
    if bool(guessing.any()):
        asked = batch.hidden > 0
        logits = F.linear(read.words[asked], pupil.network.word.weight)
        guess = F.cross_entropy(logits.float(), batch.hidden[asked])
        total = total + config.word_weight * guess
    return total


def train(
    pupil: Pupil,
    source: Iterator[Batch],
    steps: int,
    learning_rate: float,
    config: TrainConfig,
    *,
    seed: int,
    checkpoint: Path | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> Pupil:
    """Train in place for so many steps; the running average of the weights comes back.

    With a ``checkpoint`` the state is saved every 200 steps, and a stopped run goes on from there.
    """
    generator = torch.Generator().manual_seed(seed)
    vectors = [pupil.network.word.weight]
    rest = [p for p in pupil.parameters() if p is not pupil.network.word.weight]
    optimiser = torch.optim.AdamW(
        [
            {"params": rest, "lr": learning_rate},
            {"params": vectors, "lr": 0.3 * learning_rate, "weight_decay": 0.0},
        ],
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )
    warm_up = max(1, min(200, steps // 10))

    def rate(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    average = copy.deepcopy(pupil).eval()
    start = 0
    if checkpoint is not None and checkpoint.exists():
        saved: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        pupil.load_state_dict(saved["pupil"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        start = int(saved["step"])
    pupil.train()
    began = time.perf_counter()
    for step in range(start, steps):
        batch = next(source)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(pupil, batch, config, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        decay = min(config.average_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, now in zip(average.parameters(), pupil.parameters(), strict=True):
                kept.lerp_(now, 1.0 - decay)
        value = float(loss.detach())
        if watch is not None:
            watch(step + 1, value)
        if (step + 1) % 50 == 0:
            per_step = (time.perf_counter() - began) / (step + 1 - start)
            _LOG.info("step %d of %d: loss %.3f, %.2f s a step", step + 1, steps, value, per_step)
        if checkpoint is not None and ((step + 1) % 200 == 0 or step + 1 == steps):
            _save(
                checkpoint,
                pupil=pupil.state_dict(),
                average=average.state_dict(),
                optimiser=optimiser.state_dict(),
                schedule=schedule.state_dict(),
                step=step + 1,
            )
    return average


def _save(path: Path, **content: Any) -> None:
    """Replace a checkpoint at once, so that a stop in between leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def pretrained(
    config: TrainConfig,
    tokenizer: WordTokenizer,
    pairs: Pairs,
    generated: Pairs,
    teacher: Teacher,
    folder: Path,
    watch: Callable[[int, float], None] | None = None,
) -> Pupil:
    """The first training. It sees the grammar and the competition's generated commands only."""
    torch.manual_seed(config.seed)
    network = TinyBert(NetworkConfig(words=tokenizer.size))
    with torch.no_grad():
        network.word.weight.copy_(
            word_vectors(teacher, tokenizer.vocabulary(), network.config.width)
        )
    texts = [
        " ".join(command).replace("<", "").replace(">", "") for command, _ in pairs[: config.taught]
    ]
    vectors_path = folder / f"taught-{config.seed}-{len(texts)}.pt"
    if vectors_path.exists():
        vectors = torch.load(vectors_path, weights_only=True)
    else:
        vectors = teacher.encode(texts)
        vectors_path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(vectors, vectors_path)
    sources = [Source(pairs, 0.9, vectors), Source(generated, 0.1)]
    source = batches(sources, tokenizer, config.batch, config.seed)
    return train(
        Pupil(network),
        source,
        config.steps,
        config.learning_rate,
        config,
        seed=config.seed,
        checkpoint=folder / "pretrained.pt",
        watch=watch,
    )


def tuned(
    base: Pupil,
    config: TrainConfig,
    tokenizer: WordTokenizer,
    paraphrased: Pairs,
    generated: Pairs,
    pairs: Pairs,
    seed: int,
    checkpoint: Path | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> Pupil:
    """The second training, from a copy of ``base``: mostly on what people said, as they said it
    and with what they meant exchanged (see :mod:`models.language.swaps`)."""
    torch.manual_seed(seed)
    sources = [
        Source(paraphrased, 0.5),
        Source(swapped(paraphrased, seed), 0.14),
        Source(generated, 0.06),
        Source(pairs, 0.3),
    ]
    source = batches(sources, tokenizer, config.tune_batch, seed)
    return train(
        copy.deepcopy(base),
        source,
        config.tune_steps,
        config.tune_learning_rate,
        config,
        seed=seed,
        checkpoint=checkpoint,
        watch=watch,
    )
