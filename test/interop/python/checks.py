"""The frame of the Python jobs: each check prints "ok NAME" or "FAIL NAME: why", and the next one runs anyway."""
import sys
import traceback

failed = 0


def check(name, f):
    global failed
    try:
        f()
        print(f"ok {name}")
    except Exception as e:  # the frame must survive every kind of failure
        failed += 1
        traceback.print_exc()
        print(f"FAIL {name}: {type(e).__name__}: {e}".replace("\n", " "))


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what} got {str(got)[:300]}, want {str(want)[:300]}")


def finish():
    sys.exit(1 if failed else 0)
