/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * What every fuzz target includes.  A target is the one function of libFuzzer; with clang and
 * WHARF_SANITIZE=address,undefined,fuzzer-no-link it becomes fuzz_<name>, and always replay_<name>,
 * which runs it over corpus/<name> as a test.
 */
#ifndef WHARF_TESTS_FUZZ_H
#define WHARF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <wharf/base/slice.h>

/* A property that must hold for all inputs. */
#define HOLDS(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
