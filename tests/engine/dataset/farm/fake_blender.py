"""A worker that speaks like ``render_worker.py`` and writes small files: no Blender.

    python fake_blender.py --mode MODE

Modes: ok, real, slow, crash, crash-once, stall-once, garbage, refuse, fail-once, short, mute, dies.
``…-once`` modes do it while the file ``--memory`` is absent, and create it. Files depend
on their names and the seed alone, as those of the real scripts do. ``real`` writes
pictures and cameras that pass a check.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

VIEWS = {"upper": ("front", "left", "right", "down"), "lower": ("front", "left", "right", "up")}


def say(values: dict) -> None:
    sys.stdout.write("Blender chatter without an end @teethscape " + json.dumps(values) + "\n")
    sys.stdout.flush()


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    half.replace(path)


def picture(about: str, size: int) -> bytes:
    """A coloured square with a transparent border."""
    import zlib

    import cv2
    import numpy as np

    image = np.zeros((size, size, 4), np.uint8)
    image[2:-2, 2:-2] = (*zlib.crc32(about.encode()).to_bytes(4, "big")[:3], 255)
    return cv2.imencode(".png", image)[1].tobytes()


def cameras(kind: str, view: str, uid: str) -> bytes:
    """The specified cameras of 16 px renders with seed 0."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "backend"))
    from teethscape.dataset import portable_pickle, published_views
    from teethscape.dental.fdi import Jaw

    jaw = Jaw.UPPER if "upper" in uid else Jaw.LOWER
    if kind == "target":
        return portable_pickle.dumps(published_views.target_cameras(jaw, 16).published_list())
    return portable_pickle.dumps(published_views.input_cameras(view, 16, 16, 0, uid).published_list())


def render(job: dict, options: argparse.Namespace) -> None:
    arguments = dict(zip(job["argv"][::2], job["argv"][1::2], strict=False))
    mesh = Path(arguments["--object_path"])
    uid = f"{mesh.parent.name}_{mesh.stem}"
    jaw = "upper" if "upper" in uid else "lower"
    places = {"target": arguments["--target_dir"], "input": arguments["--input_dir"]}
    if job["script"] == "normal":
        del places["input"]
    for kind, place in places.items():
        for view in VIEWS[jaw]:
            folder = Path(place) / f"{uid}_{view}"
            meta = "meta.pkl" if job["script"] == "color" else "meta_normal.pkl"
            put(folder / meta, f"{uid} {view}" if options.mode != "real" else cameras(kind, view, uid))
            for k in range(16 if options.mode != "short" else 15):
                end = "_normal.png" if job["script"] == "normal" else ".png"
                path = folder / f"{k:03d}{end}"
                if not path.exists():
                    # The fixed views are the same in all four folders.
                    about = f"{uid} {kind} {k}" if kind != "input" else f"{uid} {view} {k}"
                    put(
                        path,
                        picture(about, 16) if options.mode == "real" else f"{about} {arguments['--seed']}",
                    )
                    with options.count.open("a") as count:
                        count.write(f"{path.name}\n")
                if options.mode == "slow":
                    time.sleep(0.01)
            trouble(options)


def trouble(options: argparse.Namespace) -> None:
    """What the mode does in the middle of a case."""
    mode = options.mode
    if mode.endswith("-once"):
        try:
            options.memory.touch(exist_ok=False)  # two workers may get here together: one of them it is
        except FileExistsError:
            return
        mode = mode.removesuffix("-once")
    if mode == "crash":
        os.abort()
    elif mode == "stall":
        time.sleep(60)
    elif mode == "fail":
        raise RuntimeError("out of luck")
    elif mode == "garbage":
        sys.stdout.write("Fra:1 Mem:12M\n@teethscape {\n@teethscape [1]\n@teethscape null\n")
        sys.stdout.buffer.write(b"\xff\xfe\n" + b"x" * 2_000_000 + b"\n")
        say({"id": "another/normal", "status": "done", "code": 0})
        say({"id": None})


def answer(job: dict, options: argparse.Namespace) -> dict:
    if options.mode == "refuse" and "lower" in job["id"]:
        return {"status": "failed", "code": 3, "message": "The mesh has no faces."}
    try:
        render(job, options)
    except RuntimeError as error:
        return {"status": "failed", "code": 1, "message": str(error)}
    return {"status": "done", "code": 0, "message": "", "seconds": 0.25, "cpu_s": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--memory", type=Path)
    parser.add_argument("--count", type=Path, default=Path(os.devnull))
    options = parser.parse_args()
    if options.mode == "dies":
        sys.stderr.write("ImportError: libGL is missing\n")
        sys.exit(1)
    if options.mode == "mute":
        time.sleep(60)
    say({"status": "ready", "blender": "0.0-fake"})
    for line in sys.stdin:
        job = json.loads(line)
        say({"id": job["id"], **answer(job, options)})


if __name__ == "__main__":
    main()
