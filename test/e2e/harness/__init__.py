# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: a real server of their own, a JSON-RPC client, and waiting with a deadline."""
