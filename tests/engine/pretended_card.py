"""A device that computes on the processor and is as strict as a graphics processor about where tensors lie.

What runs on a processor may still mix tensors of the card with others, which CUDA refuses. Here a tensor of
the device ``pretended`` wraps one of the processor; operations that mix the two fail as they do there.
PyTorch is changed for the whole process: ``on_card.py`` runs in one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
#: What CUDA takes tensors of both kinds for: copies, and indices that lie on the processor.
_MIXING = frozenset(
    f"aten::{name}" for name in ("copy_", "_to_copy", "index", "index_put_", "_index_put_impl_")
)
_LISTS = (list, np.ndarray)


class _Backend(backend_registration._DummyBackendModule):
    """What PyTorch asks of a device that may compute in half precision."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


class MixedError(RuntimeError):
    """Tensors of the card and of the processor met."""


class OnCard(Tensor):
    """A tensor of the pretended card; ``held`` is what it wraps, ``made`` counts all of them."""

    held: Tensor
    made = 0

    @staticmethod
    def __new__(cls, held: Tensor) -> OnCard:
        """Wrap a tensor of the processor."""
        OnCard.made += 1
        wrapper = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=f"{NAME}:0",
        )  # fmt: skip
        wrapper.held = held
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute on the processor."""
        return _run(func, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        """Refused, as CUDA does."""
        raise TypeError("a tensor of the card has no array; bring it to the processor first")

    __array__ = numpy


class _Mode(TorchDispatchMode):
    """Sees what makes tensors from nothing, and what brings them to the card."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, tensors = func._schema.name, [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    on_card = any(isinstance(t, OnCard) for t in tensors)
    if on_card and name not in _MIXING and any(t.dim() and not isinstance(t, OnCard) for t in tensors):
        raise MixedError(f"{func} got " + ", ".join(f"{type(t).__name__} {tuple(t.shape)}" for t in tensors))
    if name == "aten::copy_":
        on_card = isinstance(args[0], OnCard)
    if kwargs.get("device") is not None:
        on_card = torch.device(kwargs["device"]).type == NAME
        kwargs = {**kwargs, "device": torch.device("cpu") if on_card else kwargs["device"]}
    generator = kwargs.get("generator")
    if on_card and generator is not None and generator.device.type == "cpu":
        raise MixedError(f"{func} got a generator of the processor")
    plain, words = tree_map(lambda t: t.held if isinstance(t, OnCard) else t, (args, kwargs))
    out = func(*plain, **words)
    if not on_card:
        return out
    if name.endswith("_") and isinstance(out, Tensor):  # in place
        return args[0]
    return tree_map(lambda t: OnCard(t) if isinstance(t, Tensor) else t, out)


def _made_here(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What PyTorch makes from numbers goes past every mode: make it on the processor and bring it over."""

    def made(*values: Any, device: Any = None, **words: Any) -> Tensor:
        found = make(*values, **words)
        return found if device is None else found.to(device)

    return made


def _new_like(self: Tensor, values: Any, **words: Any) -> Tensor:
    return torch.tensor(values, **{"dtype": self.dtype, "device": self.device} | words)


def _with_indices(access: Callable[..., Any]) -> Callable[..., Any]:
    """Lists as indices go past every mode, too."""

    def accessed(self: Tensor, key: Any, *value: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        keys = tuple(torch.as_tensor(one) if isinstance(one, _LISTS) else one for one in keys)
        return access(self, keys if isinstance(key, tuple) else keys[0], *value)

    return accessed


def begin() -> None:
    """Let this process have the card."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
    torch.tensor, torch.as_tensor = _made_here(torch.tensor), _made_here(torch.as_tensor)
    Tensor.new_tensor = _new_like  # type: ignore[method-assign] - for this process alone
    Tensor.__getitem__ = _with_indices(Tensor.__getitem__)  # type: ignore[method-assign] - as above
    Tensor.__setitem__ = _with_indices(Tensor.__setitem__)  # type: ignore[method-assign] - as above
    _Mode().__enter__()
