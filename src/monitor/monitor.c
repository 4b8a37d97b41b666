/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The monitor as a whole: its signals, and how it ends. */
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include <wharf/base/log.h>

#include "agent.h"
#include "auth.h"
#include "ledger.h"
#include "listener.h"
#include "login.h"
#include "logs.h"
#include "monitor.h"
#include "worker.h"

/* What sessions have to finish a transfer when the daemon ends, in seconds. */
#define DRAIN_SECONDS 5
/* When workers, and after them agents and auth processes, are gone at the latest. */
#define END_MS ((DRAIN_SECONDS + 6) * 1000ULL)

bool
monitor_has_source(const struct monitor *m, enum word_source source)
{
	for (size_t i = 0; i < m->server->sources.n; i++)
		if (m->server->sources.item[i] == source)
			return true;
	return false;
}

static void
on_time_over(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

void
monitor_fail(struct monitor *m)
{
	if (m->draining)
		return;
	m->draining = true;
	m->status = EX_OSERR;
	uv_stop(&m->loop);
}

void
monitor_check_drained(struct monitor *m)
{
	if (m->draining && !workers_alive(m))
		uv_stop(&m->loop);
}

static void
on_terminate(uv_signal_t *signal, int number)
{
	struct monitor *m = signal->data;

	if (m->draining) {
		LOG(WARNING, "ending at once", LOG_NUM("signal", number));
		uv_stop(&m->loop);
		return;
	}
	LOG(INFO, "ending", LOG_NUM("signal", number),
	    LOG_NUM("sessions", session_count(&m->sessions)), LOG_NUM("seconds", DRAIN_SECONDS));
	m->draining = true;
	listeners_close(m);
	workers_drain(m, DRAIN_SECONDS);
	uv_timer_start(&m->drain_timer, on_time_over, END_MS, 0);
	monitor_check_drained(m);
}

static void
on_hangup(uv_signal_t *signal, int number)
{
	(void)number;
	logs_reopen(signal->data);
}

static void
on_child(uv_signal_t *signal, int number)
{
	(void)number;
	peers_reap(signal->data);
}

int
monitor_watch_signals(struct monitor *m)
{
	static const struct {
		int number;
		uv_signal_cb callback;
	} rows[] = {{SIGTERM, on_terminate},
		    {SIGINT, on_terminate},
		    {SIGHUP, on_hangup},
		    {SIGCHLD, on_child}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = uv_signal_init(&m->loop, &m->signals[i]);
		if (r == 0)
			r = uv_signal_start(&m->signals[i], rows[i].callback, rows[i].number);
		if (r < 0)
			return r;
		m->signals[i].data = m;
	}
	return 0;
}

static void
on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Runs the loop until no more than so many children are left to be reaped, or the time is over. */
static void
await_children(struct monitor *m, unsigned most, uint64_t ms)
{
	uint64_t until = uv_now(&m->loop) + ms;

	while (HASH_COUNT(m->children) > most && uv_now(&m->loop) < until)
		uv_run(&m->loop, UV_RUN_ONCE);
}

static void
kill_children(struct monitor *m)
{
	struct peer *p, *next;

	HASH_ITER (hh, m->children, p, next) {
		LOG(WARNING, "a process did not leave and is killed",
		    LOG_STR("role", p->class->name), LOG_NUM("pid", p->pid));
		kill(p->pid, SIGKILL);
	}
	await_children(m, 0, 1000);
}

static void
close_handle(uv_handle_t *handle, void *data)
{
	(void)data;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
monitor_end(struct monitor *m)
{
	m->draining = true;
	listeners_close(m);
	agents_end(m);
	auths_end(m);
	/* Wakes the loop to look at the clock. */
	uv_timer_start(&m->drain_timer, on_tick, 10, 10);
	/* A PAM session is closed by its process, which may take a moment; a worker is not asked
	 * any more. */
	for (size_t i = 0; i < m->n_workers; i++)
		if (m->workers[i].peer.pid)
			kill(m->workers[i].peer.pid, SIGKILL);
	await_children(m, ledger_lives(m), 3000);
	/* The last one: it takes what all others have written. */
	ledger_end(m);
	await_children(m, 0, 3000);
	kill_children(m);
	uv_walk(&m->loop, close_handle, NULL);
	uv_run(&m->loop, UV_RUN_DEFAULT);
	uv_loop_close(&m->loop);
	login_free(m);
	listeners_free(m);
	workers_free(m);
	admission_deinit(&m->admission);
	tally_deinit(&m->users);
}
