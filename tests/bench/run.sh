#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# The benchmark in full, on a release build: see bench.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
WHARF_BUILD=$PWD/build/release PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/bench/bench.py \
	--json build/release/bench.json "$@"
