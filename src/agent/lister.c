/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* The listings of lister.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wharf/base/fd.h>
#include <wharf/base/put.h>
#include <wharf/ftp/entry.h>
#include <wharf/ftp/facts.h>
#include <wharf/ftp/glob.h>
#include <wharf/ftp/listing.h>
#include <wharf/ftp/path.h>
#include <wharf/sandbox/jail.h>

#include "lister.h"

#define CHUNK_BYTES (64UL * 1024)
/* The first of a large folder is smaller, and fills a pipe of that size: it leaves while the rest
 * is made. */
#define FIRST_BYTES (16UL * 1024)

/* The folder's virtual path with a name behind it, NUL-terminated, in *out. */
static int
join(struct buf *out, const struct lister *l, struct slice below, struct slice name)
{
	buf_reset(out);
	buf_add_str(out, l->path);
	if (below.n) {
		buf_add_byte(out, '/');
		buf_add_slice(out, below);
	}
	if (name.n) {
		buf_add_byte(out, '/');
		buf_add_slice(out, name);
	}
	return buf_error(out);
}

/* Names that are reserved begin with a dot, too. */
static bool
is_dotfile_shown(const struct lister *l, struct slice name, struct slice pattern)
{
	if (path_reserved(name, l->agent->settings.show_versions))
		return false;
	if ((l->flags & LIST_ALL) || l->form == LIST_FACTS)
		return true;
	return pattern.n ? pattern.p[0] == '.' : l->agent->settings.list_dotfiles;
}

static bool
is_shown(const struct lister *l, struct slice name)
{
	struct slice pattern = slice_of(l->pattern);

	if (name.p[0] == '.' && !is_dotfile_shown(l, name, pattern))
		return false;
	if (l->form != LIST_LONG && (memchr(name.p, '\r', name.n) || memchr(name.p, '\n', name.n)))
		return false;
	return (!pattern.n || glob_match(pattern, name)) && !agent_hides(l->agent, name);
}

static enum entry_type
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return ENTRY_FILE;
	case S_IFDIR:
		return ENTRY_DIR;
	case S_IFLNK:
		return ENTRY_SYMLINK;
	default:
		return ENTRY_SPECIAL;
	}
}

static struct lister_known
learn(const struct lister *l, const struct stat *st, const struct stat *parent)
{
	struct lister_known known = {
		.is_set = true, .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid};

	look_owners(l->agent, st->st_uid, st->st_gid, &known.owner, &known.group);
	if (l->form == LIST_FACTS && (l->facts & FACT_PERM))
		known.perm = look_perm(l->agent, st, parent);
	return known;
}

static struct entry
entry_of(struct slice name, const struct stat *st, const struct lister_known *known)
{
	struct entry e = {.name = name,
			  .type = type_of(st->st_mode),
			  .mode = st->st_mode,
			  .uid = st->st_uid,
			  .gid = st->st_gid,
			  .size = (uint64_t)st->st_size,
			  .nlink = st->st_nlink,
			  .dev = st->st_dev,
			  .ino = st->st_ino,
			  .mtime = st->st_mtime,
			  .owner = known->owner,
			  .group = known->group,
			  .perm = known->perm};

	return e;
}

/* An entry of the folder that is listed. */
static struct entry
entry_in_folder(struct lister *l, struct slice name, const struct stat *st)
{
	const struct lister_known *known = &l->known;

	if (!known->is_set || known->mode != st->st_mode || known->uid != st->st_uid ||
	    known->gid != st->st_gid)
		l->known = learn(l, st, &l->st);
	return entry_of(name, st, known);
}

static void
add_entry(struct lister *l, const struct entry *e)
{
	if (l->form == LIST_LONG) {
		listing_format(&l->out, e, l->now);
		return;
	}
	if (l->form == LIST_NAMES)
		buf_add_slice(&l->out, e->name);
	else
		facts_format(&l->out, e, l->facts);
	buf_add(&l->out, "\r\n", 2);
}

/*
 * MLSD tells of a link what it leads to in the jail, but of one that leads to a folder, or nowhere,
 * that it is a link: a client that removes a tree would go through it, and remove what is behind.
 * Returns whether it leads to a folder.
 */
static bool
follow(const struct lister *l, struct slice name, struct stat *st)
{
	struct stat target;
	struct buf path = BUF_INIT;
	bool is_folder = false;

	if (join(&path, l, buf_slice(&l->below), name) == 0) {
		int fd = jail_open(l->agent->root, buf_slice(&path), O_PATH, 0);
		bool is_there = fd >= 0 && fstat(fd, &target) == 0;
		is_folder = is_there && S_ISDIR(target.st_mode);
		if (is_there && !is_folder)
			*st = target;
		fd_close(&fd);
	}
	buf_deinit(&path);
	return is_folder;
}

/*
 * The letters that the fact perm has not because of retention.  A link can go whatever it leads to;
 * where that is, and so what holds it, is not looked for: it may be anywhere.
 */
static unsigned
perm_of_held(const struct lister *l, const struct stat *st, bool is_link)
{
	const struct retain_term anywhere = {l->held.longest, l->held.longest};

	if (l->held.longest == 0)
		return 0;
	if (is_link)
		return retain_term_holds(&anywhere, st) ? PERM_HELD_CONTENT : 0;
	return retain_term_holds(&l->held, st) ? PERM_HELD : 0;
}

/* Apart from add_name(), because clearing such an array costs more than a file's line. */
static void
add_link(struct lister *l, int at, struct slice name, const struct entry *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(at, name.p, target, sizeof(target));
	struct entry link = *e;

	link.target = (struct slice){target, n < 0 ? 0 : (size_t)n};
	add_entry(l, &link);
}

/*
 * Writes the line of a name in the folder `at`, shown as `shown`.  A name that is gone by now is
 * left out.
 */
static void
add_name(struct lister *l, int at, struct slice name, struct slice shown)
{
	struct stat st;

	if (fstatat(at, name.p, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	bool is_link = S_ISLNK(st.st_mode);
	bool to_folder = is_link && l->form == LIST_FACTS && follow(l, name, &st);
	struct entry e = entry_in_folder(l, shown, &st);
	e.perm &= ~perm_of_held(l, &st, is_link);
	/* Facts say no path that leads nowhere: it may be one outside the jail. */
	if (is_link && (l->form == LIST_LONG || to_folder))
		add_link(l, at, name, &e);
	else
		add_entry(l, &e);
}

/* Whether the folder is the jail's, which has none above it that may be looked at. */
static bool
is_root(const struct lister *l)
{
	struct stat root;

	return fstat(l->agent->root, &root) < 0 ||
	       (l->st.st_ino == root.st_ino && l->st.st_dev == root.st_dev);
}

/*
 * The folder itself and the one above, which can't be read by ".." without a chroot: at the root
 * both are one.
 */
static void
add_dots(struct lister *l)
{
	struct stat up = l->st;
	struct stat *parent = NULL;

	if (!is_root(l) && fstatat(l->folder.fd, "..", &up, 0) == 0)
		parent = &up;
	struct lister_known here_known = learn(l, &l->st, parent);
	struct lister_known up_known = learn(l, &up, NULL);
	struct entry here = entry_of(SLICE("."), &l->st, &here_known);
	struct entry above = entry_of(SLICE(".."), &up, &up_known);
	here.type = ENTRY_CDIR;
	above.type = ENTRY_PDIR;
	add_entry(l, &here);
	if (parent || l->form == LIST_LONG)
		add_entry(l, &above);
}

/* Remembers a folder to be entered after this one. */
static int
add_below(struct lister *l, struct slice name)
{
	struct buf path = BUF_INIT;

	if (l->depth == LISTER_DEPTH_MAX || l->n_waiting == LISTER_WAITING_MAX)
		return 0;
	/* The array grows by doubling: its number is a power of two whenever there is no room. */
	if ((l->n_waiting & (l->n_waiting - 1)) == 0) {
		size_t room = l->n_waiting ? l->n_waiting * 2 : 1;
		struct lister_below *waiting = realloc(l->waiting, room * sizeof(*waiting));
		if (!waiting)
			return -ENOMEM;
		l->waiting = waiting;
	}
	buf_add_slice(&path, buf_slice(&l->below));
	if (path.len)
		buf_add_byte(&path, '/');
	buf_add(&path, name.p, name.n + 1);
	if (buf_error(&path) < 0) {
		buf_deinit(&path);
		return -ENOMEM;
	}
	l->waiting[l->n_waiting++] = (struct lister_below){path.data, l->depth + 1};
	l->n_below++;
	return 0;
}

static bool
is_folder(const struct lister *l, const struct folder_item *item)
{
	struct stat st;

	if (item->type != DT_UNKNOWN)
		return item->type == DT_DIR;
	return fstatat(l->folder.fd, item->name.p, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static void
write_line(struct lister *l, struct slice name)
{
	struct slice prefix = slice_of(l->prefix);

	if (buf_reserve(&l->out, prefix.n + name.n + 2) < 0)
		return;
	char *p = put_slice(l->out.data + l->out.len, prefix);
	p = put_slice(put_slice(p, name), SLICE("\r\n"));
	l->out.len = (size_t)(p - l->out.data);
}

/* Writes one name.  0 or a negative errno. */
static int
write_item(struct lister *l, const struct folder_item *item)
{
	if (l->form == LIST_NAMES) {
		write_line(l, item->name);
	} else {
		add_name(l, l->folder.fd, item->name, item->name);
	}
	if ((l->flags & LIST_RECURSIVE) && is_folder(l, item))
		return add_below(l, item->name);
	return 0;
}

static int
compare_rows(const void *a, const void *b, void *arg)
{
	const struct lister_row *x = a, *y = b;
	const struct lister *l = arg;
	int r = 0;

	if (l->flags & LIST_BY_TIME)
		r = x->mtime != y->mtime ? (x->mtime > y->mtime ? -1 : 1) : 0;
	if (r == 0)
		r = strcmp(l->names.data + x->at, l->names.data + y->at);
	return l->flags & LIST_REVERSE ? -r : r;
}

static int
keep_row(struct lister *l, const struct folder_item *item)
{
	struct lister_row row = {(uint32_t)l->names.len, (uint32_t)item->name.n, item->type, 0};
	struct stat st;

	if ((l->n_rows & (l->n_rows - 1)) == 0) {
		size_t room = l->n_rows ? l->n_rows * 2 : 1;
		struct lister_row *rows = realloc(l->rows, room * sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		l->rows = rows;
	}
	if ((l->flags & LIST_BY_TIME) &&
	    fstatat(l->folder.fd, item->name.p, &st, AT_SYMLINK_NOFOLLOW) == 0)
		row.mtime = st.st_mtime;
	buf_add(&l->names, item->name.p, item->name.n + 1);
	l->rows[l->n_rows++] = row;
	return buf_error(&l->names);
}

/* The folder's next name, shown or not.  0, FOLDER_END or a negative errno. */
static int
next_name(struct lister *l, struct folder_item *item)
{
	if (l->total == LISTER_NAMES_MAX && (l->flags & LIST_RECURSIVE))
		return FOLDER_END;
	l->total++;
	return folder_next(&l->folder, item);
}

/* Reads the folder's names and sorts them, or finds that there are too many. */
static int
collect(struct lister *l)
{
	const size_t most = l->form == LIST_FACTS ? LISTER_SORTED_MLSD : LISTER_SORTED_MAX;
	struct folder_item item;
	int r = 0;

	l->n_rows = l->next_row = l->n_below = 0;
	buf_reset(&l->names);
	for (size_t i = 0; r == 0 && i < most && !(l->form == LIST_FACTS && l->is_large); i++) {
		r = next_name(l, &item);
		if (r == 0 && is_shown(l, item.name))
			r = keep_row(l, &item);
	}
	if (r < 0)
		return r;
	l->streaming = r != FOLDER_END;
	if (!l->streaming && l->n_rows)
		qsort_r(l->rows, l->n_rows, sizeof(l->rows[0]), compare_rows, l);
	l->wants_dots = !l->pattern[0] &&
			(l->form == LIST_FACTS || (l->form == LIST_LONG && (l->flags & LIST_ALL)));
	return buf_error(&l->out);
}

/* Opens the next folder of a recursive listing and writes its head.  0 or a negative errno. */
static int
enter(struct lister *l, const struct lister_below *below)
{
	struct buf path = BUF_INIT;
	int r = join(&path, l, slice_of(below->path), SLICE_NULL);
	int fd = r < 0 ? r
		       : jail_open(l->agent->root, buf_slice(&path),
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	buf_deinit(&path);
	if (fd < 0)
		return fd;
	folder_change(&l->folder, fd);
	if (fstat(fd, &l->st) < 0)
		return -errno;
	l->depth = below->depth;
	l->known.is_set = false;
	buf_reset(&l->below);
	buf_add_str(&l->below, below->path);
	buf_add_str(&l->out, "\r\n./");
	/* The path of a head is shown as names are in LIST. */
	for (size_t i = 0; i < l->below.len; i++) {
		unsigned char c = (unsigned char)l->below.data[i];
		buf_add_byte(&l->out, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
	buf_add_str(&l->out, ":\r\n");
	return collect(l);
}

/* After a folder: the first of those in it, then the rest, then what waited before. */
static int
go_on(struct lister *l)
{
	for (size_t i = 0; i < l->n_below / 2; i++) {
		struct lister_below *first = &l->waiting[l->n_waiting - l->n_below + i];
		struct lister_below *last = &l->waiting[l->n_waiting - 1 - i];
		struct lister_below swap = *first;
		*first = *last;
		*last = swap;
	}
	l->n_below = 0;
	l->done = l->n_waiting == 0 || l->total == LISTER_NAMES_MAX;
	if (l->done)
		return 0;
	struct lister_below below = l->waiting[--l->n_waiting];
	int r = enter(l, &below);
	free(below.path);
	/* A folder that may not be read, or is gone, is passed over. */
	return r == -ENOMEM ? r : 0;
}

/*
 * Writes lines into l->out, a chunk or those of a folder's worth of names at most.  0 or a negative
 * errno.
 */
static int
produce(struct lister *l)
{
	const size_t most = l->is_large && !l->begun ? FIRST_BYTES : CHUNK_BYTES;
	struct folder_item item;
	int r = 0;

	l->begun = true;
	if (l->wants_dots)
		add_dots(l);
	l->wants_dots = false;
	for (size_t i = 0; r == 0 && l->out.len < most && i < LISTER_SORTED_MAX; i++) {
		if (l->next_row < l->n_rows) {
			const struct lister_row *row = &l->rows[l->next_row++];
			item.name = (struct slice){l->names.data + row->at, row->len};
			item.type = row->type;
			r = write_item(l, &item);
		} else if (l->streaming) {
			r = next_name(l, &item);
			l->streaming = r == 0;
			if (r == 0 && is_shown(l, item.name))
				r = write_item(l, &item);
		} else {
			return go_on(l);
		}
		r = r == FOLDER_END ? 0 : r;
	}
	return r < 0 ? r : buf_error(&l->out);
}

/* Writes l->out to the pipe.  0 when all of it is in there. */
static int
flush(struct lister *l)
{
	size_t sent = 0;
	int r = 0;

	while (sent < l->out.len && r == 0) {
		ssize_t n = write(l->pipe, l->out.data + sent, l->out.len - sent);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			r = errno == EAGAIN ? LISTER_MORE : -errno;
	}
	if (sent == l->out.len)
		buf_reset(&l->out);
	else
		buf_consume(&l->out, sent);
	return r;
}

int
lister_run(struct lister *l, size_t chunks)
{
	int r = flush(l);

	while (r == 0 && !l->done) {
		if (chunks-- == 0)
			return LISTER_MORE;
		r = produce(l);
		if (r == 0)
			r = flush(l);
	}
	return r;
}

/* The one line of a path that is no folder, or of a folder itself. */
static int
list_one(struct lister *l, struct slice path)
{
	struct slice base;
	char name[NAME_MAX + 1];
	int folder = jail_parent(l->agent->root, path, O_PATH, &base);

	l->done = true;
	if (folder == -EPERM) {
		struct lister_known known = learn(l, &l->st, NULL);
		struct entry e = entry_of(SLICE("."), &l->st, &known);
		add_entry(l, &e);
		return buf_error(&l->out);
	}
	if (folder < 0)
		return folder;
	name_terminate(base, name);
	/* Shown as the client named it: the prefix is its argument, with a slash. */
	struct slice argument = slice_of(l->prefix);
	struct buf shown = BUF_INIT;
	buf_add_slice(&shown, argument.n ? slice_head(argument, argument.n - 1) : base);
	int r = fstat(folder, &l->st) < 0 ? -errno : buf_error(&shown);
	if (r == 0) {
		size_t before = l->out.len;
		add_name(l, folder, slice_of(name), buf_slice(&shown));
		r = l->out.len == before ? -ENOENT : buf_error(&l->out);
	}
	buf_deinit(&shown);
	fd_close(&folder);
	return r;
}

static int
list_folder(struct lister *l, int fd, struct slice path)
{
	int r = folder_init(&l->folder, fd);

	if (r == 0 && fstat(l->folder.fd, &l->st) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (l->form == LIST_FACTS && (l->facts & FACT_PERM))
		l->held = retain_term_of(l->agent, l->folder.fd);
	l->is_large = l->st.st_size > LISTER_LARGE;
	if (l->is_large)
		(void)fcntl(l->pipe, F_SETPIPE_SZ, FIRST_BYTES);
	return l->flags & LIST_ITSELF ? list_one(l, path) : collect(l);
}

int
lister_init(struct lister *l, const struct agent *agent, const struct f_list *f, int pipe,
	    bool *is_file)
{
	*l = (struct lister){.agent = agent,
			     .pipe = pipe,
			     .form = f->form,
			     .flags = f->flags,
			     .facts = f->facts,
			     .path = slice_dup(f->path),
			     .pattern = slice_dup(f->pattern),
			     .prefix = slice_dup(f->prefix),
			     .now = time(NULL),
			     .folder.fd = -1};
	*is_file = false;
	if (!l->path || !l->pattern || !l->prefix)
		return -ENOMEM;
	if (f->form > LIST_FACTS)
		return -EINVAL;
	int fd = jail_open(agent->root, f->path, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		return list_folder(l, fd, f->path);
	if (fd != -ENOTDIR && fd != -ENOENT)
		return fd;
	if (f->flags & LIST_ONLY_FOLDER)
		return fd;
	*is_file = true;
	return list_one(l, f->path);
}

void
lister_deinit(struct lister *l)
{
	fd_close(&l->pipe);
	folder_deinit(&l->folder);
	free(l->path);
	free(l->pattern);
	free(l->prefix);
	free(l->rows);
	for (size_t i = 0; i < l->n_waiting; i++)
		free(l->waiting[i].path);
	free(l->waiting);
	buf_deinit(&l->below);
	buf_deinit(&l->names);
	buf_deinit(&l->out);
}
