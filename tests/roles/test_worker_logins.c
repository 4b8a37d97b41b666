/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* How a worker has logins judged: by the users' process, by PAM, by nobody in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "around.h"

/* Both orders in which the verdict and the monitor's word may come. */
static void
users_log_in(void **state)
{
	(void)state;
	for (int monitor_first = 0; monitor_first <= 1; monitor_first++) {
		struct client *c = connect_client(LISTENER_USERS);
		SAYS(c, "USER jo", 331);
		say(c, "PASS sesame\r\n");
		struct message m = hear(&world.users, MSG_A_LOGIN);
		assert_true(slice_equal(m.a_login.secret, SLICE("sesame")));
		assert_true(slice_equal(m.a_login.user, SLICE("jo")));
		struct message result = {.id = MSG_L_RESULT,
					 .fd = -1,
					 .l_result = {c->session, AUTH_OK, SLICE_NULL}};
		if (monitor_first) {
			admit(c, "jo");
			usleep(50000);
		}
		tell(&world.users, result);
		if (!monitor_first) {
			usleep(50000);
			admit(c, "jo");
		}
		assert_int_equal(reply_code(c), 230);
		SAYS(c, "REIN", 220);
		assert_int_equal(hear(&world.monitor, MSG_M_LOGOUT).m_logout.session, c->session);
		SAYS(c, "PWD", 530);
		disconnect(c);
	}
	struct client *c = connect_client(LISTENER_USERS);
	SAYS(c, "USER jo", 331);
	say(c, "PASS wrong\r\n");
	hear(&world.users, MSG_A_LOGIN);
	tell(&world.users, (struct message){.id = MSG_L_RESULT,
					    .fd = -1,
					    .l_result = {c->session, AUTH_NO, SLICE_NULL}});
	assert_int_equal(reply_code(c), 530);
	disconnect(c);
}

static void
pam_asks_and_judges(void **state)
{
	struct client *c = connect_client(LISTENER_PAM);
	struct wire pam;
	int channel;

	(void)state;
	say(c, "USER jo\r\n");
	hear(&world.monitor, MSG_M_PAM);
	make_channel(&pam, WIRE_AUTH, &channel);
	tell(&world.monitor,
	     (struct message){.id = MSG_W_PAM, .fd = channel, .w_pam = {c->session, 0}});
	assert_int_equal(hear(&pam, MSG_A_LOGIN).a_login.proof, PROOF_PROMPT);
	tell(&pam, (struct message){
			   .id = MSG_L_PROMPT, .fd = -1, .l_prompt = {c->session, SLICE("Code:")}});
	assert_int_equal(reply_code(c), 331);
	say(c, "PASS 123\r\n");
	assert_true(slice_equal(hear(&pam, MSG_A_SECRET).a_secret.secret, SLICE("123")));
	tell(&pam, (struct message){.id = MSG_L_RESULT,
				    .fd = -1,
				    .l_result = {c->session, AUTH_OK, SLICE_NULL}});
	admit(c, "jo");
	assert_int_equal(reply_code(c), 230);
	wire_deinit(&pam);
	SAYS(c, "NOOP", 200);
	disconnect(c);

	/* One that dies has not said no: the attempt does not count. */
	c = connect_client(LISTENER_PAM);
	say(c, "USER jo\r\n");
	hear(&world.monitor, MSG_M_PAM);
	make_channel(&pam, WIRE_AUTH, &channel);
	tell(&world.monitor,
	     (struct message){.id = MSG_W_PAM, .fd = channel, .w_pam = {c->session, 0}});
	hear(&pam, MSG_A_LOGIN);
	wire_deinit(&pam);
	assert_int_equal(reply_code(c), 530);
	assert_non_null(strstr(reply_text(c), "Out of resources"));
	disconnect(c);
}

static void
accept_login(struct client *c, struct wire *auth)
{
	tell(auth, (struct message){.id = MSG_L_RESULT,
				    .fd = -1,
				    .l_result = {c->session, AUTH_OK, SLICE_NULL}});
	admit(c, "jo");
}

/* The users' process ends while it is asked, and again while there is none: not the client's fault.
 */
static void
a_lost_source_is_no_verdict(void **state)
{
	struct client *c = connect_client(LISTENER_USERS);
	int channel;

	(void)state;
	for (int i = 0; i < 4; i++) {
		SAYS(c, "USER jo", 331);
		say(c, "PASS right\r\n");
		if (i == 0) {
			hear(&world.users, MSG_A_LOGIN);
			wire_deinit(&world.users);
		}
		assert_int_equal(reply_code(c), 530);
		assert_non_null(strstr(reply_text(c), "Out of resources"));
	}
	make_channel(&world.users, WIRE_AUTH, &channel);
	tell(&world.monitor,
	     (struct message){.id = MSG_W_AUTH, .fd = channel, .w_auth = {WORD_source_users}});
	SAYS(c, "USER jo", 331);
	say(c, "PASS right\r\n");
	hear(&world.users, MSG_A_LOGIN);
	/* The monitor has let him in, but the verdict is lost: he is let out again. */
	admit(c, "jo");
	usleep(50000);
	wire_deinit(&world.users);
	assert_int_equal(hear(&world.monitor, MSG_M_LOGOUT).m_logout.session, c->session);
	assert_int_equal(reply_code(c), 530);
	disconnect(c);
}

/* Lines that wait for the login's end may log out and in again, all in one segment. */
static void
rein_may_be_pipelined(void **state)
{
	struct client *c = connect_client(LISTENER_USERS);
	struct wire pam;
	int channel;

	(void)state;
	say(c, "USER jo\r\nPASS a\r\nREIN\r\nUSER jo\r\nPASS b\r\nNOOP\r\n");
	for (int i = 0; i < 2; i++) {
		struct message m = hear(&world.users, MSG_A_LOGIN);
		assert_true(slice_equal(m.a_login.secret, i ? SLICE("b") : SLICE("a")));
		assert_int_equal(reply_code(c), 331);
		accept_login(c, &world.users);
		assert_int_equal(reply_code(c), 230);
		if (i == 0) {
			assert_int_equal(reply_code(c), 220);
			hear(&world.monitor, MSG_M_LOGOUT);
		}
	}
	assert_int_equal(reply_code(c), 200);
	disconnect(c);

	c = connect_client(LISTENER_PAM);
	say(c, "USER jo\r\nPASS a\r\nREIN\r\nUSER jo\r\nPASS b\r\nNOOP\r\n");
	for (int i = 0; i < 2; i++) {
		hear(&world.monitor, MSG_M_PAM);
		make_channel(&pam, WIRE_AUTH, &channel);
		tell(&world.monitor,
		     (struct message){.id = MSG_W_PAM, .fd = channel, .w_pam = {c->session, 0}});
		hear(&pam, MSG_A_LOGIN);
		tell(&pam, (struct message){.id = MSG_L_PROMPT,
					    .fd = -1,
					    .l_prompt = {c->session, SLICE("Password: ")}});
		assert_int_equal(reply_code(c), 331);
		hear(&pam, MSG_A_SECRET);
		accept_login(c, &pam);
		assert_int_equal(reply_code(c), 230);
		if (i == 0) {
			assert_int_equal(reply_code(c), 220);
			hear(&world.monitor, MSG_M_LOGOUT);
			wire_deinit(&pam);
		}
	}
	assert_int_equal(reply_code(c), 200);
	wire_deinit(&pam);
	disconnect(c);
}

/* login_timeout counts from the connect, and again from a logout; not from a REIN before a login.
 */
static void
rein_gives_time_for_a_login(void **state)
{
	struct client *c = connect_client(LISTENER_HASTY);

	(void)state;
	SAYS(c, "USER anonymous", 331);
	say(c, "PASS me@example.org\r\n");
	hear(&world.monitor, MSG_M_ANONYMOUS);
	admit(c, "anonymous");
	assert_int_equal(reply_code(c), 230);
	usleep(2200000);
	SAYS(c, "REIN", 220);
	hear(&world.monitor, MSG_M_LOGOUT);
	usleep(600000);
	SAYS(c, "REIN", 220);
	usleep(100000);
	SAYS(c, "NOOP", 200);
	assert_int_equal(reply_code(c), 421);
	disconnect(c);
}

static void
a_silent_client_is_told_421(void **state)
{
	struct client *c = connect_client(LISTENER_HASTY);

	(void)state;
	assert_int_equal(reply_code(c), 421);
	assert_int_equal(reply_code(c), 0);
	disconnect(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start_worker, stop_worker)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_log_in),
		TEST(pam_asks_and_judges),
		TEST(a_lost_source_is_no_verdict),
		TEST(rein_may_be_pipelined),
		TEST(rein_gives_time_for_a_login),
		TEST(a_silent_client_is_told_421),
	};

	if (!getenv("WHARF_WORKER"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
