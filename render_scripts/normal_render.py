"""Normals of the 16 fixed views of each jaw, in the layout of TeethDreamer.

    blender --background --python render_scripts/normal_render.py -- --object_path MESH --target_dir DIR
    python render_scripts/normal_render.py --object_path MESH --target_dir DIR      (with the bpy wheel)

``exact`` (default) are unit normals in the camera's axes; ``upstream`` is what the published
script makes on a current Blender: Workbench's matcap through the AgX view transform.
See docs/rendering.md for files and exit codes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import bpy  # noqa: F401 - before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from rendering import exact_normals, upstream_normals
from rendering.batch import each_object, facts, told
from rendering.entry import check_cancelled, guarded, run_script
from rendering.exr import exr_bytes
from rendering.folders import ViewFolders
from rendering.objects import DentalObject
from rendering.options import Options, base_options, base_parser
from rendering.png import png_bytes
from rendering.stage import Stage, scratch_folder, set_stage

from teethscape.dataset.published_views import TARGET_COUNT, Array, condition_views, target_cameras

PNG, EXR = "_normal.png", "_normal.exr"


class Encoding(str, Enum):
    """What the pictures hold."""

    EXACT = "exact"
    UPSTREAM = "upstream"

    __str__ = str.__str__


@dataclass(frozen=True)
class NormalOptions:
    """Common options, the encoding, and whether float pictures are written too."""

    base: Options
    encoding: Encoding
    floats: bool


def parse(argv: list[str]) -> NormalOptions:
    """Options from the command line."""
    parser = base_parser("normal_render", "Normals of the fixed views", size=256)
    parser.add_argument(
        "--normal-encoding",
        type=Encoding,
        choices=list(Encoding),
        default=Encoding.EXACT,
        help="default exact",
    )
    parser.add_argument("--float", action="store_true", help="32-bit OpenEXR beside each PNG (exact only)")
    found = parser.parse_args(argv)
    if found.float and found.normal_encoding is Encoding.UPSTREAM:
        parser.error("--float needs --normal-encoding exact")
    return NormalOptions(base_options(found), found.normal_encoding, found.float)


def folders_of(item: DentalObject, options: NormalOptions) -> ViewFolders:
    """Where the views of an object go."""
    base = options.base
    return ViewFolders(
        paths=tuple(base.target_dir / f"{item.uid}_{view}" for view in condition_views(item.jaw)),
        cameras=target_cameras(item.jaw, base.size, min(base.count, TARGET_COUNT)),
        endings=(PNG, EXR) if options.floats else (PNG,),
        meta="meta_normal",
        facts={**facts(item, base), "kind": "normals", "encoding": options.encoding.value},
    )


def render_object(item: DentalObject, options: NormalOptions) -> str:
    """Render what is missing of one object; return what was done."""
    folders = folders_of(item, options)
    missing = folders.missing(options.base.overwrite)
    if not missing:
        return "complete already"
    stage = set_stage(item, options.base)
    folders.begin(options.base.overwrite, {"placement": asdict(stage.placement)})
    with scratch_folder() as scratch:
        render = _renderer(stage, options, scratch)
        for view in missing:
            check_cancelled()
            folders.put(view, render(folders.cameras.poses[view]))
    return f"{len(missing)} views, {told(stage.placement)}"


def _renderer(stage: Stage, options: NormalOptions, scratch: Path) -> Callable[[Array], dict[str, bytes]]:
    """A function from a pose to a view's files by ending."""
    if options.encoding is Encoding.UPSTREAM:
        upstream_normals.prepare(stage)
        return lambda pose: {PNG: upstream_normals.rendered(stage, pose, scratch)}
    exact_normals.prepare(stage, options.base.shading)

    def exact(pose: Array) -> dict[str, bytes]:
        normals = exact_normals.rendered(stage, pose, scratch)
        pictures = {PNG: png_bytes(exact_normals.encoded(normals))}
        return {**pictures, EXR: exr_bytes(normals)} if options.floats else pictures

    return exact


def main(argv: list[str]) -> int:
    """Render the normals of all objects; return the exit code."""

    def work() -> int:
        options = parse(argv)
        return each_object(options.base, lambda item: render_object(item, options))

    return guarded(work)


if __name__ == "__main__":
    run_script(main)
