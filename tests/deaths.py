"""Fits and searches that die while they write checkpoints, and go on in another life."""

import itertools

import pytest


class Death(BaseException):
    """What ends a process, as far as one test can tell."""


def many_lives(checkpoint, go_on, writing, most):
    """Die at one writing of each life, counted from 0, unless it is of the end; return the result and the lives."""
    write = checkpoint.write
    for life in itertools.count(1):
        writings = itertools.count()

        def dying(file, *progress, writings=writings):
            write(file, *progress)
            if next(writings) == writing and not any(each.stage == "ended" for each in progress):
                raise Death

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(checkpoint, "write", dying)
            try:
                return go_on(), life
            except Death:
                assert life < most
