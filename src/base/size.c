/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/message.h"

#define SIZE_LIMIT	(1ull << 62)
#define FRACTION_DIGITS 9
#define FRACTION_SCALE	1000000000ull
/* 2^40 * 10^9 does not fit in 64 bits: the products need the wider type. */
typedef unsigned __int128 wide_t;

uint64_t size_of_ram(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int refuse(int error, const char *text, const char *why, char *message)
{
	return explain(
		message, error,
		"'%.64s' is not a size: %s; give bytes, or K, M, G, T behind the number (256M, "
		"1.5G), or a percentage of RAM (25%%)",
		text, why);
}

/* Reads digits[.digits] as a fixed-point number of FRACTION_SCALE. Returns what follows, or NULL.
 */
static const char *parse_number(const char *at, wide_t *scaled)
{
	uint64_t whole = 0, fraction = 0;
	unsigned int digits = 0;
	const char *start = at;

	for (; isdigit((unsigned char)*at); at++)
		if (whole <= SIZE_LIMIT / 10)
			whole = whole * 10 + (uint64_t)(*at - '0');
		else
			whole = SIZE_LIMIT + 1;
	if (at == start)
		return NULL;
	if (*at == '.') {
		at++;
		if (!isdigit((unsigned char)*at))
			return NULL;
		for (; isdigit((unsigned char)*at); at++)
			if (digits < FRACTION_DIGITS) {
				fraction = fraction * 10 + (uint64_t)(*at - '0');
				digits++;
			}
		for (; digits < FRACTION_DIGITS; digits++)
			fraction *= 10;
	}
	*scaled = (wide_t)whole * FRACTION_SCALE + fraction;
	return at;
}

/* The unit's factor; 0 when it is none. */
static uint64_t parse_unit(const char *unit)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!*unit)
		return 1;
	letter = strchr(letters, toupper((unsigned char)*unit));
	if (!letter || (unit[1] && strcasecmp(unit + 1, "iB") != 0))
		return 0;
	return 1ull << (10 * (letter - letters + 1));
}

int size_parse(const char *text, uint64_t ram, uint64_t *bytes, char *message)
{
	wide_t number, result;
	uint64_t factor;
	const char *unit = parse_number(text, &number);

	if (!unit)
		return refuse(-EINVAL, text, "it does not start with a number", message);
	if (!strcmp(unit, "%")) {
		if (number > 100 * (wide_t)FRACTION_SCALE)
			return refuse(-ERANGE, text, "it is more than 100 %", message);
		/* Two steps: ram times a scaled percentage stays far below 128 bits. */
		result = number * ram / 100 / FRACTION_SCALE;
	} else {
		factor = parse_unit(unit);
		if (!factor)
			return refuse(-EINVAL, text, "its unit is not known", message);
		/* The largest number times the largest unit would pass 128 bits. */
		if (number > (wide_t)SIZE_LIMIT * FRACTION_SCALE / factor)
			return refuse(-ERANGE, text, "it is too large", message);
		result = number * factor / FRACTION_SCALE;
	}
	if (result == 0)
		return refuse(-ERANGE, text, "it is zero", message);
	if (result > SIZE_LIMIT)
		return refuse(-ERANGE, text, "it is too large", message);
	*bytes = (uint64_t)result;
	return 0;
}

const char *size_format(uint64_t bytes, char text[SIZE_TEXT])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	int unit = -1;

	/* 999.5 would print as 1000 with no decimals. */
	while (value >= 999.5 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, SIZE_TEXT, "%llu B", (unsigned long long)bytes);
	else
		snprintf(text, SIZE_TEXT, "%.*f %ciB",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
	return text;
}
