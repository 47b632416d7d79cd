"""A worker that speaks like ``render_worker.py`` and writes small files: no Blender.

    python fake_blender.py --mode ok|slow|crash|crash-once|stall-once|garbage|refuse|fail-once|short|mute|dies

``…-once`` modes do it while the file ``--memory`` is absent, and create it. Files depend
on their names and the seed alone, as those of the real scripts do.
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


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_text(text, "utf-8")
    half.replace(path)


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
            if job["script"] == "color":
                put(folder / "meta.pkl", f"{uid} {view}")
            for k in range(16 if options.mode != "short" else 15):
                end = "_normal.png" if job["script"] == "normal" else ".png"
                path = folder / f"{k:03d}{end}"
                if not path.exists():
                    # The fixed views are the same in all four folders.
                    about = f"{uid} {kind} {k}" if kind != "input" else f"{uid} {view} {k}"
                    put(path, f"{about} {job['script']} {arguments['--seed']}")
                    with options.count.open("a") as count:
                        count.write(f"{path.name}\n")
                if options.mode == "slow":
                    time.sleep(0.01)
            trouble(options)


def trouble(options: argparse.Namespace) -> None:
    """What the mode does in the middle of a case."""
    mode = options.mode
    if mode.endswith("-once"):
        if options.memory.exists():
            return
        options.memory.touch()
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
