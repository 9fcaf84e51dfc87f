"""What TFLite and TFLM share: LiteRT's converter and quantizer, and the schema of their files."""
