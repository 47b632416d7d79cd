"""Let a user stop networks in the middle of a call (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

#: Layers that take the time; on a CPU the largest of them takes about a second.
_SLOW = (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)


@contextmanager
def watched(network: nn.Module, watch: Callable[[], None]) -> Iterator[None]:
    """Meanwhile ``watch`` is called before each layer that takes time; it raises to stop."""

    def look(*_: Any) -> None:
        watch()

    with ExitStack() as stack:
        for layer in network.modules():
            if isinstance(layer, _SLOW):
                stack.callback(layer.register_forward_pre_hook(look).remove)
        yield
