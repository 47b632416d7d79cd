"""A plain HTML page with pictures inside it, readable without network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_TEMPLATE = Path(__file__).parent / "data" / "report.html"
_COLUMNS = {
    "pictures": "pictures",
    "dice": "Dice",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "hd95": "HD95 (px)",
    "boundary_iou": "boundary IoU",
    "loss": "loss",
}


@dataclass(frozen=True)
class Figure:
    """A picture (h, w, 3) uint8 RGB with a caption."""

    caption: str
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Section:
    """A heading, HTML below it, and a row of pictures."""

    title: str
    body: str
    figures: tuple[Figure, ...]


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole document."""
    body = "\n".join(_section(section) for section in sections)
    return Template(_TEMPLATE.read_text("utf-8")).substitute(title=escape(title), body=body)


def _section(section: Section) -> str:
    figures = "".join(_figure(figure) for figure in section.figures)
    return (
        f"<section><h2>{escape(section.title)}</h2>{section.body}<div class='row'>{figures}</div></section>"
    )


def _figure(figure: Figure) -> str:
    _, data = cv2.imencode(".png", figure.picture[..., ::-1])
    text = base64.b64encode(data.tobytes()).decode("ascii")
    caption = escape(figure.caption)
    return (
        f"<figure><img alt='{caption}' src='data:image/png;base64,{text}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores of models, one per line, with their 95 % intervals."""
    head = "".join(f"<th>{escape(title)}</th>" for title in ("model", *_COLUMNS.values()))
    rows = "".join(_row(name, summary) for name, summary in summaries.items())
    return f"<table><tr>{head}</tr>{rows}</table>"


def _row(name: str, summary: Mapping[str, Any]) -> str:
    cells = "".join(f"<td>{_cell(summary[key], summary.get(f'{key}_95'))}</td>" for key in _COLUMNS)
    return f"<tr><th>{escape(name)}</th>{cells}</tr>"


def _cell(value: float | int | None, interval: Sequence[float | None] | None) -> str:
    if value is None or isinstance(value, int):
        return "-" if value is None else str(value)
    if interval is None or None in interval:
        return f"{value:.4f}"
    return f"{value:.4f}<br><small>{interval[0]:.4f} to {interval[1]:.4f}</small>"
