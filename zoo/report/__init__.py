"""Reports: pictures of results, and sentences about the metrics of a run."""
