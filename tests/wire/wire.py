#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The service as clients and operators see it, through nginx. Speaks TAP; arguments choose tests by name.

Each module holds the tests of one subject; they run in this order against three private services (see
common.py). Every answer that any test sees is held against nginx/openapi.yaml.
"""
import os
import sys

sys.dont_write_bytecode = True  # the source folder may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import tap

tap.need("yaml", "jsonschema")

import common
import conventions  # noqa: F401  the order of the imports is the order of the tests
import accounts  # noqa: F401
import hostile  # noqa: F401
import queueing  # noqa: F401
import seats  # noqa: F401
import memory  # noqa: F401
import payments  # noqa: F401
import shortlived  # noqa: F401
import operation  # noqa: F401
import metrics  # noqa: F401
import logs  # noqa: F401
import outage  # noqa: F401
import last  # noqa: F401

if __name__ == "__main__":
    common.start()
    try:
        failed = tap.run()
    finally:
        common.stop()
    sys.exit(1 if failed else 0)
