# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a deadline: the one place of the tests that looks again after a pause."""
import os
import time

# Sanitizer builds are slower: every deadline is stretched by this.
SLOWNESS = float(os.environ.get("ZINIT_SLOWNESS", "1"))
PAUSE = 0.01


def wait_for(predicate, timeout=10.0, what=None):
    """Call `predicate` until it returns something true, and return that; fail with its last answer after `timeout` seconds."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate.__name__} (last: {answer!r})")
        time.sleep(PAUSE)


def stays(predicate, seconds, what=None):
    """Fail if `predicate` returns something false at any look during `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = predicate()
        assert answer, f"did not stay so for {seconds} s: {what or predicate.__name__} ({answer!r})"
        time.sleep(PAUSE)
