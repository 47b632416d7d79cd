"""The commands that look at results: evaluate, measure, doctor."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from teethscape.errors import ExitCode, UsageError

Result = dict[str, Any] | None


def evaluate(options: argparse.Namespace) -> Result:
    """``teethscape evaluate``: scores per tooth and their mean, or the DTU protocol's."""
    if options.protocol == "dtu":
        return _evaluate_dtu(options)
    from teethscape.dental.files import write_json
    from teethscape.mesh.load import load_teeth
    from teethscape.mesh.scores import Alignment, score_teeth

    found = score_teeth(
        load_teeth(options.prediction), load_teeth(options.reference), Alignment(options.align)
    )
    result = {
        "protocol": options.protocol,
        "align": options.align,
        "mean": found.mean,
        "missing": list(found.missing),
        "extra": list(found.extra),
        "scale": {jaw.value: value for jaw, value in found.scale.items()},
        "teeth": {str(number): dict(row) for number, row in found.teeth.items()},
    }
    names = ("cd_mm2", "cd_l1_mm", "f_0.5mm", "hausdorff95_mm", "dice")
    rows = [(str(n), *(_cell(row.get(name)) for name in names)) for n, row in found.teeth.items()]
    rows.append(("mean", *(_cell(found.mean.get(name)) for name in names)))
    _table(("tooth", "CD mm2", "CD-L1 mm", "F@0.5", "HD95 mm", "Dice"), rows)
    if found.missing:
        print(f"Missing: {', '.join(map(str, found.missing))}", file=sys.stderr)
    if options.json is not None and options.json != Path("-"):
        write_json(options.json, result)
        return None
    return result


def _evaluate_dtu(options: argparse.Namespace) -> Result:
    from teethscape.dental.files import write_json
    from teethscape.surface.dtu_protocol import evaluate_dtu

    if options.scan is None:
        raise UsageError("usage", "--protocol dtu needs --scan.", "Give the number of the scan, such as 24.")
    result = evaluate_dtu(options.prediction, options.reference, options.scan, options.scan_folder)
    names = ("chamfer_mm", "d2s_mm", "s2d_mm", "f_1mm", "f_2mm")
    _table(names, [[_cell(result[name]) for name in names]])
    if options.json is not None and options.json != Path("-"):
        write_json(options.json, result)
        return None
    return result


def measure(options: argparse.Namespace) -> Result:
    """``teethscape measure``: tooth widths and arch widths with 90 % intervals."""
    from teethscape.dental.case import CaseFolder
    from teethscape.mesh.measure import arch_widths, bolton_ratio, tooth_widths

    case = CaseFolder(options.case)
    record = case.read_finished()
    widths, arches = tooth_widths(record), arch_widths(case, record)
    rows = [
        (m.name, f"{m.mm:.2f}", f"{m.interval_mm[0]:.2f} - {m.interval_mm[1]:.2f}")
        for m in (*widths, *arches)
    ]
    _table(("tooth", "mm", "90 % interval"), rows)
    ratios = {"anterior": bolton_ratio(widths, True), "overall": bolton_ratio(widths, False)}
    print(f"Scale: {record['scale']['source']}, standard deviation "
          f"{100 * record['scale']['relative_sigma']:.1f} % of every length.", file=sys.stderr)  # fmt: skip
    return {
        "unit": "mm",
        "scale": record["scale"],
        "tooth_widths": [m.to_json() for m in widths],
        "arch_widths": [m.to_json() for m in arches],
        "bolton": {name: None if ratio is None else round(ratio, 4) for name, ratio in ratios.items()},
    }


def doctor(_: argparse.Namespace) -> Result:
    """``teethscape doctor``: what is installed and what is missing."""
    from teethscape.doctor import examine, to_json

    checks = examine()
    for check in checks:
        mark = "ok  " if check.ok else ("MISS" if check.needed else "-   ")
        print(f"{mark} {check.name:<32} {check.detail}", file=sys.stderr)
        if check.advice:
            print(f"     {check.advice}", file=sys.stderr)
    result = to_json(checks)
    if not result["ok"]:
        print("The engine is incomplete.", file=sys.stderr)
        result["exit_code"] = int(ExitCode.MISSING_COMPONENT)
    return result


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for people on stderr; stdout is for ``--json``."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), file=sys.stderr)
