"""A prediction as HTML for notebooks."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.decode import Prediction


def prediction_html(prediction: Prediction) -> str:
    """Return the input's pixels beside bars of the top scores; labels are escaped, colours follow the page."""
    bars = "".join(
        '<tr style="background:none">'
        f'<td style="text-align:right;padding:2px 8px">{html.escape(label)}</td>'
        '<td style="padding:2px;width:160px;text-align:left"><div style="height:12px;border-radius:2px;'
        f'background:#3b76c4;width:{max(1, round(score * 160))}px"></div></td>'
        f'<td style="text-align:right;padding:2px 8px;font-variant-numeric:tabular-nums">{score:.3f}</td></tr>'
        for label, score in prediction.top
    )
    return (
        '<div style="display:flex;gap:16px;align-items:center">'
        f'<img alt="what the model saw" src="data:image/png;base64,{_png(prediction)}" '
        'style="height:128px;image-rendering:pixelated;border:1px solid #8888"/>'
        f'<table style="border-collapse:collapse">{bars}</table></div>'
    )


def _png(prediction: Prediction) -> str:
    from PIL import Image

    pixels = prediction.pixels
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
