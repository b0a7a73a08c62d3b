"""The lines of the README's table: which figure, in which words, with what beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table.

    Attributes:
        id: the row's, in the results.
        what: it says what was measured.
        form: how the value is written, a format of ``value``.
        beside: the baselines that matter, each a text around ``{its name:its format}``, whatever
            characters the name has; what a result lacks is left out.
        command: prints it.
    """

    id: str
    what: str
    form: str
    beside: tuple[str, ...]
    command: str


_PEERS = "make bench"
_VISION = "python -m benchmarks.vision"
_DETECTION = "python -m benchmarks.detection"
_INTERVAL = "95 % {low:+.2f} to {high:+.2f}"
FIGURES = (
    Figure(
        "overhead.step_us",
        "a step of a plugin that costs nothing, everything on, until its telemetry is written",
        "{value:.1f} us",
        ("to its result {to the result:.1f} us", "p95 {p95:.1f} us"),
        _PEERS,
    ),
    Figure(
        "overhead.cycle_us",
        "a cycle of three one-step plugins, to their results",
        "{value:.0f} us",
        ("until written {until written:.0f} us", "p95 {p95:.0f} us"),
        _PEERS,
    ),
    Figure(
        "overhead.ratio_ray",
        "a Ray actor call, in steps of a lane (submit to result; process to process)",
        "{value:.0f}",
        (
            "submit to result {to submit to result:.1f}",
            "process to process {process to process:.1f}",
        ),
        _PEERS,
    ),
    Figure(
        "overhead.ratio_dora",
        "a dora message and its answer, in steps of a lane (submit to result; process to process)",
        "{value:.0f}",
        (
            "submit to result {to submit to result:.1f}",
            "process to process {process to process:.1f}",
        ),
        _PEERS,
    ),
    Figure(
        "overhead.ratio_py_trees",
        "a py_trees tick of three, in our cycles (which also meter, trust, log)",
        "{value:.2f}",
        ("theirs {peer us:.0f} us",),
        _PEERS,
    ),
    Figure(
        "overhead.ratio_gather",
        "`asyncio.gather` of three, in our cycles",
        "{value:.2f}",
        ("theirs {peer us:.0f} us",),
        _PEERS,
    ),
    Figure(
        "process.frame_round_trip_us",
        "a 224x224 picture to a plugin in a process of its own, and back",
        "{value:.0f} us",
        (
            "p95 {p95:.0f} us",
            "`multiprocessing.Pipe`, pickled, {multiprocessing.Pipe, pickled:.0f} us",
        ),
        "python -m benchmarks.process_hop",
    ),
    Figure(
        "budget.regret",
        "utility lost against a bound on what any clairvoyant could have, at half of demand",
        "{value:.3f}",
        (
            "95 % {low:.3f} to {high:.3f}",
            "a clairvoyant oracle {oracle:.3f}",
            "the best fixed number of steps {fixed:.3f}",
            "proportional {proportional:.3f}",
            "EDF with first steps first {edf first:.3f}",
        ),
        "python -m benchmarks.budget",
    ),
    Figure(
        "budget.margin_equal",
        "utility gained over an equal split, overloaded",
        "{value:+.2f}",
        (
            _INTERVAL,
            "over one with the same admission {same_admission:+.2f}",
            "over proportional {over_proportional:+.2f}",
        ),
        "python -m benchmarks.budget",
    ),
    Figure(
        "budget.margin_edf",
        "utility gained over earliest deadline first, overloaded",
        "{value:+.2f}",
        (
            _INTERVAL,
            "over EDF with first steps first {over_edf_first:+.2f}",
            "with the same admission too {same_admission:+.2f}",
        ),
        "python -m benchmarks.budget",
    ),
    Figure(
        "budget.apartment_half",
        "commands completed with half the ATP, of those completed with all",
        "{value:.2f}",
        ("of all, done with all {done with all:.1%}", "done with half {done with 0.5:.1%}"),
        "python -m benchmarks.apartment --budget 0.5 --seeds 0:5 --limit 120",
    ),
    Figure(
        "budget.conservation_violations",
        "moments at which more was granted than there is, every policy",
        "{value:.0f}",
        ("in {operations:,.0f} random operations",),
        "python -m benchmarks.conservation",
    ),
    Figure(
        "deadline.miss_simulated",
        "deadlines missed at 80 % load, virtual time",
        "{value:.4%}",
        ("without a runtime (FIFO) {no runtime (FIFO):.1%}", "{ticks:,.0f} ticks"),
        "python -m benchmarks.deadline",
    ),
    Figure(
        "deadline.miss_real",
        "the same in real time",
        "{value:.4%}",
        (
            "without a runtime (FIFO) {no runtime (FIFO):.1%}",
            "{ticks:,.0f} ticks",
            "by the machine's stalls alone {late by the machine alone:.4%}",
        ),
        "python -m benchmarks.deadline",
    ),
    Figure(
        "throughput.parses_per_s",
        "language parses through the orchestrator, batched, per second",
        "{value:.0f}",
        (
            "one at a time {one at a time:.0f}",
            "the bare network, batched {bare parser, batched:.0f}",
        ),
        "python -m benchmarks.throughput",
    ),
    Figure(
        "latency.simple_ms_p99",
        "submit to result of a warm one-step task, p99",
        "{value:.2f} ms",
        ("p50 {p50:.2f} ms", "thread pool's p99 {thread pool p99:.2f} ms"),
        "python -m benchmarks.latency",
    ),
    Figure(
        "fault.p99_inflation",
        "others' p99 beside a hung, a crashing, a NaN and a lock-holding plugin",
        "{value:+.1%}",
        ("alone {p99 ms alone:.2f} ms", "beside them {p99 ms beside them:.2f} ms"),
        "python -m benchmarks.fault",
    ),
    Figure(
        "vision.encode_ms",
        "vision: a frame to its latent",
        "{value:.2f} ms",
        (
            "p95 {p95:.2f} ms",
            "on one thread {one_thread:.2f} ms",
            "a step {a_step:.2f} ms",
        ),
        _VISION,
    ),
    Figure(
        "vision.decode_ms",
        "vision: a latent to its picture",
        "{value:.2f} ms",
        ("p95 {p95:.2f} ms", "on one thread {one_thread:.2f} ms"),
        _VISION,
    ),
    Figure(
        "vision.psnr_clean",
        "vision: a clean picture's PSNR, over a block PCA of as many numbers",
        "{value:+.2f} dB",
        ("refined {full:.1f} dB", "the PCA {block_pca:.1f} dB"),
        _VISION,
    ),
    Figure(
        "vision.margin_noise50",
        "noise of sigma 50 of 255: PSNR over the best that is simpler (PCA, non-local means, ...)",
        "{value:+.2f} dB",
        ("refined {full:.1f} dB", "the PCA {block PCA:.1f} dB", "input {input:.1f} dB"),
        _VISION,
    ),
    Figure(
        "vision.margin_holes",
        "30 % hidden: PSNR in the holes over the best that is simpler (PCA, Telea, ...)",
        "{value:+.2f} dB",
        ("refined {full:.1f} dB", "the PCA {block PCA:.1f} dB", "Telea {Telea 5 px:.1f} dB"),
        _VISION,
    ),
    Figure(
        "vision.margin_single_pass",
        "PSNR of all steps over one, mean of seven degradations",
        "{value:+.2f} dB",
        (
            "noise 50 {noise50:+.2f}",
            "holes {holes:+.2f}",
            "blur {blur:+.2f}",
            "over each part refined once {over_step_4:+.2f}",
            "blur over what is simpler {blur_over_simpler:+.2f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.energy_rho",
        "vision's energy with the true error, rank correlation over pictures; the worst case",
        "{value:.2f}",
        (
            "noise 50 {noise50:.2f}",
            "holes {holes:.2f}",
            "blur {blur:.2f}",
            "blur of one length {blur_10px:.2f}",
            "of the picture's gradients alone {gradient_worst:.2f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.saving_full",
        "time of all steps, in halted refinements (1 where these lose over 1 % of the gain)",
        "{value:.2f}",
        (
            "measured {ratio:.2f}, 95 % {low:.2f} to {high:.2f}",
            "of the gain lost {part_lost:.1%}",
            "picture included {with_decoding:.2f}",
            "of a fixed plan as good {fixed_as_good:.2f}",
            "of as good passes over the whole frame at once {passes_as_good:.2f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.saving_fixed",
        "time of the best fixed number of steps that is no worse, in halted refinements",
        "{value:.2f}",
        (
            "95 % {low:.2f} to {high:.2f}",
            "picture included {with_decoding:.2f}",
            "of passes over the whole frame at once {over_passes:.2f}",
            "halted {steps_mean:.2f} steps, as good if told the degradation "
            "{steps_told_degradation:.2f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.halt_rho",
        "vision's halting step with what there is to gain, rank correlation",
        "{value:.2f}",
        (
            "within a degradation {within_a_degradation:.2f}",
            "of a degradation's mean step {degradation_alone:.2f}",
            "with the step of one who knows the truth {steps_of_one_who_knows:.2f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.apartment_f1",
        "vision: things found in apartments never trained on, F1 at IoU 0.5",
        "{value:.3f}",
        (
            "precision {precision:.2f}",
            "recall {recall:.2f}",
            "{required:.0f} things to find",
            "after one step {step_1:.3f}",
        ),
        _VISION,
    ),
    Figure(
        "vision.rss_mb",
        "vision: memory that the plugin and a frame add",
        "{value:.0f} MiB",
        ("ONNX Runtime alone {onnxruntime:.0f} MiB",),
        _VISION,
    ),
    Figure(
        "detection.saving",
        "time of every crop of every frame, in ours (1 where ours loses over 1 % of F1)",
        "{value:.1f}",
        (
            "measured {measured:.1f}",
            "F1 lost {F1 lost:.2%}",
            "looks saved by looking in turn {in turn, losing 1 %:.1f}",
            "by skipping frames {skipping frames, losing 1 %:.1f}",
            "F1 lost against each frame by itself {F1 lost by itself:.1%}",
        ),
        _DETECTION,
    ),
    Figure(
        "detection.margin_whole_frame",
        "detection: F1 gained over the whole frame alone",
        "{value:+.3f}",
        (
            "of what is clear of the threshold {of what is clear:+.3f}",
            "as many looks at random {fixed, random:+.3f}",
            "in turn {fixed, in turn:+.3f}",
            "at the largest gains {fixed, largest gains:+.3f}",
            "the whole frame at its best threshold {whole frame, best threshold:+.3f}",
        ),
        _DETECTION,
    ),
)
