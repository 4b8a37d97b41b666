/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/* Reads one value by its type; see wharf/conf/value.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <wharf/conf/settings.h>
#include <wharf/conf/suggest.h>
#include <wharf/conf/value.h>

/* A letter behind a number, and what it multiplies by. */
struct suffix {
	char letter;
	uint64_t factor;
};

/* A unit as a word; an "s" may stand behind it. */
struct word {
	struct slice name;
	uint64_t factor;
};

static const struct suffix no_suffixes[] = {{0, 0}};
static const struct suffix time_suffixes[] = {
	{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0, 0}};
static const struct word time_words[] = {
	{SLICE("second"), 1}, {SLICE("minute"), 60}, {SLICE("hour"), 3600}, {SLICE("day"), 86400}};
static const struct suffix size_suffixes[] = {
	{'K', 1ULL << 10}, {'M', 1ULL << 20}, {'G', 1ULL << 30}, {'T', 1ULL << 40}, {0, 0}};

bool
value_is_text(struct slice text)
{
	if (text.n > VALUE_TEXT_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

/* Digits of a base, all of them; false when there is none, another byte, or too many. */
static bool
parse_digits(struct slice s, unsigned base, uint64_t *out)
{
	uint64_t n = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit >= base)
			return false;
		if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
			return false;
	}
	*out = n;
	return true;
}

static bool
parse_scaled(struct slice s, const struct suffix *suffixes, uint64_t *out)
{
	uint64_t factor = 1;

	for (const struct suffix *x = suffixes; x->letter; x++)
		if (s.n && s.p[s.n - 1] == x->letter) {
			factor = x->factor;
			s.n--;
			break;
		}
	return parse_digits(s, 10, out) && !__builtin_mul_overflow(*out, factor, out);
}

/* What the word multiplies by, or 0. */
static uint64_t
time_word(struct slice word)
{
	for (size_t i = 0; i < sizeof(time_words) / sizeof(time_words[0]); i++) {
		struct slice name = time_words[i].name;
		if (slice_starts(word, name) &&
		    (word.n == name.n || slice_equal(slice_from(word, name.n), SLICE("s"))))
			return time_words[i].factor;
	}
	return 0;
}

int
value_time(struct slice text, uint64_t *seconds)
{
	size_t digits = 0;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	uint64_t factor = time_word(slice_trim(slice_from(text, digits)));
	if (!factor)
		return parse_scaled(text, time_suffixes, seconds) ? 0 : VALUE_WRONG;
	if (!parse_digits(slice_head(text, digits), 10, seconds) ||
	    __builtin_mul_overflow(*seconds, factor, seconds))
		return VALUE_WRONG;
	return 0;
}

static void
quote_wrong(struct slice text, struct buf *why)
{
	value_quote(text, why);
	buf_add_str(why, " is not ");
}

/* A reader can't tell whether 22 is octal; of one digit it does not matter, and nobody writes three
 * of a mode in decimal. */
static bool
may_be_decimal(struct slice s)
{
	return s.n == 2 && s.p[0] != '0';
}

static int
parse_number(const struct option_row *row, struct slice s, uint64_t *out, struct buf *why)
{
	static const char *const forms[] = {
		[OPTION_NUMBER] = "a whole number",
		[OPTION_TIME] = "a time (seconds, or with s, m, h or d behind, or as \"30 days\")",
		[OPTION_SIZE] = "a size (bytes, or with K, M, G or T behind)",
		[OPTION_MODE] = "an octal number",
	};
	bool good;

	if (row->type == OPTION_MODE)
		good = parse_digits(s, 8, out);
	else if (row->type == OPTION_TIME)
		good = value_time(s, out) == 0;
	else if (row->type == OPTION_SIZE)
		good = parse_scaled(s, size_suffixes, out);
	else
		good = parse_scaled(s, no_suffixes, out);
	if (good && row->type == OPTION_MODE && may_be_decimal(s)) {
		value_quote(s, why);
		buf_printf(why, " may be octal or decimal; did you mean %03" PRIo64 "?", *out);
		return VALUE_WRONG;
	}
	if (good && *out >= row->low && *out <= row->high)
		return 0;

	quote_wrong(s, why);
	if (row->type == OPTION_MODE)
		buf_printf(why, "%s from %03" PRIo64 " to %03" PRIo64, forms[row->type], row->low,
			   row->high);
	else
		buf_printf(why, "%s from %" PRIu64 " to %" PRIu64 "%s%s", forms[row->type],
			   row->low, row->high, row->unit[0] ? " " : "", row->unit);
	return VALUE_WRONG;
}

static int
parse_flag(struct slice s, bool *out, struct buf *why)
{
	*out = slice_equal(s, SLICE("yes"));
	if (*out || slice_equal(s, SLICE("no")))
		return 0;
	quote_wrong(s, why);
	buf_add_str(why, "yes or no");
	return VALUE_WRONG;
}

static int
parse_ports(const struct option_row *row, struct slice s, struct port_range *out, struct buf *why)
{
	const char *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
	uint64_t low, high;

	if (dash) {
		size_t at = (size_t)(dash - s.p);
		if (parse_digits(slice_trim(slice_head(s, at)), 10, &low) &&
		    parse_digits(slice_trim(slice_from(s, at + 1)), 10, &high) && low >= row->low &&
		    low <= high && high <= row->high) {
			*out = (struct port_range){(uint16_t)low, (uint16_t)high};
			return 0;
		}
	}
	quote_wrong(s, why);
	buf_printf(why, "a range of ports, low-high, from %" PRIu64 " to %" PRIu64, row->low,
		   row->high);
	return VALUE_WRONG;
}

/* The place of a word in its set, or -1 with the complaint in `why`. */
static int
find_word(const struct option_row *row, struct slice s, struct buf *why)
{
	size_t n;
	const struct word_row *words = option_words(row->set, &n);
	struct suggest near = SUGGEST(s);

	for (size_t i = 0; i < n; i++) {
		if (slice_equal(s, slice_of(words[i].name)))
			return (int)i;
		suggest_try(&near, words[i].name);
	}
	quote_wrong(s, why);
	buf_add_str(why, "one of ");
	for (size_t i = 0; i < n; i++)
		buf_printf(why, "%s%s", i ? ", " : "", words[i].name);
	suggest_add(&near, why);
	return -1;
}

static int
add_word(const struct option_row *row, struct slice s, void *field, struct buf *why)
{
	int word = find_word(row, s, why);
	bool twice = false;

	if (word < 0)
		return VALUE_WRONG;
	if (row->type == OPTION_WORDS) {
		uint64_t *set = field, bit = 1ULL << word;
		twice = *set & bit;
		*set |= bit;
	} else {
		struct order *order = field;
		for (size_t i = 0; i < order->n; i++)
			twice = twice || order->item[i] == word;
		if (!twice && order->n < sizeof(order->item))
			order->item[order->n++] = (uint8_t)word;
	}
	if (!twice)
		return 0;
	value_quote(s, why);
	buf_add_str(why, " stands there twice");
	return VALUE_WRONG;
}

/* Words stand in items of their own, or with commas between them in one. */
static int
parse_words(const struct option_row *row, const struct slice *items, size_t n, void *field,
	    struct buf *why)
{
	if (n == 1 && slice_trim(items[0]).n == 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice rest = items[i];
		bool more = true;
		while (more) {
			const char *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
			size_t at = comma ? (size_t)(comma - rest.p) : rest.n;
			int r = add_word(row, slice_trim(slice_head(rest, at)), field, why);
			if (r)
				return r;
			more = comma != NULL;
			rest = more ? slice_from(rest, at + 1) : rest;
		}
	}
	if (row->type == OPTION_ORDER && n == 0) {
		buf_add_str(why, "it needs at least one word");
		return VALUE_WRONG;
	}
	return 0;
}

static int
check_text(struct slice s, struct buf *why)
{
	if (value_is_text(s))
		return 0;
	if (s.n > VALUE_TEXT_MAX)
		buf_printf(why, "a text has at most %d bytes", VALUE_TEXT_MAX);
	else
		buf_add_str(why, "a text has no control characters");
	return VALUE_WRONG;
}

static int
parse_text(struct slice s, char **out, struct buf *why)
{
	int r = check_text(s, why);

	if (r)
		return r;
	*out = slice_dup(s);
	return *out ? 0 : -ENOMEM;
}

/* An only item that is empty is the empty list, which is how the default of a list is written. */
static int
parse_list(const struct slice *items, size_t n, struct texts *out, struct buf *why)
{
	int r = 0;

	if (n == 0 || (n == 1 && items[0].n == 0))
		return 0;
	out->item = calloc(n, sizeof(*out->item));
	if (!out->item)
		return -ENOMEM;
	for (; out->n < n; out->n++) {
		if (items[out->n].n == 0) {
			buf_add_str(why, "an item of the list is empty");
			r = VALUE_WRONG;
		} else {
			r = parse_text(items[out->n], &out->item[out->n], why);
		}
		if (r)
			return r;
	}
	return 0;
}

static int
parse_single(const struct option_row *row, struct slice s, void *field, struct buf *why)
{
	switch (row->type) {
	case OPTION_FLAG:
		return parse_flag(slice_trim(s), field, why);
	case OPTION_PORTS:
		return parse_ports(row, slice_trim(s), field, why);
	case OPTION_CHOICE:
		*(int *)field = find_word(row, slice_trim(s), why);
		return *(int *)field < 0 ? VALUE_WRONG : 0;
	case OPTION_TEXT:
		return parse_text(s, field, why);
	default:
		return parse_number(row, slice_trim(s), field, why);
	}
}

static size_t
field_size(const struct option_row *row)
{
	static const size_t sizes[] = {
		[OPTION_FLAG] = sizeof(C_FLAG),     [OPTION_NUMBER] = sizeof(C_NUMBER),
		[OPTION_TIME] = sizeof(C_TIME),     [OPTION_SIZE] = sizeof(C_SIZE),
		[OPTION_MODE] = sizeof(C_MODE),     [OPTION_PORTS] = sizeof(C_PORTS),
		[OPTION_CHOICE] = sizeof(C_CHOICE), [OPTION_WORDS] = sizeof(C_WORDS),
		[OPTION_ORDER] = sizeof(C_ORDER),   [OPTION_TEXT] = sizeof(C_TEXT),
		[OPTION_LIST] = sizeof(C_LIST),
	};

	return sizes[row->type];
}

int
value_parse(const struct option_row *row, const struct slice *items, size_t n, void *field,
	    struct buf *why)
{
	int r;

	memset(field, 0, field_size(row));
	if (row->type == OPTION_LIST)
		r = parse_list(items, n, field, why);
	else if (row->type == OPTION_WORDS || row->type == OPTION_ORDER)
		r = parse_words(row, items, n, field, why);
	else if (n == 1)
		r = parse_single(row, items[0], field, why);
	else {
		buf_add_str(why, "it takes one value, not a list");
		r = VALUE_WRONG;
	}
	if (r)
		value_free(row, field);
	return r;
}

void
value_free(const struct option_row *row, void *field)
{
	if (row->type == OPTION_TEXT) {
		free(*(char **)field);
	} else if (row->type == OPTION_LIST) {
		struct texts *list = field;
		for (size_t i = 0; i < list->n; i++)
			free(list->item[i]);
		free(list->item);
	}
	memset(field, 0, field_size(row));
}

static int
copy_list(struct texts *to, const struct texts *from)
{
	if (from->n == 0)
		return 0;
	to->item = calloc(from->n, sizeof(*to->item));
	if (!to->item)
		return -ENOMEM;
	for (; to->n < from->n; to->n++) {
		to->item[to->n] = strdup(from->item[to->n]);
		if (!to->item[to->n])
			return -ENOMEM;
	}
	return 0;
}

int
value_copy(const struct option_row *row, void *to, const void *from)
{
	int r = 0;

	memset(to, 0, field_size(row));
	if (row->type == OPTION_TEXT) {
		*(char **)to = strdup(*(char *const *)from);
		r = *(char **)to ? 0 : -ENOMEM;
	} else if (row->type == OPTION_LIST) {
		r = copy_list(to, from);
	} else {
		memcpy(to, from, field_size(row));
	}
	if (r < 0)
		value_free(row, to);
	return r;
}

void
value_move(const struct option_row *row, void *to, const void *from)
{
	value_free(row, to);
	memcpy(to, from, field_size(row));
}

void
value_quote(struct slice text, struct buf *out)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_byte(out, (char)c);
	}
	buf_add_byte(out, '"');
}

static void
print_words(const struct option_row *row, const void *field, struct buf *out)
{
	size_t n;
	const struct word_row *words = option_words(row->set, &n);
	const char *between = "";

	buf_add_byte(out, '{');
	if (row->type == OPTION_WORDS) {
		for (size_t i = 0; i < n; i++)
			if (*(const uint64_t *)field >> i & 1) {
				buf_printf(out, "%s%s", between, words[i].name);
				between = ", ";
			}
	} else {
		const struct order *order = field;
		for (size_t i = 0; i < order->n; i++) {
			buf_printf(out, "%s%s", between, words[order->item[i]].name);
			between = ", ";
		}
	}
	buf_add_byte(out, '}');
}

static void
print_list(const struct texts *list, struct buf *out)
{
	buf_add_byte(out, '{');
	for (size_t i = 0; i < list->n; i++) {
		buf_add_str(out, i ? ", " : "");
		value_quote(slice_of(list->item[i]), out);
	}
	buf_add_byte(out, '}');
}

/* A number with the largest suffix that loses nothing. */
static void
print_scaled(uint64_t n, const struct suffix *suffixes, struct buf *out)
{
	const struct suffix *fits = NULL;

	for (const struct suffix *x = suffixes; x->letter; x++)
		if (n && n % x->factor == 0)
			fits = x;
	buf_add_u64(out, fits ? n / fits->factor : n);
	if (fits)
		buf_add_byte(out, fits->letter);
}

void
value_print(const struct option_row *row, const void *field, struct buf *out)
{
	const struct port_range *ports = field;
	size_t n;

	switch (row->type) {
	case OPTION_FLAG:
		buf_add_str(out, *(const bool *)field ? "yes" : "no");
		break;
	case OPTION_NUMBER:
		buf_add_u64(out, *(const uint64_t *)field);
		break;
	case OPTION_TIME:
		print_scaled(*(const uint64_t *)field, time_suffixes, out);
		break;
	case OPTION_SIZE:
		print_scaled(*(const uint64_t *)field, size_suffixes, out);
		break;
	case OPTION_MODE:
		buf_printf(out, "%03" PRIo64, *(const uint64_t *)field);
		break;
	case OPTION_PORTS:
		buf_printf(out, "%u-%u", ports->low, ports->high);
		break;
	case OPTION_CHOICE:
		buf_add_str(out, option_words(row->set, &n)[*(const int *)field].name);
		break;
	case OPTION_WORDS:
	case OPTION_ORDER:
		print_words(row, field, out);
		break;
	case OPTION_TEXT:
		value_quote(slice_of(*(char *const *)field), out);
		break;
	case OPTION_LIST:
		print_list(field, out);
		break;
	}
}
