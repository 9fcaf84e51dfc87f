"""Shared by TFLite and TFLM: LiteRT's converter and quantizer, and the schema of their files."""
