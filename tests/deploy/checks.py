"""What the checks of this folder print and count."""

import sys

results = {True: 0, False: 0}


def check(what, ok, detail=""):
    results[bool(ok)] += 1
    print(f"  {'ok    ' if ok else 'FAILED'}  {what}{'' if ok else f': {detail}'}")


def finish():
    """The closing line; ends the program with 1 if anything failed."""
    print(f"{results[True]} passed, {results[False]} failed")
    sys.exit(results[False] > 0)
