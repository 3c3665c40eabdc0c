"""`model_card.md`: what the models are, how right they are, when they keep silent, and what they are not for."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.assets import rejection
from batikkit.assets.figures import FOREIGN_PER_KIND, VariantFigures
from batikkit.assets.filling import fill
from batikkit.assets.manifest import AssetsManifest
from batikkit.assets.provenance import Provenance
from batikkit.assets.strangers import CHECKING
from batikkit.assets.targets import targets


def model_card(
    manifest: AssetsManifest, source: Provenance, figures: Sequence[VariantFigures], *, licence: str, again: str
) -> str:
    """The card as Markdown.

    Args:
        manifest: Of the folder.
        source: Where the images came from.
        figures: One entry per model, in the manifest's order.
        licence: Terms of use.
        again: How to make the folder again, Markdown.
    """
    first, rule, drawn = figures[0], manifest.rejection, source.synthetic is not None
    return fill(
        "model_card.md",
        motif_count=len(manifest.labels),
        motifs=", ".join(manifest.labels),
        data_kind="drawn motifs, not on photographs" if drawn else "photographs",
        provenance=_provenance(source),
        alpha=source.config.alpha,
        image_size=manifest.image_size,
        parameters=f"{source.parameters:,}",
        weights={"none": "random weights: nothing pretrained", "imagenet": "ImageNet weights"}.get(
            source.weights, "pretrained weights in a file"
        ),
        **source.counts,
        split_sha256=source.split_sha256,
        licence=licence,
        tools=", ".join(f"{name} {version}" for name, version in sorted(source.tools.items())),
        accuracy_rows="\n".join(_accuracy_row(f) for f in figures),
        tested=_tested(first),
        cautions="".join(f"**{line[0].upper()}{line[1:]}.**\n\n" for line in first.cautions),
        first_variant=first.variant,
        motif_rows=_motif_rows(first),
        confusions=_confusions(first),
        temperature=rule.temperature,
        threshold=rule.threshold,
        max_error=f"{rejection.MAX_ERROR:.0%}",
        max_foreign=f"{rejection.MAX_FOREIGN:.0%}",
        min_coverage=f"{rejection.MIN_COVERAGE:.0%}",
        foreign=FOREIGN_PER_KIND * len(CHECKING),
        foreign_kinds=", ".join(CHECKING),
        rejection_rows="\n".join(row for f in figures for row in _target_rows(f)),
        without_rule=", ".join(f"{1 - f.evaluation.report.accuracy:.1%} ({f.variant})" for f in figures),
        rejection_remark=_remark(figures),
        intended=_INTENDED_DRAWN if drawn else _INTENDED,
        limits=_LIMITS_DRAWN if drawn else _LIMITS,
        tolerances=", ".join(f"{v.tolerance:g} ({v.name})" for v in manifest.variants),
        reproduce=again,
    )


_INTENDED = "For naming the motif on a photograph of batik, among those listed."
_INTENDED_DRAWN = (
    "For trying the whole way from a file to an app: that it loads, that it is fed correctly, how fast it is. Replace "
    "it by a model trained on photographs before anybody relies on its answers."
)
_LIMITS = "* Motifs, regions and makers that the images do not show are unknown to it, and it may name them wrongly."
_LIMITS_DRAWN = (
    "* It has never seen a photograph. The accuracy above is that on drawings of the same generator; on real cloth it "
    "is unknown and certainly lower.\n"
    "* The drawings follow published descriptions of the motifs' geometry; no batik maker has reviewed them."
)


def _provenance(source: Provenance) -> str:
    if source.synthetic is None:
        return "The images are those of the people who trained it; ask them for the rights to use what came of it."
    record = source.synthetic
    return (
        f"Every image was drawn by `batikkit data synth` from geometry ({record['per_class']} per motif, "
        f"{record['size']} px, seed {record['seed']}, variety {record['variety']}): no photograph, no scraped image, "
        "no pretrained weight, nobody's licence."
    )


def _accuracy_row(f: VariantFigures) -> str:
    low, high = f.evaluation.report.accuracy_ci95
    drop_low, drop_high = f.drop_ci95_pp
    return (
        f"| {f.variant} | {f.size_bytes / 1e6:.2f} MB | {f.evaluation.report.accuracy:.1%} ({low:.1%} to {high:.1%}) | "
        f"{f.agreement:.1%} | {f.drop_pp:.1f} ({drop_low:.1f} to {drop_high:.1f}) | "
        f"{f.evaluation.calibration_error:.3f} |"
    )


def _tested(f: VariantFigures) -> str:
    n, groups = f.evaluation.report.n, f.evaluation.report.groups
    return f"{n} images" + (f" in {groups} independent groups, which the intervals count" if groups < n else "")


def _motif_rows(f: VariantFigures) -> str:
    rows = zip(f.evaluation.labels, f.evaluation.report.per_class, strict=True)
    return "\n".join(f"| {label} | {m.precision:.2f} | {m.recall:.2f} | {m.support} |" for label, m in rows)


def _confusions(f: VariantFigures) -> str:
    labels = f.evaluation.labels
    found = [
        (-count, truth, named)
        for truth, row in zip(labels, f.evaluation.report.confusion, strict=True)
        for named, count in zip(labels, row, strict=True)
        if truth != named and count
    ]
    if not found:
        return "No test image was mistaken."
    worst = (f"{truth} taken for {named} ({-count})" for count, truth, named in sorted(found)[:3])
    return f"Most frequent mistakes: {'; '.join(worst)}."


def _target_rows(f: VariantFigures) -> list[str]:
    counts = (f"{f.selective.answered} of {f.selective.n}", f"{f.selective.wrong} of {f.selective.answered}", "")
    rows = []
    for target, count in zip(targets(f), counts, strict=True):
        low, high = target.ci95
        found = f"{target.value:.1%} ({low:.1%} to {high:.1%})" + (f", {count}" if count else "")
        rows.append(f"| {f.variant} | {target.what} | {target.wanted} | {found} | {target.verdict} |")
    return rows


def _remark(figures: Sequence[VariantFigures]) -> str:
    """What was aimed at and not reached, in words; each aim once, with every model that misses it."""
    missed: dict[str, list[str]] = {}
    advice: dict[str, str] = {}
    for f in figures:
        for target in targets(f):
            if not target.met:
                what = f"{target.what} (aim: {target.wanted})"
                missed.setdefault(what, []).append(f"{target.value:.0%} ({f.variant})")
                advice[what] = target.advice
    if not missed:
        return "Every target is met by every file on what the choice never saw."
    lines = (f"* {what}: {', '.join(who)}; {advice[what]}." for what, who in missed.items())
    return "**The rule does not do all that it was chosen for:**\n\n" + "\n".join(lines)
