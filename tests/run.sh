#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# Installs what the build and the tests need, builds wharfd twice (release, sanitizers) and runs every test of both.
# As root everything runs, also what needs port 21, PAM and chroot; as an ordinary user those tests say that they need
# root.  Packages are installed by root or by sudo, and only those that are missing.
#
#	tests/run.sh            everything
#	tests/run.sh release    one preset (or: sanitize)
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1

. tests/lib/install.sh

# The tree of the website test and a client that Debian does not have.
fetch() {
	mkdir -p build/cache/node
	if [ ! -d build/cache/wordpress/usr ]; then
		(cd build/cache && rm -f wordpress_*.deb && apt-get download -qq wordpress 2>/dev/null ||
			{ as_root apt-get update -qq && apt-get download -qq wordpress; })
		dpkg -x build/cache/wordpress_*.deb build/cache/wordpress
	fi
	if [ ! -d build/cache/node/node_modules/basic-ftp ]; then
		npm install --silent --no-audit --no-fund --prefix build/cache/node basic-ftp@5.0.5 >/dev/null
	fi
}

passed=0 failed=0
suite() {
	local preset=$1 out=build/$1/ctest.out
	shift
	cmake --preset "$preset" >/dev/null
	cmake --build --preset "$preset" >build/"$preset"/build.out 2>&1 || {
		tail -n 60 build/"$preset"/build.out
		failed=$((failed + 1))
		return
	}
	ctest --test-dir build/"$preset" --output-on-failure --no-tests=error -j 2 "$@" 2>&1 | tee "$out" || true
	local all bad
	all=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$out" | tail -n 1)
	bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of .*/\1/p' "$out" | tail -n 1)
	if [ -z "$all" ]; then
		failed=$((failed + 1))
		return
	fi
	local skipped
	skipped=$(grep -c '\*\*\*Skipped' "$out" || true)
	passed=$((passed + all - bad - skipped)) failed=$((failed + bad))
}

install_packages
fetch
case ${1:-all} in
all)
	suite release
	suite sanitize
	;;
*)
	suite "$1"
	;;
esac
echo "$passed passed, $failed failed"
[ $failed = 0 ]
