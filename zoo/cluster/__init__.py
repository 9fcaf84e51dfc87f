"""Predictions on a Ray cluster: the bundle is sent to every node, and each worker holds the opened model.

Source: Ray Data, https://docs.ray.io/en/latest/data/batch_inference.html
"""

from zoo.cluster.datasets import predict

__all__ = ["predict"]
