"""Permissions of files that hold, also where the tests run as one who may read everything."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VERSION = 0x20080522  # of Linux' sets of capabilities: 64 bits in two halves
_OVERRIDE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: permissions do not hold


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def plain_user() -> Iterator[None]:
    """Permissions hold for this thread, though not for programs that it starts. Skips where that cannot be had."""
    if os.name != "posix":
        pytest.skip("permissions of folders are those of POSIX systems")
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION, 0), (_Sets * 2)()
    if not hasattr(libc, "capset") or libc.capget(ctypes.byref(header), sets):
        pytest.skip("run as root, who may read everything, and this system has no capabilities to give up")
    before = sets[0].effective
    sets[0].effective = before & ~_OVERRIDE
    if libc.capset(ctypes.byref(header), sets):
        pytest.skip("run as root, who may read everything, and that cannot be given up")
    try:
        yield
    finally:
        sets[0].effective = before
        libc.capset(ctypes.byref(header), sets)
