"""Predicting: files, rows, frames and cameras to answers, on the terminal, in files and on pictures."""
