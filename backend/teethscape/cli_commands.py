"""Arguments of each command, and the function that each one calls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from teethscape.cli_dataset import add_dataset, dataset
from teethscape.cli_generate import add_generate, generate
from teethscape.cli_options import (
    absent_of,
    add_reconstruct,
    exports_of,
    folder_of,
    lengths_of,
    mask_values_of,
    view_wishes_of,
)
from teethscape.cli_segment import add_segment, segment
from teethscape.cli_surface import add_surface, surface
from teethscape.cli_train import add_train, run_train
from teethscape.cli_weights import add_weights, weights
from teethscape.dental.fdi import Jaws

Result = dict[str, Any] | None


def add_commands(commands: Any) -> None:
    """Declare every command on the parser."""
    add_reconstruct(commands)
    add_segment(commands)
    add_surface(commands)
    add_generate(commands)
    add_train(commands)
    add_dataset(commands)
    evaluate = commands.add_parser("evaluate", help="score a case against reference crowns")
    evaluate.add_argument("prediction", type=Path, metavar="PRED", help="a case or a folder of tooth meshes")
    evaluate.add_argument("reference", type=Path, metavar="REF", help="a folder of tooth meshes")
    evaluate.add_argument("--protocol", choices=["teeth", "dtu"], default="teeth")
    evaluate.add_argument("--scan", type=int, metavar="N", help="dtu: number of the scan")
    evaluate.add_argument("--scan-folder", type=Path, metavar="DIR", help="dtu: cameras and masks to cull by")
    evaluate.add_argument("--align", choices=["similarity", "rigid", "none"], default="similarity")
    evaluate.add_argument("--json", nargs="?", type=Path, const=Path("-"), metavar="FILE")
    measure = commands.add_parser("measure", help="tooth widths and arch widths of a case, with intervals")
    measure.add_argument("case", type=Path, metavar="CASE")
    measure.add_argument("--json", action="store_true", help="print the result as JSON")
    add_weights(commands)
    doctor = commands.add_parser("doctor", help="check the installed engine")
    doctor.add_argument("--json", action="store_true", help="print the result as JSON")
    commands.add_parser("worker", help="serve the Blender add-on over pipes", add_help=False)


def _reconstruct(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.dental.request import Device, Engine, ReconstructRequest
    from teethscape.reconstruct import reconstruct

    request = ReconstructRequest(
        photos=folder_of(options.photos),
        output=options.output,
        masks=options.masks,
        mask_values=mask_values_of(options),
        engine=Engine(options.engine),
        jaws=Jaws(options.jaw),
        known_lengths=lengths_of(options),
        device=Device(options.device),
        seed=options.seed,
        exports=exports_of(options),
        trust_views=options.trust_views,
        absent_teeth=absent_of(options),
        views=view_wishes_of(options),
    )
    summary = reconstruct(request, ConsoleProgress())
    print(f"{len(summary.teeth)} teeth in {summary.case}", file=sys.stderr)
    print(f"Scale: {summary.scale}", file=sys.stderr)
    return summary.to_json()


def _train(options: argparse.Namespace) -> Result:
    return run_train(options)


def _evaluate(options: argparse.Namespace) -> Result:
    from teethscape.cli_reports import evaluate

    return evaluate(options)


def _measure(options: argparse.Namespace) -> Result:
    from teethscape.cli_reports import measure

    return measure(options)


def _doctor(options: argparse.Namespace) -> Result:
    from teethscape.cli_reports import doctor

    return doctor(options)


COMMANDS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "reconstruct": _reconstruct,
    "segment": segment,
    "surface": surface,
    "generate": generate,
    "train": _train,
    "dataset": dataset,
    "weights": weights,
    "evaluate": _evaluate,
    "measure": _measure,
    "doctor": _doctor,
}
