/* SPDX-License-Identifier: MIT */
#include "cgroup/cgroup_parse.h"

#include <ctype.h>
#include <string.h>

/* Digits at `at`, what is too large as UINT64_MAX. What follows them, or NULL. */
static const char *parse_number(const char *at, uint64_t *number)
{
	bool large = false;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return NULL;
	for (; isdigit((unsigned char)*at); at++)
		large |= __builtin_mul_overflow(value, 10, &value) ||
			 __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
	*number = large ? UINT64_MAX : value;
	return at;
}

/* Is `word` among the words that commas part in [list, end)? */
static bool has_word(const char *list, const char *end, const char *word)
{
	size_t length = strlen(word);

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - list) == length && !memcmp(list, word, length))
			return true;
		list = stop + 1;
	}
	return false;
}

static bool copy(char *to, size_t size, const char *from, size_t length)
{
	if (length >= size)
		return false;
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

/* "4:memory:/job", or "0::/job" for v2. */
static enum cgroup_version parse_membership_line(const char *line, const char *end,
						 const char **path)
{
	const char *first = memchr(line, ':', (size_t)(end - line)), *second;

	if (!first)
		return CGROUP_NONE;
	second = memchr(first + 1, ':', (size_t)(end - first - 1));
	if (!second || second + 1 == end || second[1] != '/')
		return CGROUP_NONE;
	*path = second + 1;
	if (has_word(first + 1, second, "memory"))
		return CGROUP_V1;
	return first == line + 1 && *line == '0' && second == first + 1 ? CGROUP_V2 : CGROUP_NONE;
}

enum cgroup_version cgroup_parse_membership(const char *text, char *path, size_t size)
{
	enum cgroup_version best = CGROUP_NONE;

	/* With both mounted, the controller is in one of them: v1 if it is named there. */
	for (const char *end; *text && best != CGROUP_V1; text = *end ? end + 1 : end) {
		enum cgroup_version version;
		const char *found;

		end = strchrnul(text, '\n');
		version = parse_membership_line(text, end, &found);
		if (version != CGROUP_NONE && copy(path, size, found, (size_t)(end - found)))
			best = version;
	}
	return best;
}

/* The field at `at` up to a space. What follows that, or NULL. */
static const char *parse_field(const char *at, const char **field, size_t *length)
{
	size_t all = strcspn(at, " \n");

	*field = at;
	*length = all;
	return all && at[all] == ' ' ? at + all + 1 : NULL;
}

static bool is_octal(const char *at, const char *end)
{
	return end - at >= 4 && at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' &&
	       at[2] <= '7' && at[3] >= '0' && at[3] <= '7';
}

/* Blanks and backslashes in paths are written as \040 and the like. */
static bool copy_unescaped(char *to, size_t size, const char *from, size_t length)
{
	const char *end = from + length;
	size_t used = 0;

	while (from < end && used + 1 < size) {
		if (is_octal(from, end)) {
			to[used++] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
					    (from[3] - '0'));
			from += 4;
		} else {
			to[used++] = *from++;
		}
	}
	to[used] = '\0';
	return from == end && strlen(to) == used;
}

/* "32 31 0:35 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory" */
enum cgroup_version cgroup_parse_mount(const char *line, char *root, char *point, size_t size)
{
	const char *field[5], *at = line, *type, *options;
	size_t length[5], type_length, option_length;

	for (unsigned int i = 0; i < 5; i++) {
		at = parse_field(at, &field[i], &length[i]);
		if (!at)
			return CGROUP_NONE;
	}
	at = strstr(at, " - ");
	at = at ? parse_field(at + 3, &type, &type_length) : NULL;
	if (!at || !copy_unescaped(root, size, field[3], length[3]) ||
	    !copy_unescaped(point, size, field[4], length[4]) || *root != '/' || *point != '/')
		return CGROUP_NONE;
	if (type_length == 7 && !memcmp(type, "cgroup2", 7))
		return CGROUP_V2;
	at = parse_field(at, &options, &option_length); /* the source */
	if (!at || type_length != 6 || memcmp(type, "cgroup", 6) != 0)
		return CGROUP_NONE;
	parse_field(at, &options, &option_length);
	return has_word(options, options + option_length, "memory") ? CGROUP_V1 : CGROUP_NONE;
}

bool cgroup_parse_bytes(const char *text, uint64_t *bytes)
{
	const char *end = text + 3;

	*bytes = CGROUP_UNLIMITED;
	if (strncmp(text, "max", 3) != 0)
		end = parse_number(text, bytes);
	if (*bytes > CGROUP_UNLIMITED)
		*bytes = CGROUP_UNLIMITED;
	return end && (!*end || !strcmp(end, "\n"));
}

bool cgroup_parse_member(const char *text, const char *name, uint64_t *value)
{
	size_t length = strlen(name);

	for (; *text; text += !!*text) {
		if (!strncmp(text, name, length) && text[length] == ' ')
			return parse_number(text + length + 1, value);
		text = strchrnul(text, '\n');
	}
	return false;
}

bool cgroup_parse_stalled(const char *text, uint64_t *microseconds)
{
	const char *end, *at;

	if (strncmp(text, "some ", 5) != 0)
		return false;
	end = strchrnul(text, '\n');
	at = strstr(text, " total=");
	return at && at < end && parse_number(at + 7, microseconds);
}
