"""What a ToothSeg network is: its kind, widths and channels, readable without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from teethscape.errors import BadInputError, UsageError

#: The gates squeeze a skip's channels sixteenfold, so fewer than 16 would leave none.
REDUCTION = 16


class ModelType(str, Enum):
    """The three networks, by the names of ``--model-type``."""

    UNET = "unet"
    SCAG = "scag"
    NAC = "nac"

    __str__ = str.__str__


class Gates(str, Enum):
    """What a skip's gate looks at: skip and decoder (new), or the skip alone (published first version)."""

    NEW = "new"
    OLD = "old"

    __str__ = str.__str__


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that decides the tensors of a network.

    Attributes:
        model: plain U-Net, with gated skips, or with gates and a context block at the bottom.
        inputs: channels of the picture, 1 grey or 3 RGB.
        outputs: planes of logits: 1 (tooth or not) or one per class.
        base: channels of the first level.
        bilinear: upsample by interpolation; else by transposed convolutions.
        gates: version of the gates; without meaning for the plain U-Net.
    """

    model: ModelType = ModelType.UNET
    inputs: int = 1
    outputs: int = 1
    base: int = 32
    bilinear: bool = True
    gates: Gates = Gates.NEW

    def __post_init__(self) -> None:
        """Refuse widths that no network can have.

        Raises:
            UsageError: a number of channels is too small for this model.
        """
        least = 1 if self.model is ModelType.UNET else REDUCTION
        if self.base < least:
            raise UsageError(
                "base_channels",
                f"{self.base} base channels are too few for {self.model}, whose gates need at least {least}.",
                f"Give --base-channels {least} or more, or --model-type unet.",
            )
        if self.inputs < 1 or self.outputs < 1:
            raise UsageError("base_channels", "A network needs inputs and outputs.", "Give positive numbers.")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "model": self.model.value, "gates": self.gates.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_json`."""
        words = {"model": ModelType(values["model"]), "gates": Gates(values["gates"])}
        return cls(**{**values, **words})


Shapes = Mapping[str, tuple[int, ...]]
_WRAPPERS = ("module.", "_orig_mod.", "model.", "network.")
_DOUBLES = ("inc", *(f"down{n}.maxpool_conv.1" for n in range(1, 5)), *(f"up{n}.conv" for n in range(1, 5)))
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
#: Names of all tensors of the plain U-Net that interpolates; every ToothSeg network has them.
PLAIN_NAMES = frozenset(
    {"outc.conv.weight", "outc.conv.bias"}
    | {f"{double}.double_conv.{place}.weight" for double in _DOUBLES for place in (0, 3)}
    | {f"{double}.double_conv.{place}.{part}" for double in _DOUBLES for place in (1, 4) for part in _NORM}
)
#: Tensors that tell the width of the first level: name, number of axes, which axis, how many widths.
_WIDTHS = (
    *((f"inc.double_conv.{place}.weight", 4, 0, 1) for place in (0, 3)),
    *((f"inc.double_conv.{place}.weight", 1, 0, 1) for place in (1, 4)),
    *((f"down{n}.maxpool_conv.1.double_conv.0.weight", 4, 1, 2 ** (n - 1)) for n in range(1, 5)),
    ("outc.conv.weight", 4, 1, 1),
)


def plain_name(name: str) -> str:
    """A tensor's name without what data-parallel and compiling wrappers put before it."""
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def recognise(shapes: Shapes) -> NetworkSpec:
    """Tell which network a state dict belongs to, from names and shapes alone.

    Half of the names are enough, so that a network with tensors missing is told from another one.

    Args:
        shapes: shape of each tensor by its name, wrappers allowed.

    Raises:
        BadInputError: these are not the tensors of a ToothSeg network.
    """
    known = _known(shapes)
    base = _base(known)
    if base is None or 2 * len(PLAIN_NAMES & known.keys()) < len(PLAIN_NAMES):
        raise BadInputError(
            "checkpoint_unknown",
            "The checkpoint does not hold a ToothSeg network (its tensors have other names).",
            "Give a checkpoint of UNet2D, UNet2D_scAG or UNet2D_NAC.",
        )
    gated = any(name.startswith("scAG") for name in known)
    context = any(name.startswith("bottleneck_nac.") for name in known)
    return NetworkSpec(
        model=ModelType.NAC if context else ModelType.SCAG if gated else ModelType.UNET,
        inputs=_size(known, "inc.double_conv.0.weight", 1) or 1,
        outputs=_size(known, "outc.conv.weight", 0) or _size(known, "outc.conv.bias", 0) or 1,
        base=base,
        bilinear=not any(f"up{level}.up.weight" in known for level in range(1, 5)),
        gates=Gates.OLD if any(f"scAG{level}.conv.weight" in known for level in range(1, 5)) else Gates.NEW,
    )


def _known(shapes: Shapes) -> Shapes:
    """Shapes under plain names, those of the head as ours."""
    return {_head_name(plain_name(name)): tuple(shape) for name, shape in shapes.items()}


def _base(known: Shapes) -> int | None:
    """The width of the first level that most tensors tell; None where none does."""
    found = Counter(_bases(known)).most_common(1)
    return found[0][0] if found else None


def _bases(known: Shapes) -> Iterator[int]:
    for name, axes, axis, times in _WIDTHS:
        shape = known.get(name, ())
        if len(shape) == axes and shape[axis] >= times:
            yield shape[axis] // times


def _size(known: Shapes, name: str, axis: int) -> int:
    """The size of a tensor along an axis; 0 where there is none."""
    shape = known.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def our_name(name: str, shapes: Shapes) -> str:
    """The name that our networks give to a published tensor.

    Publications wrap the head once more or not, and may count the gates from the
    other end, which their widths tell.
    """
    name = _head_name(plain_name(name))
    if name.startswith("scAG") and _counts_from_the_top(shapes):
        return f"scAG{5 - int(name[4])}{name[5:]}"
    return name


def _head_name(name: str) -> str:
    return name.replace("outc.", "outc.conv.") if name in ("outc.weight", "outc.bias") else name


def _counts_from_the_top(shapes: Shapes) -> bool:
    """True when the first gate stands at the finest level."""
    known = _known(shapes)
    return _size(known, "scAG1.mlp.3.weight", 0) == _base(known)
