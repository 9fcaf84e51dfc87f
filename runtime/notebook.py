"""A prediction as HTML for notebooks."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from runtime.tensors import Tensors


def prediction_html(seen: Tensors, bars: list[tuple[str, float]], summary: str) -> str:
    """Return a prediction beside its image, if its input is one; text is escaped, colors follow the page.

    Args:
        seen: The input; an image is ``uint8 [height, width, channels]``.
        bars: Names with shares of 0 to 1.
        summary: The text in the place of the bars, where there are none.
    """
    return (
        '<div style="display:flex;gap:16px;align-items:center">'
        f"{_image(seen)}{_bars(bars) or f'<span>{html.escape(summary)}</span>'}</div>"
    )


def _image(seen: Tensors) -> str:
    if isinstance(seen, dict) or seen.dtype != np.uint8 or seen.ndim != 3:
        return ""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(seen[:, :, 0] if seen.shape[2] == 1 else seen).save(file, "PNG")
    return (
        f'<img alt="what the model saw" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}" '
        'style="height:128px;image-rendering:pixelated;border:1px solid #8888"/>'
    )


def _bars(bars: list[tuple[str, float]]) -> str:
    rows = "".join(
        '<tr style="background:none">'
        f'<td style="text-align:right;padding:2px 8px">{html.escape(name)}</td>'
        '<td style="padding:2px;width:160px;text-align:left"><div style="height:12px;border-radius:2px;'
        f'background:#3b76c4;width:{max(1, round(share * 160))}px"></div></td>'
        f'<td style="text-align:right;padding:2px 8px;font-variant-numeric:tabular-nums">{share:.3f}</td></tr>'
        for name, share in bars
    )
    return rows and f'<table style="border-collapse:collapse">{rows}</table>'
