"""The ladder's table: `ladder.json` for machines, `ladder.md` and `ladder.png` for people."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from batikkit import atomic
from batikkit_exporters.ladder.rungs import Climbed, Step

SCHEMA_VERSION = 2
"""2: each step's `figures` were called `judgement`."""
LADDER_JSON, LADDER_PAGE, LADDER_PLOT = "ladder.json", "ladder.md", "ladder.png"
WORST_LAYERS = 12


def write_ladder(climbed: Climbed, folder: Path) -> None:
    """Writes all three into the export folder."""
    atomic.write_json(folder / LADDER_JSON, to_plain(climbed))
    atomic.write_text(folder / LADDER_PAGE, to_markdown(climbed))
    with atomic.replacing(folder / LADDER_PLOT) as temporary:
        _plot(climbed, temporary)


def to_plain(climbed: Climbed) -> dict[str, object]:
    """As JSON values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "goal": asdict(climbed.goal),
        "photographs": climbed.photographs,
        "steps": [{**asdict(step), "on_front": step in pareto_front(climbed.steps)} for step in climbed.steps],
        "chosen": {"rung": climbed.chosen.rung, "candidate": climbed.chosen.candidate, "passed": climbed.chosen.passed},
        "layers_by_harm": [asdict(layer) for layer in climbed.harm],
    }


def pareto_front(steps: tuple[Step, ...]) -> list[Step]:
    """The steps that no other one beats in agreement, size and latency at once."""

    def beaten(step: Step) -> bool:
        return any(_at_least(other, step) and not _at_least(step, other) for other in steps)

    return [step for step in steps if not beaten(step)]


def _at_least(left: Step, right: Step) -> bool:
    """Whether the left one is as good or better in every respect; latencies within 5 % are equal."""
    a, b = left.figures, right.figures
    return a.agreement >= b.agreement and a.size_bytes <= b.size_bytes * 1.001 and a.latency_ms <= b.latency_ms * 1.05


def to_markdown(climbed: Climbed) -> str:
    """A page with the table and the layers that hurt most."""
    goal, chosen, front = climbed.goal, climbed.chosen, pareto_front(climbed.steps)
    verdict = "reached the goal" if chosen.passed else "is the nearest to the goal, which no rung reached"
    lines = [
        "# Quantization ladder",
        "",
        f"Goal: drop of at most {goal.drop_pp:g} points, agreement of at least {100 * goal.agreement:g} %.",
        f"Judged on {climbed.photographs} validation photographs and their views; no test photograph was used. Latency "
        "is the median of one thread on the exporting machine, no proxy for a phone.",
        f"**{chosen.rung}** ({chosen.candidate}) {verdict}.",
        "",
        "| rung | candidate | n | drop, points | agreement, % | mean difference | MB | ms | integer | front | goal |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for step in climbed.steps:
        j = step.figures
        lines.append(
            f"| {step.rung} | {step.candidate} | {j.n} | {j.drop_pp:+.2f} | {100 * j.agreement:.2f} | "
            f"{j.mean_difference:.4f} | {j.size_bytes / 1e6:.2f} | {j.latency_ms:.1f} | "
            f"{'yes' if j.integer_only else 'no'} | {'yes' if step in front else ''} | {'met' if step.passed else ''} |"
        )
    lines += ["", "## Layers that hurt most", "", "| layer | operator | shift of the margin, nats |", "|---|---|---|"]
    lines += [f"| {h.tensor} | {h.kind} | {h.margin_shift:.4f} |" for h in climbed.harm[:WORST_LAYERS]]
    return "\n".join(lines) + "\n"


def _plot(climbed: Climbed, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        steps = climbed.steps
        names = [f"{step.rung}\n{step.candidate}" for step in steps]
        colours = ["#2a6f4e" if step.passed else "#b5532a" for step in steps]
        places = range(len(steps))
        flips = [100 * (1 - step.figures.agreement) for step in steps]
        left.barh(places, flips, color=colours)
        left.axvline(100 * (1 - climbed.goal.agreement), color="black", linewidth=1, linestyle="--")
        left.set_yticks(places, names, fontsize=7)
        left.invert_yaxis()
        left.set_xlabel("answers that differ from the float network, %")
        left.set_title("Rungs (dashed: goal)", fontsize=10)
        worst = climbed.harm[:WORST_LAYERS]
        right.barh(range(len(worst)), [layer.margin_shift for layer in worst], color="#4a5d8a")
        right.set_yticks(range(len(worst)), [_short(layer.tensor) for layer in worst], fontsize=6)
        right.invert_yaxis()
        right.set_xlabel("shift of the margin, nats")
        right.set_title("Layers that hurt most", fontsize=10)
        figure.savefig(path, dpi=150)


def _short(name: str) -> str:
    """The part of a tensor's name that tells the layer: converters join all fused names with semicolons."""
    parts = [part for part in name.split(";") if part]
    words = parts[0].split("/") if parts else [name]
    useful = [word for word in words if word and not word.startswith(("batik_", "PartitionedCall", "Stateful"))]
    return (useful[0] if useful else name)[:32]
