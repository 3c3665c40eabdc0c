"""A comparison as tables: the cells that Markdown, the page and the terminal share, and the Markdown report."""

from __future__ import annotations

from collections.abc import Callable

from batikkit.evaluation.comparison import PUBLISHED, Comparison, Pair, System
from batikkit.evaluation.metrics_file import ConfusedPair, Evaluation, confused_pairs
from batikkit.web_page import markdown_table

PAIRS_SHOWN = 10
MISSES_SHOWN = 60


def percent(fraction: float) -> str:
    """`81.5 %`."""
    return f"{100 * fraction:.1f} %"


def with_interval(fraction: float, interval: tuple[float, float]) -> str:
    """`81.5 % (69.2 to 89.6)`."""
    return f"{percent(fraction)} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def duration(seconds: float) -> str:
    """`48 s`, `6.1 min`, `1.9 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _over_folds(system: System) -> str:
    found = system.over_folds()
    return f"{100 * found[0]:.1f} ± {100 * found[1]:.1f}" if found else ""


def _seconds(system: System) -> str:
    known = [part.seconds for part in system.parts if part.seconds is not None]
    return duration(sum(known)) if known else ""


def _epochs(system: System) -> str:
    known = sorted({part.epochs for part in system.parts if part.epochs is not None})
    return "-".join(str(count) for count in dict.fromkeys((known[0], known[-1]))) if known else ""


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _accuracy(evaluation: Evaluation | None) -> str:
    return with_interval(evaluation.report.accuracy, evaluation.report.accuracy_ci95) if evaluation else ""


def _all_unseen(system: System) -> bool:
    return system.unseen is not None and system.unseen.report.n == system.evaluation.report.n


_COLUMNS: tuple[tuple[str, Callable[[System], str]], ...] = (
    ("system", lambda s: s.title),
    ("accuracy (95 % interval)", lambda s: "" if _all_unseen(s) else _accuracy(s.evaluation)),
    ("accuracy on cloths never seen (95 % interval)", lambda s: _accuracy(s.unseen)),
    ("mean ± sd of folds", _over_folds),
    ("on other photographs", lambda s: _accuracy(s.elsewhere)),
    ("precision", lambda s: f"{s.evaluation.report.macro_precision:.3f}"),
    ("recall", lambda s: f"{s.evaluation.report.macro_recall:.3f}"),
    ("F1", lambda s: f"{s.evaluation.report.macro_f1:.3f}"),
    ("calibration error", lambda s: f"{s.evaluation.calibration_error:.3f}"),
    ("parameters", lambda s: _count(s.parameters)),
    ("trained in the last phase", lambda s: _count(s.parameters_trained)),
    ("epochs", _epochs),
    ("training time", _seconds),
    ("published", lambda s: f"{100 * PUBLISHED[s.name]:.2f} %" if s.name in PUBLISHED else ""),
)


def system_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and one row per system, as the paper's Table 3.1 with what it lacks; empty columns are left out."""
    cells = [[write(system) for _, write in _COLUMNS] for system in comparison.systems]
    used = [index for index in range(len(_COLUMNS)) if any(row[index] for row in cells)]
    return [_COLUMNS[index][0] for index in used], [[row[index] for index in used] for row in cells]


def pair_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and one row for every two systems."""
    titles = {system.name: system.title for system in comparison.systems}
    headings = [
        "better over worse", "lead, points (95 %)", "McNemar p", "p, Holm", "both right", "only better", "only worse",
        "both wrong",
    ]  # fmt: skip
    return headings, [_pair_row(pair, titles) for pair in comparison.pairs]


def _pair_row(pair: Pair, titles: dict[str, str]) -> list[str]:
    low, high = pair.gain_ci95_pp
    return [
        f"{titles[pair.better]} over {titles[pair.worse]}",
        f"{pair.gain_pp:+.1f} ({low:+.1f} to {high:+.1f})",
        p_value(pair.mcnemar_p),
        p_value(pair.holm_p),
        *(str(n) for n in (pair.both_right, pair.only_better, pair.only_worse, pair.both_wrong)),
    ]


def p_value(p: float) -> str:
    """`0.031`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence for every two systems: what the test images can tell about them."""
    titles = {system.name: system.title for system in comparison.systems}
    return [_verdict(pair, titles) for pair in comparison.pairs]


def _verdict(pair: Pair, titles: dict[str, str]) -> str:
    better, worse = titles[pair.better], titles[pair.worse]
    low, high = pair.gain_ci95_pp
    points = f"{pair.gain_pp:.1f} points ({low:+.1f} to {high:+.1f}, p {p_value(pair.holm_p)})"
    if pair.holm_p < 0.05 and low > 0:
        return f"{better} beats {worse} by {points}."
    return f"These images do not tell {better} from {worse}: {points}."


def motif_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and one row per motif: test images, then each system's accuracy on them with its interval."""
    rows = []
    for index, label in enumerate(comparison.labels):
        cells = [motif_accuracy(system, index) for system in comparison.systems]
        n = comparison.systems[0].evaluation.report.per_class[index].support
        rows.append([label, str(n), *("-" if c is None else with_interval(c[0], (c[1], c[2])) for c in cells)])
    return ["motif", "test images", *(system.title for system in comparison.systems)], rows


def motif_accuracy(system: System, index: int) -> tuple[float, float, float] | None:
    """Accuracy on one motif's test images and its interval; None where there are none."""
    motif = system.evaluation.report.per_class[index]
    return (motif.recall, *motif.recall_ci95) if motif.recall_ci95 else None


def confusion_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The motif pairs that the last system confuses most, and how often every system does."""
    found = [{(p.first, p.second): p for p in confused_pairs(s.evaluation)} for s in comparison.systems]
    worst = list(found[-1])[:PAIRS_SHOWN]
    rows = [[" / ".join(motifs), *(_exchange(pairs.get(motifs)) for pairs in found)] for motifs in worst]
    return ["motifs A / B", *(f"{system.title}: A as B / B as A" for system in comparison.systems)], rows


def _exchange(pair: ConfusedPair | None) -> str:
    return f"{pair.first_as_second} / {pair.second_as_first}" if pair else "0 / 0"


def method(comparison: Comparison) -> list[str]:
    """How the figures came about, for those who would doubt them."""
    lines = [f"{comparison.n} test images; no model was trained or chosen with the images it is tested on."]
    if comparison.groups < comparison.n:
        lines.append(
            f"They form {comparison.groups} independent groups. All intervals and tests are those of groups: the "
            "images count as many as would leave the same uncertainty if they were independent (Korn and Graubard "
            "1998), with Student's quantile; the test exchanges whole groups. A motif of few groups is known badly."
        )
    first = comparison.systems[0]
    if first.unseen and not _all_unseen(first):
        lines.append(f"Cloths never seen: {first.unseen.report.n} of the test images show one.")
    if first.elsewhere:
        answers = first.elsewhere.report.n // len(first.parts)
        every = ", each answered by the model of every fold" if len(first.parts) > 1 else ""
        lines.append(
            f"Other photographs: {answers}, of which no model has seen one, nor a copy or a cloth{every}. All other "
            "columns are of the test images."
        )
    lines.append("Intervals of accuracy: Wilson's score interval, 95 %. Precision, recall and F1: means over motifs.")
    if comparison.pairs:
        lines.append(
            "Leads: Tango's score interval of paired proportions on the same test images; McNemar's exact test, "
            "adjusted after Holm."
        )
    if any(system.name in PUBLISHED for system in comparison.systems):
        lines += [
            "Published: the paper's figures, on its own photographs. It calls 99.85 % a training accuracy in one "
            "place; its validation accuracy is 96.67 %.",
            "The network from scratch is a choice of this toolkit (five convolutions), since the paper gives no "
            "layers. It trains as many epochs as both phases together, on equally augmented views.",
            "The frozen system is the model between the two phases of the fine-tuned one: its time is part of the "
            "other's.",
        ]
    return lines


def to_markdown(comparison: Comparison) -> str:
    """The whole report."""
    lines = [f"# {comparison.title}", "", f"Tested on {comparison.tested}: {comparison.n} images.", ""]
    lines += [f"* {note}" for note in comparison.notes] + ([""] if comparison.notes else [])
    lines += [*markdown_table(*system_table(comparison)), ""]
    if comparison.pairs:
        lines += ["## Pair by pair", "", *markdown_table(*pair_table(comparison)), ""]
        lines += [f"* {line}" for line in verdicts(comparison)] + [""]
    lines += ["## Accuracy per motif", "", *markdown_table(*motif_table(comparison)), ""]
    headings, rows = confusion_table(comparison)
    if rows:
        lines += ["## Most confused motifs", "", *markdown_table(headings, rows), ""]
    lines += ["## Confusion matrices", ""]
    for system in comparison.systems:
        lines += [f"### {system.title}", "", *markdown_table(*_matrix(system)), ""]
    lines += ["## How this was measured", "", *(f"* {line}" for line in method(comparison)), ""]
    if comparison.facts:
        lines += [*markdown_table(["fact", "value"], list(comparison.facts.items())), ""]
    return "\n".join(lines)


def _matrix(system: System) -> tuple[list[str], list[list[str]]]:
    labels, matrix = system.evaluation.labels, system.evaluation.report.confusion
    rows = [[label, *(str(n) if n else "" for n in row)] for label, row in zip(labels, matrix, strict=True)]
    return ["true \\ predicted", *labels], rows
