/* SPDX-License-Identifier: ISC */
/* Copyright (c) 2026 The wharfd authors */

/*
 * The times of wharf/ftp/when.h.  Days are counted in years that begin in March, so that the leap
 * day is a year's last, and in eras of 400 years, which all have the same number of days.
 */
#include <stdint.h>

#include <wharf/ftp/when.h>

#define DAY           INT64_C(86400)
#define ERA_DAYS      146097
#define EPOCH_SHIFT   719468                /* days from 0000-03-01 to 1970-01-01 */
#define WHEN_FIRST    INT64_C(-62135596800) /* 0001-01-01 00:00:00 */
#define WHEN_LAST     INT64_C(253402300799) /* 9999-12-31 23:59:59 */
#define RECENT        (182 * DAY)
#define FUTURE        INT64_C(3600)
#define FRACTION_MAX  32
#define FRACTION_KEPT 9

struct civil {
	unsigned year, month, day, hour, minute, second;
};

/* Days since 1970-01-01 of a date of the years 0 to 9999. */
static int64_t
days_of(unsigned year, unsigned month, unsigned day)
{
	/* An era more, so that year 0 has a year before it. */
	unsigned y = year + 400 - (month <= 2);
	unsigned m = (month + 9) % 12;
	unsigned era = y / 400, in_era = y % 400;
	unsigned in_year = (153 * m + 2) / 5 + day - 1;
	unsigned days = in_era * 365 + in_era / 4 - in_era / 100 + in_year;

	return ((int64_t)era - 1) * ERA_DAYS + days - EPOCH_SHIFT;
}

static time_t
clamp(time_t t)
{
	if (t < WHEN_FIRST)
		return WHEN_FIRST;
	return t > WHEN_LAST ? WHEN_LAST : t;
}

static struct civil
civil_of(time_t t)
{
	/* Counted from 0000-03-01, which is before WHEN_FIRST. */
	uint64_t seconds = (uint64_t)(clamp(t) + EPOCH_SHIFT * DAY);
	unsigned rest = (unsigned)(seconds % DAY), days = (unsigned)(seconds / DAY);
	unsigned era = days / ERA_DAYS, d = days % ERA_DAYS;
	unsigned y = (d - d / 1460 + d / 36524 - d / (ERA_DAYS - 1)) / 365;
	unsigned in_year = d - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * in_year + 2) / 153;
	unsigned month = m < 10 ? m + 3 : m - 9;

	return (struct civil){
		.year = era * 400 + y + (month <= 2),
		.month = month,
		.day = in_year - (153 * m + 2) / 5 + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
	};
}

static unsigned
days_in_month(unsigned year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (leap && month == 2 ? 1u : 0u);
}

/*
 * The n digits at the front of s, which is long enough, as a number.  Returns false when one is no
 * digit.
 */
static bool
digits(struct slice s, size_t n, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(s.p[i] - '0');
	}
	return true;
}

/* ".123" as nanoseconds; nothing is 0. */
static bool
parse_fraction(struct slice s, long *out)
{
	long n = 0;

	if (s.n == 1 || s.n > FRACTION_MAX + 1 || (s.n > 0 && s.p[0] != '.'))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (i <= FRACTION_KEPT)
			n = n * 10 + (s.p[i] - '0');
	}
	for (size_t i = s.n ? s.n - 1 : 0; i < FRACTION_KEPT; i++)
		n *= 10;
	*out = n;
	return true;
}

int
when_parse(struct slice s, struct timespec *out)
{
	struct civil c;
	long fraction;

	if (s.n < 14 || !digits(s, 4, &c.year) || !digits(slice_from(s, 4), 2, &c.month) ||
	    !digits(slice_from(s, 6), 2, &c.day) || !digits(slice_from(s, 8), 2, &c.hour) ||
	    !digits(slice_from(s, 10), 2, &c.minute) || !digits(slice_from(s, 12), 2, &c.second) ||
	    !parse_fraction(slice_from(s, 14), &fraction))
		return WHEN_BAD;
	if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 ||
	    c.day > days_in_month(c.year, c.month) || c.hour > 23 || c.minute > 59 || c.second > 60)
		return WHEN_BAD;
	if (c.second == 60)
		c.second = 59;
	out->tv_sec = days_of(c.year, c.month, c.day) * DAY +
		      (c.hour * INT64_C(60) + c.minute) * 60 + c.second;
	out->tv_nsec = fraction;
	return 0;
}

/* Writes n as two digits, a leading zero as pad.  Returns what follows them. */
static char *
put2(char *p, unsigned n, char pad)
{
	*p++ = n < 10 ? pad : (char)('0' + n / 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

char *
when_put(char *p, time_t t)
{
	struct civil c = civil_of(t);

	p = put2(p, c.year / 100, '0');
	p = put2(p, c.year % 100, '0');
	p = put2(p, c.month, '0');
	p = put2(p, c.day, '0');
	p = put2(p, c.hour, '0');
	p = put2(p, c.minute, '0');
	return put2(p, c.second, '0');
}

void
when_format(struct buf *out, time_t t)
{
	char text[WHEN_BYTES];

	when_put(text, t);
	buf_add(out, text, sizeof(text));
}

char *
when_put_list(char *p, time_t mtime, time_t now)
{
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil c = civil_of(mtime);

	mtime = clamp(mtime);
	now = clamp(now);
	memcpy(p, months[c.month - 1], 3);
	p[3] = ' ';
	p = put2(p + 4, c.day, ' ');
	*p++ = ' ';
	if (mtime < now - RECENT || mtime > now + FUTURE) {
		*p++ = ' ';
		p = put2(p, c.year / 100, '0');
		p = put2(p, c.year % 100, '0');
	} else {
		p = put2(p, c.hour, '0');
		*p++ = ':';
		p = put2(p, c.minute, '0');
	}
	return p;
}
