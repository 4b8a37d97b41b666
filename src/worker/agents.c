/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Agents and what they were asked; see agents.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <wharf/base/check.h>
#include <wharf/base/fd.h>
#include <wharf/base/log.h>

#include "session.h"

#define AGENT_MAGIC MAGIC('a', 'g', 'n', 't')
#define SWEEP_MS    500
#define NO_ROW      UINT32_MAX
/* An id: the row in the low bits, and in the others how often it was used. */
#define ROW_BITS 20
#define ROW_MASK ((1U << ROW_BITS) - 1)

/* What it may do to what a quota counts. */
enum effect { NOTHING, CHANGES, MOVES };

/* The question that each message is, its number's field, what answers it, and its effect. */
#define QUESTIONS(ROW)                               \
	ROW(F_OPEN, f_open, R_OPENED, CHANGES)       \
	ROW(F_PREPARE, f_prepare, R_OPENED, CHANGES) \
	ROW(F_COMMIT, f_commit, R_CLOSED, MOVES)     \
	ROW(F_KEEP, f_keep, R_CLOSED, MOVES)         \
	ROW(F_USAGE, f_usage, R_USAGE, NOTHING)      \
	ROW(F_STAT, f_stat, R_STAT, NOTHING)         \
	ROW(F_LIST, f_list, R_LISTING, NOTHING)      \
	ROW(F_MKDIR, f_mkdir, R_DONE, NOTHING)       \
	ROW(F_RMDIR, f_rmdir, R_DONE, MOVES)         \
	ROW(F_UNLINK, f_unlink, R_DONE, CHANGES)     \
	ROW(F_RENAME, f_rename, R_DONE, MOVES)       \
	ROW(F_CHMOD, f_chmod, R_DONE, NOTHING)       \
	ROW(F_CHGRP, f_chgrp, R_DONE, NOTHING)       \
	ROW(F_UTIME, f_utime, R_DONE, NOTHING)       \
	ROW(F_SYMLINK, f_symlink, R_DONE, NOTHING)   \
	ROW(F_SPACE, f_space, R_SPACE, NOTHING)

static const struct {
	size_t id; /* where the field `id` stands in struct message */
	enum message_id answer;
	enum effect effect;
} questions[MSG_COUNT] = {
#define QUESTION(NAME, name, ANSWER, effect) \
	[MSG_##NAME] = {offsetof(struct message, name.id), MSG_##ANSWER, effect},
	QUESTIONS(QUESTION)};

/* What an answer says. */
static const struct {
	size_t id, error;
	mode_t descriptor; /* the kind of file that comes with error 0; 0 for none */
} answers[MSG_COUNT] = {
#define ANSWER(NAME, name, kind)                                                                 \
	[MSG_##NAME] = {offsetof(struct message, name.id), offsetof(struct message, name.error), \
			kind}
	ANSWER(R_DONE, r_done, 0),   ANSWER(R_OPENED, r_opened, S_IFREG),
	ANSWER(R_STAT, r_stat, 0),   ANSWER(R_LISTING, r_listing, S_IFIFO),
	ANSWER(R_SPACE, r_space, 0), ANSWER(R_CLOSED, r_closed, 0),
	ANSWER(R_USAGE, r_usage, 0),
};

static uint32_t *
field(struct message *m, size_t offset)
{
	return (uint32_t *)((char *)m + offset);
}

static void on_sweep(uv_timer_t *timer);

/* The row is free; whoever looks at the session after it must know that it may be gone. */
static void
free_row(struct agents *as, struct request *r)
{
	free(r->path);
	r->path = NULL;
	account_put(&r->account);
	r->session = NULL;
	r->next_free = as->free;
	as->free = r->id & ROW_MASK;
	as->used--;
}

void
agents_init(struct agents *as, struct worker *w)
{
	*as = (struct agents){.free = NO_ROW, .worker = w};
	LIST_INIT(&as->all);
	uv_timer_init(&w->loop, &as->sweep);
	as->sweep.data = as;
}

void
agents_close(struct agents *as)
{
	struct agent *a;

	for (size_t i = 0; i < as->n; i++) {
		struct session *s = as->row[i].session;
		if (!s)
			continue;
		s->request = s->told = 0;
		if (as->row[i].changes)
			account_unsure(as->row[i].account);
		free_row(as, &as->row[i]);
	}
	LIST_FOREACH (a, &as->all, list)
		link_close(&a->link);
	uv_close((uv_handle_t *)&as->sweep, NULL);
}

void
agents_deinit(struct agents *as)
{
	free(as->row);
	as->row = NULL;
}

struct agent *
agents_find(struct agents *as, uint32_t id)
{
	struct agent *a;

	LIST_FOREACH (a, &as->all, list)
		if (a->id == id && !a->gone)
			return a;
	return NULL;
}

/* A free row.  NULL: memory is out. */
static struct request *
take_row(struct agents *as)
{
	if (as->free == NO_ROW) {
		size_t n = as->n ? as->n * 2 : 64;
		struct request *row = n <= ROW_MASK ? reallocarray(as->row, n, sizeof(*row)) : NULL;
		if (!row)
			return NULL;
		as->row = row;
		for (size_t i = as->n; i < n; i++)
			row[i] = (struct request){.id = (uint32_t)i,
						  .next_free = i + 1 < n ? (uint32_t)i + 1
									 : NO_ROW};
		as->free = (uint32_t)as->n;
		as->n = n;
	}
	struct request *r = &as->row[as->free];
	as->free = r->next_free;
	as->used++;
	r->id += 1U << ROW_BITS;
	/* 0 means no request. */
	if (r->id == 0)
		r->id += 1U << ROW_BITS;
	return r;
}

/* The row of that id, or NULL when it is not open. */
static struct request *
find_row(struct agents *as, uint32_t id)
{
	uint32_t nr = id & ROW_MASK;

	return nr < as->n && as->row[nr].session && as->row[nr].id == id ? &as->row[nr] : NULL;
}

void
agent_forget(struct session *s)
{
	struct agents *as = &s->worker->agents;
	struct request *r = s->request ? find_row(as, s->request) : NULL;

	s->request = 0;
	if (r && r->changes) {
		r->told = true;
		s->told++;
	} else if (r) {
		free_row(as, r);
	}
}

void
agent_forget_late(struct session *s)
{
	const struct request *r = s->request ? find_row(&s->worker->agents, s->request) : NULL;

	if (!r || !r->changes)
		agent_forget(s);
}

/* An upload's file that came when nobody waited for it any more: it goes where it was made for
 * that, and what was staged before is kept. */
static void
keep(struct session *s, const char *path, struct message *m)
{
	const struct r_opened *opened = &m->r_opened;

	if (m->id != MSG_R_OPENED || m->fd < 0 || !path || (!opened->stage.n && !opened->made))
		return;
	struct message out = {.id = MSG_F_KEEP,
			      .fd = m->fd,
			      .f_keep = {.discard = opened->made,
					 .path = opened->name.n ? opened->name : slice_of(path),
					 .stage = opened->stage}};
	m->fd = -1;
	agent_tell(s, &out);
}

/* Whether it turns out that what was written is not that file any more: who has replaced or removed
 * it meanwhile took away what there was of it then. */
static bool
is_lost(const struct request *r, const struct message *m)
{
	const uint32_t error = m->id == MSG_R_CLOSED ? m->r_closed.error : 0;

	return r->question == MSG_F_COMMIT && (error == ESTALE || error == ENOENT);
}

/* Counts what the answer has changed. */
static void
count(const struct request *r, const struct message *m, bool is_sure)
{
	struct q_change change = {.since = r->since,
				  .moved = questions[r->question].effect == MOVES};

	if (!r->account)
		return;
	if (!is_sure || is_lost(r, m))
		account_unsure(r->account);
	if (!is_sure)
		return;
	/* What was opened is told of with the upload's end; what failed half-way, at once. */
	if (m->id == MSG_R_OPENED && !m->r_opened.error && !r->told) {
		quota_opened(r->session, m->r_opened.bytes, m->r_opened.files, r->since);
		return;
	}
	if (m->id == MSG_R_OPENED) {
		change.bytes = m->r_opened.bytes;
		change.files = m->r_opened.files;
	} else if (m->id == MSG_R_CLOSED) {
		change.bytes = m->r_closed.bytes;
		change.files = m->r_closed.files;
	} else if (m->id == MSG_R_DONE) {
		change.bytes = m->r_done.bytes;
		change.files = m->r_done.files;
	}
	if (change.bytes || change.files || change.moved)
		account_tell(r->account, change);
}

/* An answer, or what stands for it, to whoever waits for it. */
static void
give_answer(struct agents *as, struct request *r, struct message *m)
{
	struct session *s = r->session;
	const struct request was = *r;

	r->path = NULL;
	/* Nobody has looked yet what kind of file system that is on. */
	s->result.may_hang = s->result.may_hang || m->fd >= 0;
	if (was.question == MSG_F_USAGE) {
		const struct r_usage failed = {.error = m->r_done.error};
		quota_scanned(was.account, was.scan, was.since,
			      m->id == MSG_R_USAGE ? &m->r_usage : &failed);
	}
	free_row(as, r);
	if (was.told) {
		keep(s, was.path, m);
		fd_close(&m->fd);
		s->told--;
		session_may_end(s);
	} else if (s->closing) {
		s->request = 0;
		ftp_session_answered(&s->ftp, m);
		session_may_end(s);
	} else {
		s->request = 0;
		session_enter(s);
		ftp_session_answered(&s->ftp, m);
		session_settle(s);
	}
	free(was.path);
}

/* There is no answer, and it is not known what was done. */
static void
give_error(struct agents *as, struct request *r, int error)
{
	struct message m = {.id = MSG_R_DONE, .fd = -1, .r_done = {.error = (uint32_t)error}};

	if (r->changes)
		account_unsure(r->account);
	give_answer(as, r, &m);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct agents *as = timer->data;
	uint64_t now = uv_now(timer->loop);

	for (size_t i = 0; i < as->n && as->used > 0; i++) {
		struct session *s = as->row[i].session;
		if (!s || as->row[i].deadline > now)
			continue;
		LOG(WARNING, "an agent does not answer", LOG_NUM("session", s->id),
		    LOG_STR("question", message_name(as->row[i].question)));
		give_error(as, &as->row[i], ETIMEDOUT);
	}
	if (as->used == 0)
		uv_timer_stop(timer);
}

void
agent_check_answer(struct message *m, enum message_id question, bool fd_lost)
{
	uint32_t id = *field(m, answers[m->id].id), error = *field(m, answers[m->id].error);
	mode_t kind = answers[m->id].descriptor;
	struct statx st;

	if (m->id == MSG_R_DONE && error != 0)
		return;
	if (m->id != questions[question].answer) {
		error = EIO;
	} else if (fd_lost) {
		error = EMFILE;
	} else if (kind && (m->fd >= 0) != (error == 0)) {
		error = EIO;
	} else if (m->fd >= 0 &&
		   (statx(m->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 ||
		    (st.stx_mode & S_IFMT) != kind)) {
		LOG(ERROR, "an agent sent what is neither a file nor a listing");
		error = EIO;
	} else {
		return;
	}
	fd_close(&m->fd);
	*m = (struct message){.id = MSG_R_DONE, .fd = -1, .r_done = {.id = id, .error = error}};
}

static void
on_message(struct link *l, struct message *m, bool fd_lost)
{
	struct agent *a = l->owner;
	struct agents *as = &a->worker->agents;

	REQUIRE(a->magic == AGENT_MAGIC);
	struct request *r = find_row(as, *field(m, answers[m->id].id));
	if (!r) {
		/* Late: its session has given up or is gone. */
		fd_close(&m->fd);
		return;
	}
	if (r->agent != a) {
		fd_close(&m->fd);
		l->calls->ended(l, -EPROTO);
		return;
	}
	enum message_id came = m->id;
	agent_check_answer(m, r->question, fd_lost);
	count(r, m, m->id == came || !r->changes);
	give_answer(as, r, m);
}

/* Nothing of what the agent was asked will be answered. */
static void
fail_requests(struct agents *as, const struct agent *a)
{
	for (size_t i = 0; i < as->n; i++)
		if (as->row[i].session && as->row[i].agent == a)
			give_error(as, &as->row[i], as->row[i].scan ? ECANCELED : EIO);
}

/* The agent is gone: what it was asked has failed, and without files its sessions end. */
static void
on_ended(struct link *l, int reason)
{
	struct agent *a = l->owner;
	struct session *s;

	REQUIRE(a->magic == AGENT_MAGIC);
	a->gone = true;
	if (reason == -EPROTO || a->sessions > 0)
		LOG(WARNING, "an agent is lost", LOG_NUM("agent", a->id),
		    LOG_NUM("sessions", a->sessions), LOG_ERRNO(reason));
	link_close(l);
	fail_requests(&a->worker->agents, a);
	TAILQ_FOREACH (s, &a->worker->sessions, link) {
		/* A line that waited for the answer may have logged out. */
		if (s->closing || s->ending || s->agent != a)
			continue;
		session_enter(s);
		session_expire(s, -EIO, "The file service ended, goodbye.");
		session_settle(s);
	}
}

static void
free_unless_used(struct agent *a)
{
	if (a->sessions > 0 || !a->closed)
		return;
	LIST_REMOVE(a, list);
	free(a);
}

static void
on_closed(struct link *l)
{
	struct agent *a = l->owner;

	a->gone = a->closed = true;
	free_unless_used(a);
}

static const struct link_calls calls = {on_message, on_ended, on_closed};

int
agents_add(struct agents *as, uint32_t id, int fd)
{
	struct agent *a = calloc(1, sizeof(*a));
	struct wire wire;

	if (!a) {
		fd_close(&fd);
		return -ENOMEM;
	}
	a->magic = AGENT_MAGIC;
	a->worker = as->worker;
	a->id = id;
	wire_init(&wire, fd, WIRE_WORKER, WIRE_AGENT);
	wire.phase = WIRE_SERVING;
	int r = link_init(&a->link, &as->worker->loop, &wire, &calls, a);
	if (r < 0) {
		free(a);
		return r;
	}
	LIST_INSERT_HEAD(&as->all, a, list);
	return 0;
}

void
agent_of_session(struct session *s, struct agent *a)
{
	struct agent *old = s->agent;

	agent_forget(s);
	s->agent = a;
	if (a)
		a->sessions++;
	if (old) {
		old->sessions--;
		free_unless_used(old);
	}
}

/* Sends a question, whose answer is told or waited for.  0 or a negative errno. */
static int
send_question(struct session *s, struct message *m, bool told, uint32_t scan)
{
	struct agents *as = &s->worker->agents;

	REQUIRE(questions[m->id].id != 0);
	if (!s->agent || s->agent->gone)
		return -EIO;
	struct request *r = take_row(as);
	if (!r)
		return -ENOMEM;
	bool opens = m->id == MSG_F_OPEN;
	bool changes = questions[m->id].effect != NOTHING && (!opens || m->f_open.how & OPEN_WRITE);
	struct account *account = changes || scan ? account_use(s->quota.account) : NULL;
	*r = (struct request){.id = r->id,
			      .session = s,
			      .told = told,
			      .changes = changes,
			      .agent = s->agent,
			      .account = account,
			      .since = account ? ledger_now() : 0,
			      .path = opens && changes ? slice_dup(m->f_open.path) : NULL,
			      .scan = scan,
			      .question = m->id,
			      .deadline = uv_now(&s->worker->loop) +
					  s->ftp.settings->agent_timeout * 1000};
	*field(m, questions[m->id].id) = r->id;
	int error = link_send(&s->agent->link, m);
	if (error < 0) {
		free_row(as, r);
		return error;
	}
	if (told)
		s->told++;
	else
		s->request = r->id;
	if (!uv_is_active((uv_handle_t *)&as->sweep))
		uv_timer_start(&as->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	return 0;
}

void
agent_let_go(struct session *s, int *fd)
{
	if (s->result.may_hang)
		pool_close(s->worker->pool, fd);
	fd_close(fd);
}

void
agent_ask(struct session *s, struct message *m)
{
	int r = CHECK(s->request == 0) ? send_question(s, m, false, 0) : -EIO;

	agent_let_go(s, &m->fd);
	if (r < 0)
		session_due(s, DUE_ANSWER, r);
}

void
agent_tell(struct session *s, struct message *m)
{
	int r = send_question(s, m, true, 0);

	agent_let_go(s, &m->fd);
	if (r < 0 && questions[m->id].effect != NOTHING)
		account_unsure(s->quota.account);
}

int
agent_count(struct session *s, uint32_t scan)
{
	struct message m = {.id = MSG_F_USAGE, .fd = -1};

	return send_question(s, &m, true, scan);
}
