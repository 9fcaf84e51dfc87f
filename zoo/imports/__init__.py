"""Files that other projects made: `zoo import` (run.py), their graphs (graphs/) and their metadata (hints/)."""
