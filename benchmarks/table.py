"""Print the main figures of ``results/*.json`` as Markdown rows.

python benchmarks/table.py            the table
python benchmarks/table.py --write    put it into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
START, END = "<!-- results: start -->", "<!-- results: end -->"
Summary = dict[str, Any]


def _distances(s: Summary) -> str:
    return f"CD {s['cd_mm2']:.3f} mm² · CD-L1 {s['cd_l1_mm']:.3f} mm · Dice {s['dice']:.3f}"


def _covered(s: Summary) -> str:
    return f"90 % intervals of centres hold {s['coverage_90']:.0%}"


def _case_a(s: Summary) -> str:
    wrong, lost = len(s["number_errors"]), len(s["missing_teeth"])
    return f"{_distances(s)} · teeth missing {lost} · labels misnumbered {wrong} · {_covered(s)}"


def _mean_and_worst(s: Summary) -> str:
    return f"mean {_distances(s)} · worst CD {s['worst_cd_mm2']:.3f} · CD-L1 {s['worst_cd_l1_mm']:.3f}"


def _changed(s: Summary) -> str:
    return f"{_mean_and_worst(s)} · teeth missing in {len(s['missing_teeth'])} · {_covered(s)}"


def _damaged(s: Summary) -> str:
    drawn = f"{s['draws']} draws, {s['refused']} refused, {s['teeth_missing']} teeth missing"
    return f"{drawn} · {_mean_and_worst(s)} · {_covered(s)}"


def _numbering(s: Summary) -> str:
    kinds = [kind for kind in s if isinstance(s[kind], dict)]
    return " · ".join(
        f"{k}: {s[k]['right']} right, {s[k]['refused']} refused, {s[k]['wrong']} wrong" for k in kinds
    )


def _dentition(s: Summary) -> str:
    parts = []
    for kind, own in s.items():
        if isinstance(own, dict):
            codes = {key: count for key, count in own.items() if key not in ("sets", "nats")}
            ends = ", ".join(f"{count} {code}" for code, count in codes.items())
            parts.append(f"{kind}: {ends}")
    return " · ".join(parts)


def _scale(s: Summary) -> str:
    parts = []
    for count, name in (("1", "one width"), ("3", "triples")):
        if count in s:
            one = s[count]
            error, held = one["median_error_percent"], one["coverage_90"]
            parts.append(f"{name}: median error {error:.2f} %, interval holds {held:.0%}")
    return " · ".join(parts)


def _synthetic(s: Summary) -> str:
    counts = f"{s['patients']} patients: {s['right']} right, {s['refused']} refused, {s['wrong']} wrong"
    if s["median_cd_mm2"] is None:
        return counts
    held = f"90 % intervals of centres hold {s['coverage_90']:.0%}" if s["coverage_90"] is not None else ""
    return f"{counts}, {s['failed']} failed · median CD {s['median_cd_mm2']:.3f} mm² · {held}"


def _segmentation(s: Summary) -> str:
    parts = []
    for way, own in s.items():
        scores = f"Dice {own['dice']:.3f}, outlines {own['outline']:.3f}, instances {own['instances']:.3f}"
        named = "place in the quadrant" if way == "network" else "FDI number"
        parts.append(f"{way}: {scores}, {named} right {own['number']:.0%}")
    return " · ".join(parts)


def _timing(s: Summary) -> str:
    parts = []
    for name, run in s.items():
        if "cpu_s" in run:
            used = f"{run['cpu_s']:.0f} CPU-s, {run['wall_s']:.0f} s wall, {run['peak_gib']:.2f} GiB"
            parts.append(f"{name.replace('_', ' ')}: {used}")
    return " · ".join(parts)


def _memory_simulated(s: Summary) -> str:
    steps, rest, tflop = s["steps"], s["rest"], s["tflop_per_step"]
    parts = [
        f"living tensors at most {max(*steps, *rest.values()) / 1e9:.2f} GB",
        f"steps {steps[-1] / 1e9:.2f} to {steps[0] / 1e9:.2f} GB",
        f"tokens of the photos {rest['tokens'] / 1e9:.2f} GB",
        f"latents of the photos {rest['photos'] / 1e9:.2f} GB",
        f"pictures of the latents {rest['picture'] / 1e9:.2f} GB",
        f"{tflop['here']:.2f} TFLOP a step, {tflop['published']:.2f} as published",
    ]
    return " · ".join(parts)


def _render(s: Summary) -> str:
    normals, colour = s["normals"], s["colour"]["default"]
    parts = [
        f"exact normals {normals['png_mean_deg']:.2f}° (float {normals['float_mean_deg']:.4f}°)",
        f"mask IoU {normals['mask_iou_min']:.4f}",
        f"upstream normals within {s['upstream']['mean_levels']:.2f} grey levels",
        f"colour {colour['mean_db']:.1f} dB",
        f"cameras {s['cameras']['worst']:.0e}",
        f"normals {s['normal_speed']['times_faster']:.1f} times faster",
        f"colour {s['colour_speed']['times_faster']:.1f} times",
    ]
    return " · ".join(parts)


def _rendered(s: Summary) -> str:
    counts = f"{s['patients']} patients: {s['right']} right, {s['refused']} refused, {s['wrong']} wrong"
    scores = f"CD {s['median_cd_mm2']:.3f} mm² · CD-L1 {s['median_cd_l1_mm']:.3f} mm"
    return f"{counts} · medians: {scores} · 90 % intervals of centres hold {s['median_coverage']:.0%}"


def _photo_cases(s: Summary) -> str:
    used = f"{s['mean_cpu_s']:.0f} CPU-s a case, worst {s['worst_cpu_s']:.0f}"
    made = f"{s['mean_draw_cpu_s']:.0f} of them to draw the patient"
    size = f"{s['mean_mb']:.0f} MB · {s['cases']} cases, {s['width']} x {s['height']}"
    return f"{used}, {made} · {size}"


def _photo_colours(s: Summary) -> str:
    parts = []
    for name in ("front", "occlusal"):
        for region in ("teeth", "borders", "gum", "beyond"):
            real, made = (
                " ".join(f"{v:.0f}" for v in s[kind][name][region]) for kind in ("real", "synthetic")
            )
            parts.append(f"{name} {region} {real} / {made}")
    counts = f"{s['real']['patients']} real / {s['synthetic']['patients']} synthetic patients"
    return f"L a b of {counts}: {', '.join(parts)}"


def _toothseg(s: Summary) -> str:
    parts = []
    for labels in s["dice"]["scratch"]:
        dice = [f"{start} {known[labels]['mean']:.3f}" for start, known in s["dice"].items()]
        parts.append(f"{labels} labelled: {', '.join(dice)}")
    seeds = {known["seeds"] for own in s["dice"].values() for known in own.values()}
    return f"test Dice · {' · '.join(parts)} · seeds {max(seeds)}, long ones {min(seeds)}"


def _clicks(s: Summary) -> str:
    parts = []
    for name in ("case-a", "case-c", "synthetic"):
        ious = s[name]["iou_after_clicks"]
        parts.append(
            f"{name}: automatic {s[name]['automatic_iou']:.3f}, "
            f"1 click {ious[0]:.3f}, {len(ious)} clicks {ious[-1]:.3f}"
        )
    jaws = s["case-c jaws at Dice 0.95"]
    seen = "that was trained on it" if jaws.get("network_saw_case_c", True) else "that never saw it"
    parts.append(f"case-c's eight official masks at Dice 0.95: {jaws['clicks']} clicks by a network {seen}")
    return " · ".join([*parts, f"95 % of clicks under {s['synthetic']['click_ms_95']:.0f} ms"])


def _views(s: Summary) -> str:
    parts = []
    for name, own in s.items():
        if "sets" in own:
            seen = f"views {own['views_right']} and upside-down {own['ways_right']} of {own['photos']} photos"
            sides = f"mirrored sides {own['mirrored_sides_told']} of {own['mirrored_sides']}"
            shown = f"{name}, trained on" if name == "case-c" else name
            parts.append(f"{shown}: {own['sets']} sets, {seen}, {sides}, falsely {own['falsely_told']}")
    flips = s["flips told by the fit"]
    told = ", ".join(f"{count} {word}" for word, count in flips.items() if word != "tested")
    return " · ".join([*parts, f"flips told by the numbering: {told} of {flips['tested']}"])


def _quality(s: Summary) -> str:
    return " · ".join(f"{kind}: {own['right']} of {own['photos']}" for kind, own in s.items())


def _surfaces(s: Summary) -> str:
    parts = []
    for name, own in s.items():
        shapes, refused = len(own["shapes"]), own["refused"]
        which = own["shapes"][0] if shapes == 1 else f"{shapes} shapes"
        found = f"{name} ({which}, {refused} refused)"
        if "mean_mm" in own:
            found += f": mean {own['mean_mm']:.3f} mm, worst {own['worst_mean_mm']:.3f}"
            found += f", 95 % within {own['hausdorff95_mm']:.2f}, {own['cpu_s']:.0f} CPU-s"
        for other, count in own.get("shapes_where_better", {}).items():
            found += f", {other} nearer on {count} of {shapes}"
        parts.append(found)
    return " · ".join(parts)


ROWS: tuple[tuple[str, str, Callable[[Summary], str]], ...] = (
    (
        "case_a_masks",
        "case-a, hand-made masks as shuffled ids, a network that never saw it beside them",
        _case_a,
    ),
    ("case_a_masks_damaged", "the same with a tenth of the masks missed or merged", _damaged),
    ("case_a_masks_damaged_from_14", "six more draws, for one of which a rule was added", _damaged),
    ("case_a_numbers_damaged", "the same in masks with FDI numbers", _damaged),
    ("case_a_numbers_damaged_from_14", "six draws on which no rule was chosen", _damaged),
    ("segmentation", "teeth in case-a's photos, by a network that never saw it", _segmentation),
    ("segmentation_case_c", "the same of case-c, by one that never saw it", _segmentation),
    ("case_a_photos", "case-a, photos only", _case_a),
    ("case_a_photos_changed", "the same from five copies of the photos that look the same", _changed),
    ("case_a_photos_damaged", "the same with a tenth of the teeth missed or merged by the network", _damaged),
    ("case_a_photos_damaged_from_14", "six draws on which no rule was chosen", _damaged),
    ("changed_photos_case-a", "numbers in thirteen changed copies of case-a's photos", _numbering),
    ("changed_photos_case-c", "the same of case-c", _numbering),
    ("numbering", "numbering from shuffled ids", _numbering),
    ("numbering_from_40", "ten patients more, one of whom led to the larger lead for premolars", _numbering),
    ("dentition", "milk and mixed dentitions among permanent ones", _dentition),
    ("scale", "scale of case-a from known tooth widths", _scale),
    ("synthetic_patients", "random synthetic patients", _synthetic),
    ("synthetic_patients_numbers", "the same with FDI numbers instead of ids", _synthetic),
    ("render", "renders of case-a, bpy 5.0.1", _render),
    ("rendered_patients", "five rendered photos of patients that no network has seen", _rendered),
    ("rendered_patients_fdi", "the same patients' photos with their true masks under FDI numbers", _rendered),
    ("rendered_patients_instances_damaged", "with arbitrary ids, a tenth missed or merged", _rendered),
    ("photo_cases", "synthetic photo cases, five photos with labels", _photo_cases),
    ("photo_colours", "colours of real and synthetic photos", _photo_colours),
    ("toothseg_pretraining", "ToothSeg U-Nets with and without pre-training", _toothseg),
    ("clicks", "clicks without downloaded weights, mean IoU", _clicks),
    ("timing", "time and memory, case-a", _timing),
    (
        "generate_memory_simulated",
        "painting a jaw in half precision at full size, simulated without a graphics processor",
        _memory_simulated,
    ),
    ("views", "views, sides and mirroring of sets in random order and flips", _views),
    ("surfaces", "surfaces from eight views of known shapes, perfect or spoilt in one way", _surfaces),
    ("photo_quality", "photos judged right: degraded and good ones", _quality),
)


def table() -> str:
    """The Markdown table of what has been measured."""
    lines = ["| what | measured | command | date |", "|---|---|---|---|"]
    for name, title, text in ROWS:
        path = HERE / "results" / f"{name}.json"
        if not path.is_file():
            lines.append(f"| {title} | not measured | | |")
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        lines.append(f"| {title} | {text(record['summary'])} | `{record['command']}` | {record['date']} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not args.write:
        print(table())
        return
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    readme.write_text(f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
