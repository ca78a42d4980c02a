# SPDX-License-Identifier: Apache-2.0
"""Receivers of logs for the tests: a recorder of ours that fails on demand, and real ones where they are installed."""
