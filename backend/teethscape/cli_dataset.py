"""``teethscape dataset``: import scans, render cases, pack shards, check a data set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from teethscape.cli_options import add_seed
from teethscape.errors import UsageError

Result = dict[str, Any] | None


def add_dataset(commands: Any) -> None:
    """Declare ``dataset`` and its four commands on the parser."""
    parser = commands.add_parser("dataset", help="render, pack and check training data")
    parts = parser.add_subparsers(dest="part", required=True, metavar="import|render|pack|check")
    _add_import(parts)
    _add_render(parts)
    _add_pack(parts)
    check = parts.add_parser("check", help="verify every file, pose and split of a data set")
    check.add_argument("dataset", metavar="DATASET", help="folder or URL")
    check.add_argument("--quick", action="store_true", help="sizes only, no checksums and no pixels")
    check.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_import(parts: Any) -> None:
    parser = parts.add_parser("import", help="segmented scans into closed crowns per FDI number")
    parser.add_argument("scans", type=Path, metavar="SCANS", help="Teeth3DS folders, or one file per tooth")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--bite", choices=["refuse", "estimate"], default="refuse",
        help="jaws that were not scanned in occlusion: refuse, or close them as average teeth do",
    )  # fmt: skip
    parser.add_argument("--single-jaw", action="store_true", help="take patients with one jaw, too")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_render(parts: Any) -> None:
    parser = parts.add_parser("render", help="render meshes or synthetic patients; the same command resumes")
    parser.add_argument(
        "meshes", type=Path, nargs="*", metavar="MESHES", help="files, folders, or .txt lists"
    )
    parser.add_argument("--output", required=True, metavar="DATASET", help="folder, or a URL such as s3://…")
    parser.add_argument("--synthetic", type=int, default=0, metavar="N", help="draw N synthetic patients")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first one")
    parser.add_argument("--kinds", default="", metavar="normal,color,photo")
    _add_look(parser)
    _add_farm(parser)
    parser.add_argument("--overwrite", action="store_true", help="render cases anew that differ")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_look(parser: argparse.ArgumentParser) -> None:
    look = parser.add_argument_group("pictures (the same for the whole data set)")
    look.add_argument("--image-size", type=int, default=256, metavar="PX", help="side of the renders")
    look.add_argument("--samples", type=int, metavar="N", help="Cycles samples of the colours")
    look.add_argument("--normal-encoding", choices=["exact", "upstream"], default="exact")
    look.add_argument("--photo-width", type=int, default=640, metavar="PX", help="width of the photographs")
    look.add_argument("--photo-samples", type=int, metavar="N", help="Cycles samples of the photographs")
    look.add_argument("--device", choices=["CPU", "CUDA", "OPTIX", "METAL"], default="CPU")
    add_seed(look)
    look.add_argument("--val-share", type=float, default=0.1, metavar="SHARE", help="patients for validation")


def _add_farm(parser: argparse.ArgumentParser) -> None:
    farm = parser.add_argument_group("who renders")
    farm.add_argument("--workers", type=int, default=0, metavar="N", help="Blenders; 0: one per core")
    farm.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="of each Blender; 0: one, more where cases are few",
    )
    farm.add_argument("--retries", type=int, default=2, metavar="N", help="after a crash or a stall")
    farm.add_argument("--stall", type=float, default=900.0, metavar="S", help="silence that counts as stuck")
    farm.add_argument("--blender", metavar="PATH", help="Blender, or a Python with the bpy wheel")
    farm.add_argument("--scripts", type=Path, metavar="DIR", help="the render scripts' folder")
    farm.add_argument("--scratch", type=Path, metavar="DIR", help="folder for half-done cases")
    farm.add_argument("--ray", metavar="ADDRESS", help="render on a Ray cluster; 'local' starts one here")


def _add_pack(parts: Any) -> None:
    parser = parts.add_parser("pack", help="write WebDataset shards with checksums")
    parser.add_argument("dataset", metavar="DATASET", help="folder or URL")
    parser.add_argument("--output", required=True, metavar="SHARDS", help="folder or URL")
    parser.add_argument("--shard-mb", type=float, default=500.0, metavar="MB", help="largest size of a shard")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def dataset(options: argparse.Namespace) -> Result:
    """Run one of the commands."""
    parts = {"import": _import, "render": _render, "pack": _pack, "check": _check}
    return parts[options.part](options)


def _import(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.dataset.scans.import_scans import ImportRequest, import_scans

    request = ImportRequest(options.scans, options.output, options.bite == "estimate", options.single_jaw)
    summary = import_scans(request, ConsoleProgress())
    print(f"{len(summary.done)} patients in {options.output}", file=sys.stderr)
    return summary.to_json()


def _render(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.dataset.farm.render import render_dataset
    from teethscape.dataset.farm.request import Look, RenderRequest

    look = Look(
        image_size=options.image_size,
        samples=options.samples,
        seed=options.seed,
        device=options.device,
        normal_encoding=options.normal_encoding,
        photo_width=options.photo_width,
        photo_samples=options.photo_samples,
    )
    request = RenderRequest(
        options.output, tuple(options.meshes), options.synthetic, options.first, _kinds(options), look,
        options.workers, options.threads, options.retries, options.val_share, options.stall,
        options.blender, options.scripts, options.scratch, options.ray, options.overwrite,
    )  # fmt: skip
    summary = render_dataset(request, ConsoleProgress())
    print(
        f"{summary.done} cases rendered, {summary.skipped} were there, {len(summary.failed)} failed; "
        f"{summary.wall_s:.0f} s, {summary.cpu_s:.0f} CPU-s, {summary.size / 1e6:.1f} MB",
        file=sys.stderr,
    )
    return summary.to_json()


def _kinds(options: argparse.Namespace) -> tuple[Any, ...]:
    """Chosen kinds; photographs for synthetic patients and renders for meshes by default."""
    from teethscape.dataset.farm.request import Kind

    names = [name.strip() for name in options.kinds.split(",") if name.strip()]
    if not names:
        return (
            *((Kind.NORMAL, Kind.COLOR) if options.meshes else ()),
            *((Kind.PHOTO,) if options.synthetic else ()),
        )
    known = [kind.value for kind in Kind]
    for name in names:
        if name not in known:
            raise UsageError("usage", f"'{name}' is no kind of picture.", f"Choose from {', '.join(known)}.")
    return tuple(Kind(name) for name in dict.fromkeys(names))


def _pack(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.dataset.farm.pack import PackRequest, pack_dataset

    request = PackRequest(options.dataset, options.output, int(options.shard_mb * 1e6))
    summary = pack_dataset(request, ConsoleProgress())
    print(f"{len(summary.shards)} shards in {options.output}, {summary.written} new", file=sys.stderr)
    return summary.to_json()


def _check(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.dataset.farm.check import check_dataset

    report = check_dataset(options.dataset, options.quick, ConsoleProgress())
    for problem in report.problems:
        print(f"{problem.place}: {problem.message}", file=sys.stderr)
    good = "all is well" if not report.problems else f"{len(report.problems)} problems"
    print(f"{report.cases} cases, {report.files} files: {good}", file=sys.stderr)
    return report.to_json()
