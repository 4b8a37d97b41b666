/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * Who bears a certificate.  A name with a NUL or a control byte in it is nobody's: what CA and
 * server read as the end of it might differ.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include <wharf/conf/certmap.h>
#include <wharf/tls/certificate.h>

#include "bearer.h"

static int
entry_read(struct bearers *b, struct slice text)
{
	static const struct slice mark = {"sha256:", 7};
	struct bearer *e = &b->entry[b->n];
	struct slice who, user;

	if (certmap_parse(text, &who, &user) != 0) {
		b->wrong = "an entry is not \"certificate = user\"";
		return 0;
	}
	e->is_fingerprint = slice_starts(who, mark);
	if (e->is_fingerprint)
		who = slice_from(who, mark.n);
	e->certificate = slice_dup(who);
	e->user = slice_dup(user);
	b->n++;
	return e->certificate && e->user ? 0 : -ENOMEM;
}

int
bearers_init(struct bearers *b, const struct settings *server)
{
	int result = 0;

	*b = (struct bearers){.by = (enum word_tls_client_user)server->tls_client_user};
	if (!server->tls_client_map.n)
		return 0;
	b->entry = calloc(server->tls_client_map.n, sizeof(*b->entry));
	if (!b->entry)
		return -ENOMEM;
	for (size_t i = 0; i < server->tls_client_map.n && result == 0; i++)
		result = entry_read(b, slice_of(server->tls_client_map.item[i]));
	return result;
}

void
bearers_deinit(struct bearers *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->entry[i].certificate);
		free(b->entry[i].user);
	}
	free(b->entry);
	*b = (struct bearers){0};
}

static bool
is_plain(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0;
}

static bool
add_plain(struct buf *user, struct slice name)
{
	if (!is_plain(name))
		return false;
	buf_add_slice(user, name);
	return !buf_error(user);
}

/* A subject with two common names names nobody: which of them the CA has looked at is unknown. */
static bool
by_cn(const struct bearers *b, X509 *certificate, struct buf *user)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	bool found = false;
	int n;

	(void)b;
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n > 0)
		found = add_plain(user, (struct slice){(const char *)text, (size_t)n});
	OPENSSL_free(text);
	return found;
}

/* The first name of that kind. */
static struct slice
alternative(const GENERAL_NAMES *names, int kind)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == kind) {
			const ASN1_IA5STRING *s = name->d.ia5;
			return (struct slice){(const char *)ASN1_STRING_get0_data(s),
					      (size_t)ASN1_STRING_length(s)};
		}
	}
	return SLICE_NULL;
}

static bool
by_san(const struct bearers *b, X509 *certificate, struct buf *user)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	struct slice name;
	bool found;

	(void)b;
	if (!names)
		return false;
	name = alternative(names, GEN_EMAIL);
	if (!name.p)
		name = alternative(names, GEN_DNS);
	found = name.p && add_plain(user, name);
	GENERAL_NAMES_free(names);
	return found;
}

/* The subject, with letters that are not ASCII as they are, or escaped. */
static bool
is_subject(const X509 *certificate, struct slice subject, unsigned long escapes)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;
	bool is = false;

	if (!bio)
		return false;
	if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
			       (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) | escapes) >= 0) {
		n = BIO_get_mem_data(bio, &text);
		is = slice_equal((struct slice){text, (size_t)n}, subject);
	}
	BIO_free(bio);
	return is;
}

static bool
by_map(const struct bearers *b, X509 *certificate, struct buf *user)
{
	struct buf print = BUF_INIT;
	const struct bearer *found = NULL;

	certificate_fingerprint(certificate, &print);
	for (size_t i = 0; i < b->n && !found; i++) {
		const struct bearer *e = &b->entry[i];
		struct slice text = slice_of(e->certificate);
		if (e->is_fingerprint ? slice_equal_nocase(buf_slice(&print), text)
				      : is_subject(certificate, text, 0) ||
						is_subject(certificate, text, ASN1_STRFLGS_ESC_MSB))
			found = e;
	}
	buf_deinit(&print);
	return found && add_plain(user, slice_of(found->user));
}

bool
bearers_find(const struct bearers *b, X509 *certificate, struct buf *user)
{
	static bool (*const by[])(const struct bearers *, X509 *, struct buf *) = {
		[WORD_tls_client_user_none] = NULL,
		[WORD_tls_client_user_cn] = by_cn,
		[WORD_tls_client_user_san] = by_san,
		[WORD_tls_client_user_map] = by_map,
	};

	return by[b->by] && by[b->by](b, certificate, user);
}
