/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* PAM's conversation; see talk.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talk.h"

/* Modules that say more are cut short: replies have an end. */
#define TEXT_MAX 2000

void
talk_clock_start(struct talk *t)
{
	alarm(t->left ? t->left : 1);
}

void
talk_clock_stop(struct talk *t)
{
	t->left = alarm(0);
}

static void
collect(struct talk *t, const char *text)
{
	size_t n = text ? strnlen(text, TEXT_MAX) : 0;

	if (!n || t->text.len + n > TEXT_MAX)
		return;
	if (t->text.len)
		buf_add_byte(&t->text, '\n');
	buf_add(&t->text, text, n);
}

/* Waits for A_SECRET.  A fresh string, or NULL when none will come. */
static char *
await_secret(struct talk *t)
{
	struct auth *a = t->auth;
	char *answer = NULL;
	enum auth_event event;
	struct message m;

	while ((event = auth_wait(a, -1)) == AUTH_MONITOR && wire_recv(&a->monitor, &m) == 0)
		auth_take_common(a, &m);
	if (event != AUTH_WORKER || wire_recv(&a->worker, &m) != 0)
		t->abandoned = true;
	else if (m.id == MSG_A_SECRET && m.a_secret.secret.n <= SECRET_MAX &&
		 !memchr(m.a_secret.secret.p, '\0', m.a_secret.secret.n))
		answer = slice_dup(m.a_secret.secret);
	auth_wipe(&a->worker);
	return answer;
}

static char *
ask(struct talk *t, const char *prompt)
{
	struct message m = {.id = MSG_L_PROMPT, .fd = -1};

	if (t->certified)
		return NULL;
	collect(t, prompt);
	m.l_prompt.session = t->auth->session;
	m.l_prompt.text = buf_slice(&t->text);
	int r = wire_send(&t->auth->worker, &m);
	buf_reset(&t->text);
	t->abandoned = r < 0;
	if (r < 0)
		return NULL;
	talk_clock_stop(t);
	char *answer = await_secret(t);
	talk_clock_start(t);
	return answer;
}

/* One message.  PAM_SUCCESS or PAM_CONV_ERR. */
static int
converse_one(struct talk *t, const struct pam_message *message, struct pam_response *response)
{
	switch (message->msg_style) {
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		collect(t, message->msg);
		return PAM_SUCCESS;
	case PAM_PROMPT_ECHO_OFF:
		if (t->has_secret) {
			t->has_secret = false;
			response->resp = strdup(t->secret);
			explicit_bzero(t->secret, sizeof(t->secret));
		} else {
			response->resp = ask(t, message->msg);
		}
		break;
	case PAM_PROMPT_ECHO_ON:
		response->resp = ask(t, message->msg);
		break;
	default:
		return PAM_CONV_ERR;
	}
	t->answered = t->answered || response->resp;
	return response->resp ? PAM_SUCCESS : PAM_CONV_ERR;
}

static void
free_responses(struct pam_response *responses, int n)
{
	for (int i = 0; i < n; i++) {
		if (responses[i].resp)
			explicit_bzero(responses[i].resp, strlen(responses[i].resp));
		free(responses[i].resp);
	}
	free(responses);
}

int
talk_converse(int n, const struct pam_message **messages, struct pam_response **responses,
	      void *appdata)
{
	struct talk *t = appdata;
	struct pam_response *all;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	all = calloc((size_t)n, sizeof(*all));
	if (!all)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		int r = converse_one(t, messages[i], &all[i]);
		if (r != PAM_SUCCESS) {
			free_responses(all, n);
			return r;
		}
	}
	*responses = all;
	return PAM_SUCCESS;
}
