/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Every kind of mistake in wharfd.conf, with its exact report. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_file.h"
#include "folder.h"

struct bad {
	const char *text;
	const char *report;
	const char *included; /* as the file "inc", or NULL */
};

/* What is told of mistakes of form. */
#define UNREAD        "; nothing behind this was read\n"
#define QUOTES_WANTED ": a value with blanks needs quotes" UNREAD
#define LIST_WANTED   ": a list stands in braces, with commas between, as {a, b}" UNREAD
#define VALUE_WANTED  ": its value is missing; an empty text is \"\"" UNREAD
#define EQUALS_WANTED ": an option is written as name = value, and there is no =" UNREAD
#define NAME_WANTED                                                                         \
	" is no option and no block, which are written as name = value and as kind name { " \
	"... }"
#define BLOCK_WANTED(kind)                                                             \
	": a block is written as " kind " name { ... }, and a name with blanks needs " \
	"quotes" UNREAD
#define NO_SEMICOLON "no ; stands behind a value; a text that ends with one needs quotes\n"
#define UMASK_9      "c:1: umask: \"9\" is not an octal number from 000 to 777\n"

static const struct bad bads[] = {
	/* unknown names */
	{"umsk = 022\n", "c:1: \"umsk\" is no option; did you mean umask?\n", NULL},
	{"\n\nquux = {a, b}\nlogin_trys = 2\n",
	 "c:3: \"quux\" is no option\n"
	 "c:4: \"login_trys\" is no option; did you mean login_tries?\n",
	 NULL},
	{"lisener a { port = 1 }\n",
	 "c:1: \"lisener\" is no block; listener, host, client, group and user are; did you mean "
	 "listener?\n",
	 NULL},
	{"stuff {\n x = 1\n}\n",
	 "c:2: \"stuff\" is no block; listener, host, client, group and user are\n", NULL},
	{"listener a {\n prt = 1\n}\n", "c:2: \"prt\" is no option; did you mean port?\n", NULL},
	{"user a { listener b { port = 1 } umask = 9 }\n",
	 "c:1: listener: a block does not stand in a block\n"
	 "c:1: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	/* values: all of them in one run */
	{"umask = 1000\nactive = on\nlog_format = jsn\nidle_timeout = 5x\ndownload_rate = -1\n"
	 "max_sessions = 0\npassive_ports = 100\nsources = users, pam\n",
	 "c:8: sources" LIST_WANTED "c:1: umask: \"1000\" is not an octal number from 000 to 777\n"
	 "c:2: active: \"on\" is not yes or no\n"
	 "c:3: log_format: \"jsn\" is not one of text, json; did you mean json?\n"
	 "c:4: idle_timeout: \"5x\" is not a time (seconds, or with s, m, h or d behind, or as "
	 "\"30 days\") "
	 "from 10 to 86400 seconds\n"
	 "c:5: download_rate: \"-1\" is not a size (bytes, or with K, M, G or T behind) "
	 "from 0 to 1099511627776 bytes a second\n"
	 "c:6: max_sessions: \"0\" is not a whole number from 1 to 1000000 sessions\n"
	 "c:7: passive_ports: \"100\" is not a range of ports, low-high, from 1 to 65535\n",
	 NULL},
	{"umask = 22\n", "c:1: umask: \"22\" may be octal or decimal; did you mean 022?\n", NULL},
	{"passive_ports = 200-100\nsources = {users, pam, users}\nrights = {read,\n raed}\n"
	 "umask = {022, 022}\nhidden = {\"a\", \"\"}\n",
	 "c:1: passive_ports: \"200-100\" is not a range of ports, low-high, from 1 to 65535\n"
	 "c:2: sources: \"users\" stands there twice\n"
	 "c:3: rights: \"raed\" is not one of read, write, overwrite, delete, rename, mkdir, "
	 "list, chmod; did you mean read?\n"
	 "c:5: umask: it takes one value, not a list\n"
	 "c:6: hidden: an item of the list is empty\n",
	 NULL},
	{"banner = \"a\\nb\"\nsources = \"\"\n",
	 "c:1: banner: a text has no control characters\n"
	 "c:2: sources: it needs at least one word\n",
	 NULL},
	{"umask = {}\n", "c: umask: it takes one value, not a list\n", NULL},
	/* places */
	{"user a {\n run_as = x\n banner = x\n port = 1\n}\ngroup g { workers = 1 }\n"
	 "listener l { workers = 1 }\nport = 21\n",
	 "c:2: run_as: this does not stand in a user block, but outside of all\n"
	 "c:3: banner: this does not stand in a user block, but in a listener or client block or "
	 "outside of all\n"
	 "c:4: port: this stands in a listener block only\n"
	 "c:6: workers: this does not stand in a group block, but outside of all\n"
	 "c:7: workers: this does not stand in a listener block, but outside of all\n"
	 "c:8: port: this stands in a listener block only\n",
	 NULL},
	{"host a { umask = 1\n tls = off banner = x\n workers = 1 address = x }\n"
	 "client \"::1\" { workers = 1\n tls = off\n tls_key = \"/k\"\n port = 1 }\n"
	 "listener l { tls_key = \"/k\" }\ngroup g { passive_ports = 1-2 }\n"
	 "user u { tls_ocsp = {\"/o\"}\n data_timeout = 9 }\n",
	 "c:1: umask: this does not stand in a host block, but in a listener, client, group or "
	 "user block or outside of all\n"
	 "c:2: tls: this does not stand in a host block, but in a listener block or outside of "
	 "all\n"
	 "c:2: banner: this does not stand in a host block, but in a listener or client block or "
	 "outside of all\n"
	 "c:3: workers: this does not stand in a host block, but outside of all\n"
	 "c:3: address: this stands in a listener block only\n"
	 "c:4: workers: this does not stand in a client block, but outside of all\n"
	 "c:5: tls: this does not stand in a client block, but in a listener block or outside of "
	 "all\n"
	 "c:6: tls_key: this does not stand in a client block, but in a host block or outside of "
	 "all\n"
	 "c:7: port: this stands in a listener block only\n"
	 "c:8: tls_key: this does not stand in a listener block, but in a host block or outside "
	 "of all\n"
	 "c:9: passive_ports: this does not stand in a group block, but in a listener block or "
	 "outside of all\n"
	 "c:10: tls_ocsp: this does not stand in a user block, but in a host block or outside of "
	 "all\n"
	 "c:11: data_timeout: this does not stand in a user block, but in a listener or client "
	 "block or outside of all\n",
	 NULL},
	/* titles of hosts and clients */
	{"host \"\" { }\nhost \"a_b\" { tls_client_ca = \"/a\" }\nhost \"-a.de\" { tls_client_ca = "
	 "\"/a\" }\n"
	 "host \"a..de\" { tls_client_ca = \"/a\" }\nhost \"a.de.\" { tls_client_ca = \"/a\" }\n"
	 "host \"*\" { tls_client_ca = \"/a\" }\nhost \"a.*.de\" { tls_client_ca = \"/a\" }\n"
	 "host \"192.0.2.1\" { tls_client_ca = \"/a\" }\nhost \"a-.de\" { tls_client_ca = \"/a\" "
	 "}\n",
	 "c:1: host: a block needs a name\n"
#define NO_HOST(line, name)        \
	"c:" line ": host \"" name \
	"\": it is not a host name, as \"ftp.example.com\" or \"*.example.com\"\n"
	 NO_HOST("2", "a_b") NO_HOST("3", "-a.de") NO_HOST("4", "a..de") NO_HOST("5", "a.de.")
		 NO_HOST("6", "*") NO_HOST("7", "a.*.de") NO_HOST("8", "192.0.2.1")
			 NO_HOST("9", "a-.de"),
	 NULL},
	{"client \"10.0.0.0/33\" { ccc = no }\nclient cameras { ccc = no }\nclient \"\" { ccc = no "
	 "}\n"
	 "client \"10.0.0.0/8\" { ccc = no }\nclient \"10.1.2.3/8\" { ccc = no }\n"
	 "client \"*\" { ccc = no }\nclient \"::/0\" { ccc = no }\nclient \"::ffff:10.0.0.0/104\" "
	 "{ "
	 "ccc = no }\n",
	 "c:1: client \"10.0.0.0/33\": it is neither a network nor an address, as "
	 "\"10.0.0.0/8\" or \"::1\"\n"
	 "c:2: client \"cameras\": it is neither a network nor an address, as \"10.0.0.0/8\" or "
	 "\"::1\"\n"
	 "c:3: client: a block needs a name\n"
	 "c:5: client \"10.1.2.3/8\": there is a block of that name at c:4\n"
	 "c:8: client \"::ffff:10.0.0.0/104\": there is a block of that name at c:4\n"
	 "c:5: warning: client \"10.1.2.3/8\": bits behind the prefix do not count, so that it is "
	 "\"10.0.0.0/8\"\n",
	 NULL},
	{"host \"ftp.example.com\" { tls_client_ca = \"/a\" }\nhost \"FTP.example.com\" { "
	 "tls_client_ca = "
	 "\"/b\" }\n",
	 "c:2: host \"FTP.example.com\": there is a block of that name at c:1\n", NULL},
	{"umask = 1\numask = 2\nlistener a { port = 1\n port = 2 }\n",
	 "c:2: umask: it was set at c:1 already\n"
	 "c:4: port: it was set at c:3 already\n",
	 NULL},
	{"user a { umask = 1 }\nuser a { umask = 2 }\n",
	 "c:2: user \"a\": there is a block of that name at c:1\n", NULL},
	{"listener a { port = 0 }\nlistener b { address = \"localhost\" port = 1 }\n",
	 "c:1: port: \"0\" is not a whole number from 1 to 65535\n"
	 "c:2: address: \"localhost\" is not \"*\", nor an IPv4 or IPv6 address\n",
	 NULL},
	{"listener a { port = 21 }\nlistener b { address = \"::\" }\n",
	 "c:2: listener \"b\" has the address and port of listener \"a\"\n", NULL},
	/* form, and what was found before */
	{"umask = x\nuser a { umask = 1\n",
	 "c:2: a brace opens here and does not close\n"
	 "c:1: umask: \"x\" is not an octal number from 000 to 777\n",
	 NULL},
	{"umask = \"022\n", "c:1: a quote opens here and does not close\n", NULL},
	{"umask = 022 }\n", "c:1: a brace closes here that none has opened" UNREAD, NULL},
	/* The line is the one that was meant, where the next or no line made no sense. */
	{"umask = 9\nbanner = Hello there", "c:2: banner" QUOTES_WANTED UMASK_9, NULL},
	{"banner = Hello there\nactive = maybe\n", "c:1: banner" QUOTES_WANTED, NULL},
	{"user a {\n idle_timeout = 30 days\n}\n", "c:2: idle_timeout" QUOTES_WANTED, NULL},
	{"sources = users pam", "c:1: sources" LIST_WANTED, NULL},
	{"tls_key = \"/a\" \"/b\"\n", "c:1: tls_key" LIST_WANTED, NULL},
	{"umask = 022, active = no\n", "c:1: umask: a text with , needs quotes" UNREAD, NULL},
	{"sources = {users pam}\n",
	 "c:1: sources: there is no comma before \"pam\"; a text with blanks needs quotes" UNREAD,
	 NULL},
	{"sources = {users,, pam}\n",
	 "c:1: sources: there is a comma without a text before it" UNREAD, NULL},
	{"\nsources = {users, pam\numask = 022 }\n",
	 "c:2: sources: a list begins here and does not end" UNREAD, NULL},
	{"banner = a=b\n", "c:1: banner: a text with = needs quotes" UNREAD, NULL},
	{"umask == 022\n", "c:1: umask: a text with = needs quotes" UNREAD, NULL},
	{"max_sessions =\n# none\nactive = no\n", "c:1: max_sessions" VALUE_WANTED, NULL},
	{"user a {\n umask =\n}\n", "c:2: umask" VALUE_WANTED, NULL},
	{"umask = 9\nbanner =\n", "c:2: banner" VALUE_WANTED UMASK_9, NULL},
	{"banner\nactive = no\n", "c:1: banner" EQUALS_WANTED, NULL},
	{"\nbanner \"Hello\"\n", "c:2: banner" EQUALS_WANTED, NULL},
	{"listener a { port 1 }\n", "c:1: port" EQUALS_WANTED, NULL},
	{"umask: 022\n",
	 "c:1: \"umask:\"" NAME_WANTED "; did you mean umask?; nothing behind this was read\n",
	 NULL},
	{"[server]\numask = 022\n", "c:1: \"[server]\"" NAME_WANTED UNREAD, NULL},
	{"set umask = 022\n", "c:1: \"set\"" NAME_WANTED UNREAD, NULL},
	{"\n= 022\n", "c:2: there is no name before \"=\"" UNREAD, NULL},
	{"\nlistener {\n port = 1\n}\n", "c:2: listener: a block needs a name" UNREAD, NULL},
	{"listener a\n port = 1\n}\n", "c:1: listener" BLOCK_WANTED("listener"), NULL},
	{"user a b {\n umask = 1\n}\n", "c:1: user" BLOCK_WANTED("user"), NULL},
	{"\nlistener = a\n", "c:2: listener" BLOCK_WANTED("listener"), NULL},
	{"group", "c:1: group" BLOCK_WANTED("group"), NULL},
	{"banner = a;\nuser a { umask = 9; }\n",
	 "c:1: " NO_SEMICOLON "c:2: " NO_SEMICOLON
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	{"hidden = *.key\n", "c:1: a text with * needs quotes\n", NULL},
	{"# * and\n/* * \n */ banner = \"*\" // *\nwelcome = '*'\nactive = 'a\\'*'\n",
	 "c:5: active: \"a'*\" is not yes or no\n", NULL},
	{"umask = 022\n/* umask = 9\n", "c:2: a comment opens here and does not close\n", NULL},
	{"a|b = 3\n", "c:1: no sub-section title/index for 'a'; nothing behind this was read\n",
	 NULL},
	/* includes */
	{"include(\"inc\")\numask = 9\n",
	 "inc:2: \"ative\" is no option; did you mean active?\n"
	 "inc:3: umask: \"8\" is not an octal number from 000 to 777\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 "\native = 1\numask = 8\n"},
	{"include(\"inc\")\numask = 022\n", "c:2: umask: it was set at inc:1 already\n",
	 "umask = 022\n"},
	{"include(\"inc\")\numask = 9\n", "inc:1: a brace closes here that none has opened" UNREAD,
	 "}"},
	{"include \"inc\"\n", "c:1: include is written as include(\"file\")" UNREAD, NULL},
	{"user a {\n include(\"inc\")\n}\n", "c:2: include stands outside of all blocks" UNREAD,
	 NULL},
	{"include(\"inc\")\n", "inc:1: files include each other too deeply\n", "include(\"inc\")"},
	{"include(\"nowhere\")\numask = 9\n",
	 "c:1: include: nowhere: No such file or directory\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	{"include = \"inc\"\numask = 9\n",
	 "c:1: include is written as include(\"file\")\n"
	 "c:2: umask: \"9\" is not an octal number from 000 to 777\n",
	 NULL},
	{"umask=022 include=inc\nworkers = 9999 include ='a b' umsk = 1\ninclude =",
	 "c:1: include is written as include(\"file\")\n"
	 "c:2: include is written as include(\"file\")\n"
	 "c:3: include is written as include(\"file\")\n"
	 "c:2: workers: \"9999\" is not a whole number from 0 to 256 processes\n"
	 "c:2: \"umsk\" is no option; did you mean umask?\n",
	 NULL},
	{"include(\"a\", \"b\")\n", "c:1: include takes one file, as include(\"file\")\n", NULL},
/* += where there is nothing to add to */
#define NOTHING                                                                              \
	": += adds to a list of the same block, and there is none here; write = and all of " \
	"it\n"
	{"hidden = {\".git\"}\nuser a {\n hidden += {\"*.bak\"}\n}\nsources += {anonymous}\n"
	 "rights += {}\numask += 9\nlistener l { \"port\"+=21\n address += {\"::1\", x} }\n",
	 "c:3: hidden" NOTHING "c:5: sources" NOTHING "c:6: rights" NOTHING "c:7: umask" NOTHING
	 "c:8: port" NOTHING "c:9: address" NOTHING,
	 NULL},
	{"user a { profile = drop retain += 1d\n}\n"
	 "user b { rights += {read} }\nuser c { profile = dorp rights += {read} }\n"
	 "user d { profile = none rights += read }\n",
	 "c:1: retain" NOTHING "c:3: rights" NOTHING
	 "c:4: profile: \"dorp\" is not one of none, website, archive, drop; "
	 "did you mean drop?\n"
	 "c:5: rights" NOTHING,
	 NULL},
	{"user a { profile = drop rights += {write}\n durability += {sync} }\n"
	 "user b { profile += drop }\n",
	 "c:1: rights: \"write\" stands there twice\n"
	 "c:2: durability: it takes one value, not a list\n"
	 "c:3: profile" NOTHING,
	 NULL},
	{"hidden += {a} hidden = {b}\nquux += {a}\nuser a { hidden = {a} hidden += {} hidden = "
	 "b\n}\n",
	 "c:1: hidden" NOTHING "c:2: \"quux\" is no option\n"
	 "c:3: hidden: it was set at c:3 already\n",
	 NULL},
	{"umask = hidden += {a}\n", "c:1: umask: a text with + needs quotes" UNREAD, NULL},
	{"hidden = {rights += {a}\n",
	 "c:1: a brace opens here and does not close\n"
	 "c:1: hidden: a list begins here and does not end" UNREAD,
	 NULL},
	{"user hidden += {a}\n", "c:1: user" BLOCK_WANTED("user"), NULL},
	{"user += {a}\n", "c:1: user" BLOCK_WANTED("user"), NULL},
	{"include(\"inc\")\nhidden += {b}\n", "c:2: hidden: it was set at inc:1 already\n",
	 "hidden = {a}\n"},
	/* across options */
	{"idle_timeout = 2h\nuser a {\n idle_timeout_max = 60\n}\nuser b { idle_timeout = 3h }\n",
	 "c:1: idle_timeout is 7200s, more than idle_timeout_max, 3600s\n"
	 "c:3: idle_timeout is 7200s, more than idle_timeout_max, 60s\n"
	 "c:5: idle_timeout is 10800s, more than idle_timeout_max, 3600s\n",
	 NULL},
	{"allow_root = yes\n", "c:1: allow_root: it needs minimum_uid = 0, which is 1000\n", NULL},
	{"hidden = {\".git\", \"a/b\"}\n",
	 "c:1: hidden: \"a/b\" is not a pattern for one name: it has a \"/\"\n", NULL},
	{"root = srv\nuser a { root = \"/srv/%x\" }\ngroup b { root = \"%h/ftp/%\" }\n",
	 "c:1: root: \"srv\" is not an absolute path, and does not begin with %h\n"
	 "c:3: root: \"%h/ftp/%\" is not a path where each % is %u or %h\n"
	 "c:2: root: \"/srv/%x\" is not a path where each % is %u or %h\n",
	 NULL},
	{"log = syslog\nxferlog = x\nusers_file = \"\"\npam_service = \"../x\"\nrun_as = \"\"\n",
	 "c:5: run_as: \"\" is not a name\n"
	 "c:3: users_file: \"\" is not an absolute path\n"
	 "c:4: pam_service: \"../x\" is not a name\n"
	 "c:1: log: \"syslog\" is not stderr, nor an absolute path\n"
	 "c:2: xferlog: \"x\" is not an absolute path\n",
	 NULL},
	/* of TLS */
	{"tls_certificate = a.pem\ntls_key = {\"/k\"}\ntls_ocsp = o\ntls_client_ca = ca\n"
	 "tls_client_crl = crl\nhost h { tls_key = {k, \"/k\"} tls_certificate = {\"/a\", \"/b\"} "
	 "}\n",
	 "c:1: tls_certificate: \"a.pem\" is not an absolute path\n"
	 "c:3: tls_ocsp: \"o\" is not an absolute path\n"
	 "c:4: tls_client_ca: \"ca\" is not an absolute path\n"
	 "c:5: tls_client_crl: \"crl\" is not an absolute path\n"
	 "c:6: tls_key: \"k\" is not an absolute path\n",
	 NULL},
#define KEYS_WANTED                                                                           \
	" of tls_certificate; as many are needed, in the same order, or none where the keys " \
	"stand in the certificates' files\n"
	{"tls_certificate = {\"/a\", \"/b\"}\ntls_key = \"/k\"\ntls_ocsp = {\"/o\", \"/p\", "
	 "\"/q\"}\n",
	 "c:2: tls_key: there are 1, and 2" KEYS_WANTED
	 "c:3: tls_ocsp: there are 3, and 2 of tls_certificate; each has one at most, in the same "
	 "order\n",
	 NULL},
	{"tls_key = \"/k\"\n", "c:1: tls_key: there are 1, and 0" KEYS_WANTED, NULL},
	/* A block that has certificates of its own has nothing to do with the server's keys. */
	{"tls_certificate = \"/a\" tls_key = \"/k\" tls_ocsp = \"/o\"\n"
	 "host a { tls_certificate = {\"/b\", \"/c\"} }\n"
	 "host b {\n tls_key = {\"/b\", \"/c\"} }\n"
	 "host c { tls_certificate = {\"/b\", \"/c\"}\n tls_key = {\"/b\"} }\n"
	 "host d { tls_ocsp = {\"/o\", \"/p\"} }\n",
	 "c:4: tls_key: there are 2, and 1" KEYS_WANTED
	 "c:6: tls_key: there are 1, and 2" KEYS_WANTED
	 "c:7: tls_ocsp: there are 2, and 1 of tls_certificate; each has one at most, in the same "
	 "order\n",
	 NULL},
	{"tls_certificate = \"/a\"\ntls_client_certificate = request\n"
	 "host a { tls_client_ca = \"/ca\" }\n"
	 "host b { tls_client_certificate = require }\n"
	 "host c { tls_client_certificate = require tls_client_ca = \"/ca\" }\n"
	 "host d { tls_client_certificate = off }\n",
	 "c:2: tls_client_certificate: request needs tls_client_ca, to verify them with\n"
	 "c:4: tls_client_certificate: require needs tls_client_ca, to verify them with\n",
	 NULL},
#define CERTIFICATE_WANTED " needs a certificate, and no host has one: set tls_certificate\n"
	{"require_tls = login\ntls = implicit\nlistener a { require_tls = off\n tls = implicit }\n"
	 "client \"10.0.0.0/8\" { require_tls = data }\ngroup g { require_tls = control }\n"
	 "user u { require_tls = all }\nlistener b { port = 22 tls = explicit }\n",
	 "c:2: tls: implicit" CERTIFICATE_WANTED "c:1: require_tls: login" CERTIFICATE_WANTED
	 "c:4: tls: implicit" CERTIFICATE_WANTED "c:5: require_tls: data" CERTIFICATE_WANTED
	 "c:6: require_tls: control" CERTIFICATE_WANTED "c:7: require_tls: all" CERTIFICATE_WANTED,
	 NULL},
	{"tls_client_user = map\n",
	 "c:1: tls_client_user: map needs tls_client_map, which is empty\n"
	 "c:1: tls_client_user: map needs a client's certificate, and no host asks for it: set "
	 "tls_client_certificate\n",
	 NULL},
	{"tls_client_user = cn\nhost a { tls_client_ca = \"/ca\" }\n",
	 "c:1: tls_client_user: cn needs a client's certificate, and no host asks for it: set "
	 "tls_client_certificate\n",
	 NULL},
#define MAP_WANTED                                                                               \
	"\" is not \"certificate = user\", as \"CN=till-7,O=Shop = till7\" or \"sha256:\" with " \
	"64 "                                                                                    \
	"hexadecimal digits and \" = till7\"\n"
	{"tls_client_map = {\"till7\",\n \"CN=till-7\", \"CN=x = \", \" = bob\", \"sha256:12 = "
	 "bob\",\n"
	 "\"CN=a,O=b = c\", \"CN=a=b\"}\n",
	 "c:1: tls_client_map: \"till7" MAP_WANTED "c:1: tls_client_map: \"CN=till-7" MAP_WANTED
	 "c:1: tls_client_map: \"CN=x = " MAP_WANTED "c:1: tls_client_map: \" = bob" MAP_WANTED
	 "c:1: tls_client_map: \"sha256:12 = bob" MAP_WANTED
	 "c:1: warning: tls_client_map: it does not count, as tls_client_user is none and not "
	 "map\n",
	 NULL},
	{"default_host = ftp.example.com\nhost ftp1.example.com { tls_client_ca = \"/ca\" }\n"
	 "listener a { default_host = ftp1.example.com }\n"
	 "listener b { port = 22\n default_host = x }\nlistener c { port = 23 default_host = \"\" "
	 "}\n",
	 "c:1: default_host: \"ftp.example.com\" is not the name of a host block; did you mean "
	 "ftp1.example.com?\n"
	 "c:5: default_host: \"x\" is not the name of a host block\n",
	 NULL},
	/* Where nobody could log in; where a block says otherwise it is for that to know. */
	{"tls_certificate = \"/a\"\nrequire_tls = login\nlistener a { tls = off }\n"
	 "listener b { port = 22 }\nlistener c { port = 23\n require_tls = off tls = off }\n"
	 "listener d { port = 24\n require_tls = data\n tls = off }\n",
	 "c:3: listener \"a\": tls is off and require_tls is login, so that nobody can log in "
	 "there\n"
	 "c:9: listener \"d\": tls is off and require_tls is data, so that nobody can list or move "
	 "files there\n",
	 NULL},
	{"tls = off\ntls_certificate = \"/a\"\nlistener a {\n require_tls = all }\n"
	 "group g { require_tls = off }\n",
	 "c:4: listener \"a\": tls is off and require_tls is all, so that nobody can log in "
	 "there\n",
	 NULL},
	{"tls = off\ntls_certificate = \"/a\" require_tls = control\n",
	 "c:1: listener \"default\": tls is off and require_tls is control, so that nobody can log "
	 "in there\n",
	 NULL},
	/* What is not known, as it was wrong or is behind the end, is not what something lacks. */
	{"tls = implicit\ntls_certificate = {\"/a\", \"\"}\n",
	 "c:2: tls_certificate: an item of the list is empty\n", NULL},
	{"tls = implicit\nhost a { tls_certificate = {\"/a\", \"\"} }\n",
	 "c:2: tls_certificate: an item of the list is empty\n", NULL},
	{"tls = implicit\ndefault_host = a\numask = \"022\n",
	 "c:3: a quote opens here and does not close\n", NULL},
	{"passive_address = {\"* = 0.0.0.0\"}\nlistener l { passive_address = \"10.0.0.0/33 = "
	 "10.0.0.1\" }\n"
	 "listener m { port = 22 passive_address = {\"* = ::1\", \"10.0.0.5\"} }\n",
	 "c:1: passive_address: \"* = 0.0.0.0\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:2: passive_address: \"10.0.0.0/33 = 10.0.0.1\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:3: passive_address: \"* = ::1\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n"
	 "c:3: passive_address: \"10.0.0.5\" is not \"network = IPv4 address\", as "
	 "\"10.0.0.0/8 = 10.0.0.5\" or \"* = 192.0.2.7\"\n",
	 NULL},
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct conf_report report = {0};
		struct conf *conf = NULL;
		size_t lines = 0;

		write_file("c", slice_of(bads[i].text));
		if (bads[i].included)
			write_file("inc", slice_of(bads[i].included));
		assert_int_equal(conf_read("c", &conf, &report), CONF_MISTAKES);
		assert_null(conf);
		buf_add_byte(&report.text, '\0');
		assert_string_equal(report.text.data, bads[i].report);
		for (const char *p = report.text.data; *p; p++)
			lines += *p == '\n';
		assert_int_equal(report.mistakes + report.warnings, lines);
		conf_report_deinit(&report);
		unlink("inc");
		unlink("c");
	}
}

/* A mistake before must not leave libconfuse's lexer in a state that the next reading would meet,
 * as after a HUP. */
static void
test_good_after_bad(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct conf *conf = read_good("umask = 027\n");
		assert_int_equal(conf_server(conf)->umask, 027);
		conf_free(&conf);
		assert_null(conf);
		test_bad(state);
	}
}

static void
test_no_file(void **state)
{
	struct conf_report report = {0};
	struct conf *conf = NULL;

	(void)state;
	assert_int_equal(conf_read("nowhere", &conf, &report), -ENOENT);
	assert_int_equal(conf_read(".", &conf, &report), -EISDIR);
	assert_int_equal(conf_read("/dev/null", &conf, &report), -EINVAL);
	write_file("c", SLICE("umask = \0 022"));
	assert_int_equal(conf_read("c", &conf, &report), CONF_MISTAKES);
	assert_null(conf);
	unlink("c");
	conf_report_deinit(&report);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good_after_bad),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
