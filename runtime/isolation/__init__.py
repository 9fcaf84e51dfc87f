"""Model files in child processes: a probe before a file is opened here, or an engine that stays there."""
