/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Passive ports: uniform, inside the range, rested, and an error when none is left. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <wharf/base/address.h>

#include "ports.h"

static struct sockaddr_storage
loopback(void)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&a;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void
ports_are_uniform(void **state)
{
	enum { PORTS = 20, DRAWS = 4000 };
	struct ports p;
	unsigned seen[PORTS] = {0};
	double chi = 0;

	(void)state;
	assert_int_equal(ports_init(&p, (struct port_range){22100, 22100 + PORTS - 1}), 0);
	for (unsigned i = 0; i < DRAWS; i++) {
		struct sockaddr_storage at = loopback();
		/* An hour between two, so that all have rested. */
		int fd = ports_listen(&p, &at, 1 + 3600ULL * i);
		assert_true(fd >= 0);
		assert_in_range(address_port(&at), 22100, 22100 + PORTS - 1);
		seen[address_port(&at) - 22100]++;
		close(fd);
	}
	for (unsigned i = 0; i < PORTS; i++) {
		double off = seen[i] - (double)DRAWS / PORTS;
		chi += off * off / ((double)DRAWS / PORTS);
	}
	/* 19 degrees of freedom: above this in one of a hundred thousand runs. */
	assert_true(chi < 56.0);
	ports_deinit(&p);
}

static void
a_port_rests(void **state)
{
	struct ports p;
	bool used[10] = {false};

	(void)state;
	assert_int_equal(ports_init(&p, (struct port_range){22130, 22139}), 0);
	for (unsigned i = 0; i < 10; i++) {
		struct sockaddr_storage at = loopback();
		int fd = ports_listen(&p, &at, 100 + i);
		assert_true(fd >= 0);
		assert_false(used[address_port(&at) - 22130]);
		used[address_port(&at) - 22130] = true;
		close(fd);
	}
	/* All of them were used within the minute: better one of these than none. */
	struct sockaddr_storage at = loopback();
	int fd = ports_listen(&p, &at, 110);
	assert_true(fd >= 0);
	close(fd);
	ports_deinit(&p);
}

/* The kernel is asked for random bytes once for many draws, and what was drawn is forgotten. */
static unsigned kernel_asked;

ssize_t
getrandom(void *p, size_t n, unsigned flags)
{
	kernel_asked++;
	return syscall(SYS_getrandom, p, n, flags);
}

/* One that was taken first and given back last does not keep the others from use. */
static void
a_long_use_delays_no_other(void **state)
{
	struct ports p;
	struct sockaddr_storage at = loopback();

	(void)state;
	for (unsigned turn = 0; turn < 20; turn++) {
		assert_int_equal(ports_init(&p, (struct port_range){22150, 22153}), 0);
		uint16_t first = 0;
		for (unsigned i = 0; i < 4; i++) {
			int fd = ports_listen(&p, &at, 100);
			assert_true(fd >= 0);
			close(fd);
			first = i == 0 ? address_port(&at) : first;
		}
		ports_release(&p, first, 190);
		for (unsigned i = 0; i < 3; i++) {
			int fd = ports_listen(&p, &at, 200);
			assert_true(fd >= 0);
			close(fd);
			assert_int_not_equal(address_port(&at), first);
		}
		ports_deinit(&p);
	}
}

static void
randomness_comes_in_stock(void **state)
{
	struct ports p;

	(void)state;
	assert_int_equal(ports_init(&p, (struct port_range){22145, 22154}), 0);
	kernel_asked = 0;
	for (unsigned i = 0; i < 60; i++) {
		struct sockaddr_storage at = loopback();
		int fd = ports_listen(&p, &at, 1 + 3600ULL * i);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_in_range(kernel_asked, 1, 2);
	for (size_t i = p.n_random; i < sizeof(p.random); i++)
		assert_int_equal(p.random[i], 0);
	/* All rest: many draws that find none. */
	for (unsigned i = 0; i < 20; i++) {
		struct sockaddr_storage at = loopback();
		int fd = ports_listen(&p, &at, 1 + 3600ULL * 59);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_in_range(kernel_asked, 2, 15);
	ports_deinit(&p);
}

static void
a_spent_range_is_told(void **state)
{
	struct ports p, q;
	int fd[5];
	struct sockaddr_storage at = loopback();

	(void)state;
	/* Two tables of the same range know nothing of each other, as two workers do. */
	assert_int_equal(ports_init(&p, (struct port_range){22140, 22144}), 0);
	assert_int_equal(ports_init(&q, (struct port_range){22140, 22144}), 0);
	for (unsigned i = 0; i < 5; i++) {
		fd[i] = ports_listen(i % 2 ? &p : &q, &at, 100);
		assert_true(fd[i] >= 0);
	}
	assert_int_equal(ports_listen(&p, &at, 100), -EADDRINUSE);
	close(fd[3]);
	fd[3] = ports_listen(&p, &at, 100);
	assert_true(fd[3] >= 0);
	for (unsigned i = 0; i < 5; i++)
		close(fd[i]);
	ports_deinit(&p);
	ports_deinit(&q);
}

static void
other_errors_are_passed_on(void **state)
{
	struct ports p;
	struct sockaddr_storage at = loopback();

	(void)state;
	/* TEST-NET-1 is nobody's address. */
	((struct sockaddr_in *)&at)->sin_addr.s_addr = inet_addr("192.0.2.1");
	assert_int_equal(ports_init(&p, (struct port_range){22140, 22144}), 0);
	assert_int_equal(ports_listen(&p, &at, 100), -EADDRNOTAVAIL);
	ports_deinit(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_uniform),
		cmocka_unit_test(a_port_rests),
		cmocka_unit_test(a_long_use_delays_no_other),
		cmocka_unit_test(randomness_comes_in_stock),
		cmocka_unit_test(a_spent_range_is_told),
		cmocka_unit_test(other_errors_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
