"""Files that other projects made: what is in them (graphs/), and what is told about them (hints/)."""
