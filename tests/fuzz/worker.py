"""One process of the fuzz: opens and runs files itself once their trial in a child went well."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random


def main(kind: str, seed: str, start: str, stop: str, step: str, *bundles: str) -> None:
    """Run every case of a range, and say so in lines of JSON."""
    from runtime.isolation import probe
    from runtime.native_output import suppress_output
    from tests.fuzz.cases import KINDS, outcome
    from tests.fuzz.server import ForkServer

    os.environ["EDGEZOO_CACHE"] = os.devnull + "/none"  # every file gets its trial
    with os.fdopen(os.dup(1), "w") as out, suppress_output():

        def say(**words: object) -> None:
            out.write(json.dumps(words) + "\n")
            out.flush()

        made = KINDS[kind](Path(tempfile.mkdtemp()), [Path(bundle) for bundle in bundles])
        probe.spawn = ForkServer(made.engines)
        for case in range(int(start), int(stop), int(step)):
            say(case=case)
            data, extra = made.mutate(Random(f"{kind} {seed} {case}"))
            begun = time.process_time()
            try:
                ending = outcome(made, data, extra)
            except BaseException as problem:
                frame = traceback.extract_tb(problem.__traceback__)[-1]
                where = f"{Path(frame.filename).name}:{frame.lineno}"
                say(case=case, failure=f"{type(problem).__name__} at {where}: {str(problem)[:200]}")
            else:
                say(case=case, outcome=ending, seconds=time.process_time() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
