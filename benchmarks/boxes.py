"""A detector's raw tensors to boxes, in Python and TypeScript, against loops by hand: `python -m benchmarks.boxes`."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, alternate, seconds, show
from runtime.boxes import cell_centers, distances_to_corners, logit, non_max_suppression

SIZE, STRIDES, CLASSES = (320, 320), (8, 16, 32), 3
CONFIDENCE, IOU = 0.25, 0.6
OBJECTS, CELLS_EACH = 25, 8
PYTHON, TYPESCRIPT = 1.5e-3, 3e-3
"""Seconds that decoding and suppression may take."""
ROUNDS = 300
SCRIPT = """
import { readFileSync } from "node:fs";
const model = await import(process.argv[1]);
const data = JSON.parse(readFileSync(0));
const distances = Float32Array.from(data.distances), logits = Float32Array.from(data.logits);
const [height, width] = data.size, [confidence, iou, count] = [data.confidence, data.iou, data.classes];

function ours() {
  const corners = model.distancesToCorners(distances, model.cellCenters({ width, height }, data.strides));
  const { cells, classes } = model.nonMaxSuppression(corners, logits, model.logit(confidence), iou);
  return Array.from(cells, (cell, i) => [cell, classes[i]]);
}

function byHand() {
  const { centers, strides } = model.cellCenters({ width, height }, data.strides);
  const candidates = [];
  for (let cell = 0; cell < strides.length; cell++) {
    for (let label = 0; label < count; label++) {
      const score = 1 / (1 + Math.exp(-logits[cell * count + label]));
      if (score < confidence) continue;
      const [left, top, right, bottom] = distances.subarray(4 * cell, 4 * cell + 4).map((each) => each * strides[cell]);
      const [x, y] = centers.subarray(2 * cell, 2 * cell + 2);
      candidates.push({ cell, label, score, left: x - left, top: y - top, right: x + right, bottom: y + bottom });
    }
  }
  candidates.sort((one, other) => other.score - one.score);
  const area = (box) => (box.right - box.left) * (box.bottom - box.top);
  const kept = [];
  for (const box of candidates) {
    const covered = kept.some((other) => {
      if (other.label !== box.label) return false;
      const wide = Math.max(0, Math.min(box.right, other.right) - Math.max(box.left, other.left));
      const high = Math.max(0, Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top));
      return (wide * high) / (area(box) + area(other) - wide * high) > iou;
    });
    if (!covered) kept.push(box);
  }
  return kept.map(({ cell, label }) => [cell, label]);
}

const times = [[], []];
for (let turn = 0; turn < data.rounds + 20; turn++) {
  for (const which of turn % 2 ? [0, 1] : [1, 0]) {
    const start = performance.now();
    [ours, byHand][which]();
    if (turn >= 20) times[which].push((performance.now() - start) / 1e3);
  }
}
const medians = times.map((all) => all.sort((one, other) => one - other)[all.length >> 1]);
console.log(JSON.stringify({ medians, answers: [ours(), byHand()] }));
"""


def rows() -> Iterator[Row]:
    """Measure one picture's tensors; both sides must give the same boxes."""
    distances, logits = tensors()
    answer = ours(distances, logits)
    assert answer == by_hand(distances, logits)
    times = alternate(lambda: ours(distances, logits), lambda: by_hand(distances, logits), ROUNDS)
    candidates = int((logits >= logit(CONFIDENCE)).sum())
    name = f"decode and NMS, {len(logits):,} cells, {candidates} candidates"
    yield _row(f"{name}, Python", times, PYTHON)
    times = in_node(distances, logits, answer)
    if times is not None:
        yield _row(f"{name}, TypeScript", times, TYPESCRIPT)


def tensors() -> tuple[np.ndarray, np.ndarray]:
    """Return distances ``[2100, 4]`` and logits ``[2100, 3]`` of `OBJECTS`, each seen by the cells nearest to it."""
    random = np.random.default_rng(0)
    centers, strides = cell_centers(*SIZE, STRIDES)
    distances = random.uniform(0.5, 4, (len(centers), 4))
    logits = random.normal(-6, 1, (len(centers), CLASSES))
    for label in random.integers(0, CLASSES, OBJECTS):
        middle, side = random.uniform(30, 290, 2), random.uniform(20, 60, 2)
        nearest = np.argsort(np.square(centers - middle).sum(axis=1))[:CELLS_EACH]
        edges = np.concatenate([centers[nearest] - middle + side / 2, middle + side / 2 - centers[nearest]], axis=1)
        distances[nearest] = (edges + random.normal(0, 2, edges.shape)) / strides[nearest, None]
        logits[nearest, label] = random.normal(2, 1, CELLS_EACH)
    return distances.astype(np.float32), logits.astype(np.float32)


def ours(distances: np.ndarray, logits: np.ndarray) -> list[tuple[int, int]]:
    """Return cell and class of each box."""
    corners = distances_to_corners(distances, *cell_centers(*SIZE, STRIDES))
    cells, classes = non_max_suppression(corners, logits, logit(CONFIDENCE), IOU)
    return list(zip(cells.tolist(), classes.tolist(), strict=True))


def by_hand(distances: np.ndarray, logits: np.ndarray) -> list[tuple[int, int]]:
    """Return the same by numpy code as it is usually written: probabilities, and one class after the other."""
    centers, strides = cell_centers(*SIZE, STRIDES)
    steps = distances * strides[:, None]
    boxes = np.concatenate([centers - steps[:, :2], centers + steps[:, 2:]], axis=1)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    scores = 1 / (1 + np.exp(-logits))
    kept = []
    for label in range(scores.shape[1]):
        order = np.flatnonzero(scores[:, label] >= CONFIDENCE)
        order = order[np.argsort(-scores[order, label])]
        while len(order):
            cell, rest = order[0], order[1:]
            kept.append((scores[cell, label], int(cell), label))
            sides = np.minimum(boxes[cell, 2:], boxes[rest, 2:]) - np.maximum(boxes[cell, :2], boxes[rest, :2])
            shared = np.maximum(sides, 0).prod(axis=1)
            order = rest[shared / (areas[cell] + areas[rest] - shared) <= IOU]
    return [(cell, label) for _, cell, label in sorted(kept, key=lambda box: -box[0])]


def in_node(distances: np.ndarray, logits: np.ndarray, answer: list[tuple[int, int]]) -> tuple[float, float] | None:
    """Return the median seconds of the twin and of a loop by hand, or None where there is no Node.js."""
    from mobile_demo import build_app
    from tests.mobile_demo.layer import build_module

    node = build_app.find_node()
    if node is None:
        return None
    build_app.install(node)
    data = {
        "distances": distances.ravel().tolist(), "logits": logits.ravel().tolist(), "size": SIZE, "strides": STRIDES,
        "classes": CLASSES, "confidence": CONFIDENCE, "iou": IOU, "rounds": ROUNDS,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder) / "model.mjs"
        module.write_bytes(build_module(node.folder / "node", Path(folder)))
        command = [str(node.folder / "node"), "--input-type=module", "--eval", SCRIPT, str(module)]
        done = subprocess.run(command, input=json.dumps(data), stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout)
    assert all([tuple(box) for box in each] == answer for each in said["answers"])
    return tuple(said["medians"])


def _row(name: str, times: tuple[float, float], bar: float) -> Row:
    took, baseline = times
    return Row(name, seconds(took), seconds(baseline), f"{took / baseline:.3f}×", f"≤ {seconds(bar)}", took <= bar)


def main() -> None:
    """Print ours, the baseline, the ratio and the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    show("raw tensors to boxes", rows(), parser.parse_args().json)


if __name__ == "__main__":
    main()
