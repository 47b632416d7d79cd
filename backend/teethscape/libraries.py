"""Libraries beyond the standard profile: asked for before any work begins."""

from __future__ import annotations

import importlib
import sys

from teethscape.errors import MissingComponentError, ResourceError

#: What the networks of the engine ``teethdreamer`` are built on.
FULL = ("diffusers", "safetensors", "torch", "transformers")
FULL_ADVICE = "Run in the engine's environment: python -m pip install 'teethscape[full]'"
TORCH_ADVICE = "Run in the engine's environment: python -m pip install torch onnx"


def require_full(purpose: str, *more: str) -> None:
    """Refuse without the libraries of the full profile.

    Args:
        purpose: what needs them, as the message's subject.
        more: names of further ones that it needs.

    Raises:
        MissingComponentError: one of them is not installed.
    """
    missing = _missing((*FULL, *more))
    if missing is not None:
        raise MissingComponentError(
            "full_profile_missing",
            f"{purpose} needs the full profile ({missing} is missing).",
            FULL_ADVICE,
        )


def require_torch(purpose: str, advice: str = TORCH_ADVICE) -> None:
    """Refuse without PyTorch.

    Args:
        purpose: what needs it, as the message's subject.
        advice: what to do.

    Raises:
        MissingComponentError: it is not installed.
    """
    missing = _missing(("torch",))
    if missing is not None:
        raise MissingComponentError(
            "torch_missing", f"{purpose} needs PyTorch ({missing} is missing).", advice
        )


def card_full(error: BaseException) -> ResourceError | None:
    """In our words, where an error is PyTorch's of a graphics processor without free memory; else None."""
    torch = sys.modules.get("torch")  # where nobody has imported it, the error is not of its making
    if torch is None or not isinstance(error, torch.OutOfMemoryError):
        return None
    return ResourceError(
        "card_memory",
        "The graphics processor has too little memory.",
        "Close other programs that use it, or work without it (--device cpu).",
    )


def _missing(names: tuple[str, ...]) -> str | None:
    """The first that cannot be imported; they are imported, since one that is there may be broken."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            return error.name or name
    return None
