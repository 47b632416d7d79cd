"""What ``teethscape train segmenter ACTION`` does: options to settings, one call, a summary."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from teethscape.cli_options import require_least
from teethscape.cli_progress import ConsoleProgress, PlainProgress
from teethscape.dental.files import storage_errors
from teethscape.errors import BadInputError, MissingComponentError, UsageError
from teethscape.libraries import require_torch
from teethscape.segmentation.toothseg.index import Item, MaskKind, labelled, write_index
from teethscape.segmentation.toothseg.layouts import default_size, find_items, with_kind
from teethscape.segmentation.toothseg.spec import Gates, ModelType, NetworkSpec
from teethscape.segmentation.toothseg.splits import Part, Split, SplitRule, other_parts, split
from teethscape.segmentation.toothseg.targets import (
    files_of,
    networks_of,
    require_free,
    require_free_predictions,
)

Result = dict[str, Any]
#: The networks halve a picture four times; of a single pixel no batch of one has statistics.
_LEAST_SIDE = 32
_LEAST = {
    "epochs": 1, "batch_size": 1, "log_interval": 1, "patience": 1, "base_channels": 1,
    "lr": 0, "weight_decay": 0, "lambda_dice": 0, "workers": 0, "train_subset_size": 0, "top_k": 0,
}  # fmt: skip


def run_action(options: argparse.Namespace) -> Result:
    """Run one action.

    Raises:
        MissingComponentError: it needs PyTorch, which is not installed.
        UsageError: a number is out of its range.
    """
    require_least(options, _LEAST)
    if options.action not in _LIGHT:
        require_torch("Training")
    return _ACTIONS[options.action](options)


def _items(options: argparse.Namespace) -> tuple[Item, ...]:
    kind = getattr(options, "mask_values", None)
    return with_kind(find_items(options.images_dir, options.masks_dir), MaskKind(kind) if kind else None)


def _split(options: argparse.Namespace, items: tuple[Item, ...]) -> Split:
    subset = getattr(options, "train_subset_size", 0)
    rule = SplitRule(options.split_json, options.val_ratio, options.test_ratio, options.seed, subset)
    return split(labelled(items), rule)


def _size(options: argparse.Namespace, known: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width: the user's, else the starting checkpoint's, else what suits the layout."""
    height, width = known or default_size(options.images_dir)
    height = height if options.img_height is None else options.img_height
    width = width if options.img_width is None else options.img_width
    size = height, width
    if min(size) < _LEAST_SIDE:
        raise UsageError(
            "image_size",
            f"Pictures of {size[1]} x {size[0]} px are too small.",
            f"Give at least {_LEAST_SIDE}.",
        )
    return size


def _network(options: argparse.Namespace, start: NetworkSpec | None, outputs: int | None) -> NetworkSpec:
    """The network that is asked for; what is not said is taken from the starting checkpoint."""
    start = start or NetworkSpec()
    inputs = options.in_channels or start.inputs
    return NetworkSpec(
        ModelType(options.model_type or start.model.value),
        inputs,
        outputs or inputs,
        options.base_channels or start.base,
        start.bilinear and not options.no_bilinear,
        Gates(options.gates or start.gates.value),
    )


def _known(path: Path | None) -> Any:
    """What the checkpoint tells that a training starts from."""
    from teethscape.segmentation.toothseg.resume import Remembered, remembered

    return Remembered() if path is None else remembered(path)


def _optimising(options: argparse.Namespace, rate: float, decay: float) -> Any:
    from teethscape.segmentation.toothseg.training import Optimising, choose_device

    return Optimising(
        options.epochs,
        options.batch_size,
        rate if options.lr is None else options.lr,
        decay if options.weight_decay is None else options.weight_decay,
        options.seed,
        options.workers,
        choose_device("cpu" if options.cpu else options.device).type,
        options.log_interval,
    )


def _resumed(options: argparse.Namespace, latest: Path) -> Path | None:
    """The checkpoint to go on from: the one that is named, else the latest where there is one."""
    if isinstance(options.resume, str):
        source = Path(options.resume)
        if not source.is_file():
            raise BadInputError("file_missing", f"{source} does not exist.", "Check --resume.")
        return source
    return latest if options.resume and latest.is_file() else None


def _said_steps(options: argparse.Namespace) -> dict[str, float]:
    """Rate and weight decay where the user says them; a resumed training keeps those it has."""
    said = {"lr": options.lr, "weight_decay": options.weight_decay}
    return {name: value for name, value in said.items() if value is not None}


def _adopted(source: Path | None, latest: Path, remembers: dict[str, Any]) -> bool:
    """Whether there is something to go on from; a checkpoint that fits becomes the latest one."""
    from teethscape.segmentation.toothseg.resume import resumable

    if source is None:
        return False
    resumable(source, remembers)
    if source.resolve() != latest.resolve():
        with storage_errors(latest):
            latest.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, latest)
    return True


def _pretrain(options: argparse.Namespace) -> Result:
    from teethscape.segmentation.toothseg.pretrain import pretrain

    settings = _pretraining(options)
    result = pretrain(settings, PlainProgress("Pre-training"))
    if options.visualize:
        result["samples"] = str(_samples(settings))
    last = f", last loss {result['losses'][-1]:.4f}" if result["losses"] else ""
    print(f"{result['pictures']} pictures{last}: {result['checkpoint']}", file=sys.stderr)
    return result


def _pretraining(options: argparse.Namespace) -> Any:
    """Settings; what is not said is taken from the checkpoint that it starts from."""
    from teethscape.segmentation.toothseg.masking import BlockMasking
    from teethscape.segmentation.toothseg.pretrain import Method, Pretraining

    method = Method(options.method)
    settings = Pretraining(
        items=_items(options),
        folder=options.checkpoint_dir or Path("toothseg") / f"checkpoints_{method}",
        method=method,
        masking=BlockMasking(options.mask_ratio, options.min_block_size, options.max_block_size),
        ways=_perturbations(options.perturb, method),
        optimising=_optimising(options, *((1e-4, 5e-5) if method is Method.MIM else (1e-5, 1e-5))),
        init_from=options.init_from,
        log_dir=options.log_dir,
    )
    source = _resumed(options, settings.latest)
    known = _known(source or options.init_from)
    settings = replace(
        settings, network=_network(options, known.network, None), size=_size(options, known.size)
    )
    remembers = {**settings.describe(), **_said_steps(options)}
    return replace(settings, resume=_adopted(source, settings.latest, remembers))


def _perturbations(text: str, method: Any) -> tuple[Any, ...]:
    from teethscape.segmentation.toothseg.masking import Perturbation
    from teethscape.segmentation.toothseg.pretrain import Method

    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [way.value for way in Perturbation]
    for name in names:
        if name not in known:
            raise UsageError("usage", f"'{name}' is no perturbation.", f"Choose from {', '.join(known)}.")
    if not names or (method is Method.MIM and "blocks" not in names):
        raise UsageError(
            "usage", "Masked modelling needs blocks.", "Give --perturb blocks, or --method fullimage."
        )
    return tuple(Perturbation(name) for name in dict.fromkeys(names))


def _samples(settings: Any) -> Path:
    from teethscape.segmentation.toothseg.checkpoints import load_network
    from teethscape.segmentation.toothseg.data import Reconstruction, ReconstructionData
    from teethscape.segmentation.toothseg.report import write_reconstructions

    shown = Reconstruction(settings.size, settings.network.inputs, settings.masking, settings.ways, 0)
    path = settings.folder / "samples.html"
    data = ReconstructionData(settings.items, shown)
    write_reconstructions(path, load_network(settings.best), data, min(4, len(settings.items)))
    return path


def _finetune(options: argparse.Namespace) -> Result:
    from teethscape.segmentation.toothseg.finetune import fine_tune

    result = fine_tune(_fine_tuning(options), PlainProgress("Fine-tuning"))
    tested = f", test Dice {result['test_dice']:.4f}" if "test_dice" in result else ""
    best = "" if result["best_val_dice"] is None else f", best val Dice {result['best_val_dice']:.4f}"
    print(f"{result['epochs']} epochs{best}{tested}: {result['checkpoint']}", file=sys.stderr)
    return result


def _fine_tuning(options: argparse.Namespace) -> Any:
    """Settings; what is not said is taken from the checkpoint that it starts from."""
    from teethscape.segmentation.toothseg.classes import class_sets
    from teethscape.segmentation.toothseg.finetune import FineTuning

    settings = FineTuning(
        split=_split(options, _items(options)),
        folder=options.save_dir,
        optimising=_optimising(options, 1e-5, 1e-5),
        lambda_dice=options.lambda_dice,
        patience=options.patience,
        init_from=options.init_from,
        log_dir=options.tensorboard_dir,
    )
    source = _resumed(options, settings.last)
    known = _known(source or options.init_from)
    goes_on = source is not None and known.classes in class_sets()
    classes = class_sets()[options.classes or (known.classes if goes_on else "teeth")]
    network = _network(options, known.network, len(classes.planes))
    settings = replace(settings, classes=classes, network=network, size=_size(options, known.size))
    remembers = {**settings.card.to_json(), **_said_steps(options)}
    return replace(settings, resume=_adopted(source, settings.last, remembers))


def _model(options: argparse.Namespace, path: Path, items: tuple[Item, ...]) -> Any:
    """A checkpoint ready for scoring."""
    from teethscape.segmentation.toothseg.checkpoints import load_trained
    from teethscape.segmentation.toothseg.classes import class_sets
    from teethscape.segmentation.toothseg.evaluate import Evaluation
    from teethscape.segmentation.toothseg.pictures import require_shown
    from teethscape.segmentation.toothseg.report import Model
    from teethscape.segmentation.toothseg.training import choose_device

    network, card = load_trained(path)
    said = (options.model_type, options.base_channels, True if options.no_bilinear else None)
    real = (network.spec.model.value, network.spec.base, not network.spec.bilinear)
    if any(word is not None and word != fact for word, fact in zip(said, real, strict=True)):
        raise BadInputError(
            "checkpoint_other",
            f"{path.name} is a {real[0]} of {real[1]} base channels{', transposed' if real[2] else ''}.",
            "Leave --model-type, --base-channels and --no-bilinear out.",
        )
    require_shown(items, class_sets()[card.classes])
    network.to(choose_device("cpu" if options.cpu else options.device))
    name = path.parent.name + "/" + path.name if path.parent.name else path.name
    return Model(name, network, Evaluation(items, card, options.lambda_dice))


def _part(options: argparse.Namespace, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], dict[str, str]]:
    """The pictures to score, and their digest when they choose or test."""
    if options.split == "all":
        return labelled(items), {}
    part, parts = Part(options.split), _split(options, items)
    return parts.part(part), {} if part is Part.TRAIN else {part.value: parts.digests[part.value]}


def _notices(digest: dict[str, str], models: Sequence[Any]) -> list[str]:
    """Warnings that networks may have been trained on what scores them; shown, too."""
    notices = [
        f"{model.name} was trained with another split: pictures of '{part}' may have been trained on."
        for model in models
        for part in other_parts(model.evaluation.card.split, digest)
    ]
    for notice in notices:
        ConsoleProgress().warn("split_other", notice)
    return notices


def _read(options: argparse.Namespace, items: tuple[Item, ...]) -> list[Path]:
    """Every file that a data set is made of."""
    lists = (options.images_dir, getattr(options, "split_json", None))
    return [*files_of(items), *(path for path in lists if path is not None)]


def _evaluate(options: argparse.Namespace) -> Result:
    from teethscape.dental.files import write_json
    from teethscape.segmentation.toothseg.evaluate import evaluate_network, write_rows

    known = _items(options)
    items, digest = _part(options, known)
    if options.output is not None:
        results = [options.output / name for name in ("scores.csv", "summary.json")]
        require_free(results, [*_read(options, known), *networks_of([options.checkpoint])])
    if options.predictions is not None:
        require_free_predictions(options.predictions, items, known)
    model = _model(options, options.checkpoint, items)
    evaluated = evaluate_network(model.network, model.evaluation, options.predictions)
    summary = {
        "checkpoint": str(options.checkpoint),
        "split": options.split,
        "notices": _notices(digest, [model]),
        **evaluated.summary(options.seed),
    }
    for title, rows in (("best", evaluated.best(options.top_k)), ("worst", evaluated.worst(options.top_k))):
        summary[title] = [{"pair_id": row.item.pair_id, "loss": row.loss} for row in rows]
    if options.output is not None:
        write_rows(options.output / "scores.csv", evaluated)
        write_json(options.output / "summary.json", summary)
    low, high = summary["dice_95"]
    print(
        f"{summary['pictures']} pictures: loss {summary['loss']:.4f}, Dice {summary['dice']:.4f} "
        f"(95 %: {low:.4f} to {high:.4f}), IoU {summary['iou']:.4f}",
        file=sys.stderr,
    )
    return summary


def _visualize(options: argparse.Namespace) -> Result:
    from teethscape.segmentation.toothseg.report import write_report

    known = _items(options)
    require_free([options.output], [*_read(options, known), *networks_of(options.checkpoint)])
    items, digest = _part(options, known)
    models = [_model(options, path, items) for path in options.checkpoint]
    if len({model.name for model in models}) < len(models):
        raise UsageError("usage", "A checkpoint is named twice.", "Give each once.")
    notices = _notices(digest, models)
    summaries = write_report(options.output, models, options.top_k, options.seed)
    print(f"Report: {options.output}", file=sys.stderr)
    return {"report": str(options.output), "notices": notices, "models": summaries}


def _export(options: argparse.Namespace) -> Result:
    require_free([options.output], networks_of([options.checkpoint]))
    try:
        from teethscape.segmentation.toothseg.export import export_onnx

        return {"written": str(export_onnx(options.checkpoint, options.output))}
    except ImportError as error:
        raise MissingComponentError(
            "torch_missing", f"The export needs {error.name}.", "python -m pip install torch onnx"
        ) from error


def _index(options: argparse.Namespace) -> Result:
    items = _items(options)
    require_free([options.output], _read(options, items))
    write_index(options.output, items)
    masks = sum(item.mask is not None for item in items)
    print(f"{len(items)} pictures, {masks} with masks: {options.output}", file=sys.stderr)
    return {"written": str(options.output), "pictures": len(items), "masks": masks}


def _fbf(options: argparse.Namespace) -> Result:
    from teethscape.segmentation.toothseg.fbf import Bilateral, filter_folder

    settings = Bilateral(options.diameter, options.sigma_color, options.sigma_space)
    counts = filter_folder(options.images_dir, options.output, settings, PlainProgress("Filtering"))
    return {"output": str(options.output), **counts}


_ACTIONS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "pretrain": _pretrain,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "visualize": _visualize,
    "export": _export,
    "index": _index,
    "fbf": _fbf,
}
#: Actions that do without PyTorch.
_LIGHT = {"index", "fbf"}
