"""One stage of training: batches to a moving average of weights, stopped and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from models.vision.examples import prefetched
from models.vision.network import VisionModel
from models.vision.settings import Cycle

B = TypeVar("B")
_SAVED_EVERY = 250
_TOLD_EVERY = 100


class Lesson(Protocol[B]):
    """What a stage trains, on what, and by which loss."""

    @property
    def cycle(self) -> Cycle:
        """Its learning-rate cycle."""

    def parts(self, model: VisionModel) -> nn.ModuleList:
        """The modules that change; all else stays as it is."""

    def slow(self, model: VisionModel) -> dict[nn.Parameter, float]:
        """Factors on the learning rate of some of their weights; 0 freezes."""

    def batches(self, first: int) -> Iterator[B]:
        """Batches from iteration ``first`` on; the same ones whenever it starts there."""

    def loss(self, model: VisionModel, batch: B, iteration: int) -> Tensor:
        """The loss of one batch."""


@dataclass(slots=True)
class Learner:
    """What a checkpoint holds: where a stage is, and everything that it changes."""

    iteration: int
    model: VisionModel
    average: VisionModel
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    def save(self, path: Path, key: str) -> None:
        """Write a checkpoint, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        state: dict[str, Any] = {"key": key, "iteration": self.iteration}
        for name in ("model", "average", "optimiser", "schedule"):
            state[name] = getattr(self, name).state_dict()
        torch.save(state, part)
        part.replace(path)

    def restore(self, path: Path, key: str) -> None:
        """Take up where ``path`` left off, if it is there and belongs to these settings."""
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True)
        if saved["key"] != key:
            return
        self.iteration = saved["iteration"]
        for name in ("model", "average", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(saved[name])


def finished(path: Path, key: str, iterations: int) -> bool:
    """Whether ``path`` holds a stage with this key that was trained to its end."""
    if not path.exists():
        return False
    saved = torch.load(path, weights_only=True)
    return bool(saved["key"] == key and saved["iteration"] >= iterations)


def begin(lesson: Lesson[Any], model: VisionModel) -> Learner:
    """The start of a stage, from ``model``, which becomes the average."""
    cycle, changing = lesson.cycle, VisionModel()
    changing.load_state_dict(model.state_dict())
    changing.requires_grad_(False)
    factors = lesson.slow(changing)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in lesson.parts(changing).parameters():
        if factors.get(parameter, 1.0) > 0.0:
            parameter.requires_grad_(True)
            decays = cycle.decay_vectors or parameter.ndim > 1
            groups.setdefault((factors.get(parameter, 1.0), decays), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": factor * cycle.learning_rate,
            "weight_decay": cycle.weight_decay if decays else 0.0,
        }
        for (factor, decays), parameters in groups.items()
    ]
    optimiser = torch.optim.AdamW(settings, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [group["lr"] for group in settings],  # type: ignore[misc]
        total_steps=cycle.iterations + 1,
        pct_start=cycle.rising,
    )
    return Learner(0, changing, model, optimiser, schedule)


@torch.no_grad()
def track(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the running average of the weights, which is what is exported."""
    current = dict(model.state_dict())
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1.0 - decay)
        else:
            value.copy_(current[name])


def learn(
    name: str,
    lesson: Lesson[Any],
    model: VisionModel,
    decay: float,
    checkpoint: Path,
    key: str,
) -> VisionModel:
    """The average of the weights over a stage that begins with ``model``.

    Goes on from ``checkpoint`` where its ``key`` is this one. A gradient that is not finite
    changes nothing.
    """
    state = begin(lesson, model)
    state.restore(checkpoint, key)
    total = lesson.cycle.iterations
    with Progress(
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    ) as bar:
        task = bar.add_task(name, total=total, completed=state.iteration, loss=float("nan"))
        running = None
        for batch in prefetched(lesson.batches(state.iteration)):
            loss = _step(state, lesson, batch, decay)
            running = loss if running is None else 0.98 * running + 0.02 * loss
            bar.update(task, advance=1, loss=running)
            if state.iteration % _TOLD_EVERY == 0:
                bar.console.print(f"{name} {state.iteration}: loss {running:.4f}")
            if state.iteration % _SAVED_EVERY == 0:
                state.save(checkpoint, key)
    state.save(checkpoint, key)
    return state.average.eval()


def _step(state: Learner, lesson: Lesson[Any], batch: Any, decay: float) -> float:
    """One batch; returns its loss."""
    state.model.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = lesson.loss(state.model, batch, state.iteration)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    changing = [p for p in state.model.parameters() if p.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(changing, lesson.cycle.clip)
    if bool(torch.isfinite(norm)):
        state.optimiser.step()
    state.schedule.step()
    early = min(decay, (1 + state.iteration) / (10 + state.iteration))
    for mean, current in zip(lesson.parts(state.average), lesson.parts(state.model), strict=True):
        track(mean, current, early)
    state.iteration += 1
    return float(loss.detach())
