"""Makes the files of an export, each thing that they share first and once, and the answers that they are proven by."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from batikkit.console import progress
from batikkit.errors import InputError, VerificationError
from batikkit.manifest import Calibration
from batikkit.parity_pack import PARITY_FILE, ParityPack
from batikkit_exporters.calibration import CalibrationSet
from batikkit_exporters.export.builder import Builders
from batikkit_exporters.export.diagnosis import diagnose
from batikkit_exporters.export.evidence import split_pixels, tested_samples, write_parity
from batikkit_exporters.export.plan import Plan
from batikkit_exporters.source.loaded import LoadedNet
from batikkit_exporters.variants import find_variant
from batikkit_exporters.variants.materials import Materials
from batikkit_exporters.variants.variant import Made, Variant

DIAGNOSED = 200
"""Most photographs that a stranger's model is tried on, in several ways each."""


@dataclass(frozen=True)
class MadeFile:
    """A file that was made and is not proven yet.

    Attributes:
        seconds: Of making it.
        shortfall: What is known to be wrong with it all the same; empty: nothing.
    """

    variant: Variant
    made: Made
    seconds: float
    shortfall: str = ""


class Maker:
    """Carries a plan out up to the bare files."""

    def __init__(self, plan: Plan, net: LoadedNet) -> None:
        self._plan, self._net = plan, net

    def prepare(self, materials: Materials, calibration: CalibrationSet) -> Calibration:
        """Makes what variants share, before any of them is begun, and describes the calibration."""
        plan = self._plan
        stability = None
        materials.put_graph(self._net.frozen)
        materials.float32()
        if plan.calibrates:
            materials.put_pixels("calibration", calibration.pixels())
            plan.report(f"calibration: {len(calibration.samples)} photographs of the train split")
            stability = self._observe(materials)
        if plan.trains:
            materials.put_pixels("train", split_pixels(plan.source, "train", self._net.image_size)[0])
        return Calibration(len(calibration.samples), calibration.seed, calibration.sha256(), stability)

    def diagnose_model(self) -> None:
        """Tries a stranger's model on photographs that it is not tested on.

        Raises:
            VerificationError: it is no better than chance, or clearly better when it is fed otherwise.
        """
        plan, source = self._plan, self._plan.source
        if source.trained_here:
            return
        images, truth = split_pixels(source, "train", self._net.image_size, limit=DIAGNOSED)
        found = diagnose(self._net, images, truth, labels=source.labels)
        said = f"the model is right on {found.right} of {found.n} photographs"
        if found.better:
            said += f"; {found.better}"
        elif found.no_better_than_chance:
            said += f", no more than chance among {found.classes} motifs: look at its scaling and its labels"
        if (found.better or found.no_better_than_chance) and not plan.options.keep:
            raise VerificationError(f"{said}; --keep exports it as it is")
        plan.report(said)

    def _observe(self, materials: Materials) -> float | None:
        """Shows the photographs to the float network; how much the ranges depend on which they were."""
        from batikkit_exporters.network.network import UnsupportedOperatorError
        from batikkit_exporters.quantization.observation import find_stability

        plan = self._plan
        try:
            found = find_stability(materials.unjoined(), materials.observed())
        except UnsupportedOperatorError as error:
            for variant in plan.variants:
                if variant.trained or variant.activations == "int16":
                    # The converter's own 16-bit files take no raw pixels.
                    raise InputError(
                        f"{variant.name} needs a network of operators that batikkit knows: {error}; leave this variant "
                        "out"
                    ) from error
            if plan.climbing:
                raise InputError(f"the ladder has nothing to climb by: {error}; leave --target-drop out") from error
            plan.report(f"calibration: {error}; TensorFlow's converter takes over")
            return None
        plan.report(
            f"calibration: ranges of two disjoint halves differ by at most {100 * found.largest:.0f} % ({found.tensor})"
        )
        return found.largest

    def make(self, materials: Materials, builders: Builders, files: Path) -> tuple[list[MadeFile], ParityPack]:
        """All files, and the parity pack, which is filled while builders are at work."""
        plan, order = self._plan, self._plan.options.order()
        test = tested_samples(plan.source)
        pending = builders.make([variant for variant in plan.variants if variant.apart], materials, order)
        here = [variant for variant in plan.variants if not variant.apart]
        made = [self._made(variant, materials) for variant in here if not variant.trained]
        plan.report("parity pack: running the model on the test photographs")
        pack = write_parity(files / PARITY_FILE, plan.source, self._net, samples=test)
        made += [MadeFile(find_variant(name), *future.result()) for name, future in pending.items()]
        made += [self._made(variant, materials) for variant in here if variant.trained]
        if plan.climbing:
            made.append(self._climbed(materials, files))
        return made, pack

    def _made(self, variant: Variant, materials: Materials) -> MadeFile:
        order, started = self._plan.options.order(), time.perf_counter()
        if not variant.trained:
            made = variant.make(materials, order, lambda _done, _total: None)
            return MadeFile(variant, made, time.perf_counter() - started)
        self._plan.report(f"{variant.name}: training on {len(materials.train())} photographs of the train split")
        with progress(f"training {variant.name}") as advance:
            return MadeFile(variant, variant.make(materials, order, advance), time.perf_counter() - started)

    def _climbed(self, materials: Materials, files: Path) -> MadeFile:
        from batikkit_exporters.ladder.page import LADDER_PAGE, write_ladder
        from batikkit_exporters.ladder.run import climb_ladder, jury_of
        from batikkit_exporters.ladder.rungs import Goal

        plan, options, started = self._plan, self._plan.options, time.perf_counter()
        assert options.target_drop is not None
        goal = Goal(drop_pp=options.target_drop, agreement=options.target_agreement)
        photographs = split_pixels(plan.source, "validation", self._net.image_size)
        jury = jury_of(plan.source, materials.float32(), *photographs)
        climbed = climb_ladder(
            materials, self._net, jury, goal, seed=options.seed, all_rungs=options.all_rungs, report=plan.report
        )
        write_ladder(climbed, files)
        chosen = climbed.chosen
        variant = find_variant("int16x8" if chosen.rung == "int16x8" else "int8")
        shortfall = ""
        if not chosen.passed:
            shortfall = (
                f"no rung reached a drop of {options.target_drop:g} points and {options.target_agreement:.1%} "
                f"agreement; {variant.name}.tflite is the nearest, see {plan.source.folder / LADDER_PAGE}"
            )
        return MadeFile(
            # A rung may leave layers in float, which its page and the manifest say.
            replace(variant, integer=chosen.figures.integer_only),
            Made(climbed.content, f"ladder, {chosen.rung}: {chosen.candidate}"),
            time.perf_counter() - started,
            shortfall,
        )
