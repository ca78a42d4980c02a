# SPDX-License-Identifier: Apache-2.0
"""The tools are scripts, not a package: their folder goes on the path."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))
