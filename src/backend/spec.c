/* SPDX-License-Identifier: MIT */
/*
 * The SPEC of a backend: "KIND[:PATH][,key=value]...".
 *
 * It comes from a command line, so every refusal names the part that is wrong and
 * says what would be right.
 */
#include "backend/spec.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/backend.h"
#include "base/message.h"
#include "base/size.h"

static const char usage[] = "a backend is file:PATH[,size=SIZE][,prio=N][,name=NAME][,seal=no] "
			    "or ram[,size=SIZE]";

struct parser {
	const char *at;
	char *message;
};

/* Copies up to the next comma or the end; a backslash keeps a comma or a backslash. Returns the
 * length, or -1 when it does not fit. */
static int take_value(struct parser *parser, char *out, size_t room)
{
	size_t length = 0;

	while (*parser->at && *parser->at != ',') {
		if (parser->at[0] == '\\' && (parser->at[1] == ',' || parser->at[1] == '\\'))
			parser->at++;
		if (length + 1 >= room)
			return -1;
		out[length++] = *parser->at++;
	}
	out[length] = '\0';
	return (int)length;
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			return false;
	}
	return true;
}

static int take_size(struct parser *parser, struct backend_spec *spec)
{
	char value[32], why[MESSAGE_BYTES];

	if (take_value(parser, value, sizeof(value)) < 0)
		return explain(parser->message, -EINVAL,
			       "the value of size= is too long for a size: size=512M");
	if (size_parse(value, size_of_ram(), &spec->size, why))
		return explain(parser->message, -EINVAL, "size=: %s", why);
	return 0;
}

int backend_parse_priority(const char *text, int *priority, char *message)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (!*text || *end || *text == ' ' || number < -BACKEND_PRIORITY_HIGHEST ||
	    number > BACKEND_PRIORITY_HIGHEST)
		return explain(message, -EINVAL,
			       "prio must be a whole number from -%d to %d; the highest is used "
			       "first: prio=10",
			       BACKEND_PRIORITY_HIGHEST, BACKEND_PRIORITY_HIGHEST);
	*priority = (int)number;
	return 0;
}

static int take_priority(struct parser *parser, struct backend_spec *spec)
{
	char value[16];

	if (take_value(parser, value, sizeof(value)) < 0)
		value[0] = '\0';
	return backend_parse_priority(value, &spec->priority, parser->message);
}

static int take_name(struct parser *parser, struct backend_spec *spec)
{
	if (take_value(parser, spec->name, sizeof(spec->name)) <= 0 || !is_printable(spec->name))
		return explain(parser->message, -EINVAL,
			       "name must be 1 to %zu printable characters: name=scratch",
			       sizeof(spec->name) - 1);
	if (strcmp(spec->kind, "ram") && !strcmp(spec->name, "ram"))
		return explain(parser->message, -EINVAL,
			       "name=ram would be taken for RAM; give another: name=scratch");
	return 0;
}

static int take_seal(struct parser *parser, struct backend_spec *spec)
{
	char value[8] = "";

	if (strcmp(spec->kind, "ram") == 0)
		return explain(parser->message, -EINVAL,
			       "ram is never sealed: what is in it does not leave vswap");
	if (take_value(parser, value, sizeof(value)) < 0 ||
	    (strcmp(value, "yes") && strcmp(value, "no")))
		return explain(parser->message, -EINVAL,
			       "seal must be yes (the default) or no: seal=no");
	spec->plain = value[0] == 'n';
	return 0;
}

static int take_option(struct parser *parser, struct backend_spec *spec, unsigned int *seen)
{
	static const struct {
		const char *key;
		int (*take)(struct parser *parser, struct backend_spec *spec);
	} options[] = {
		{"size", take_size},
		{"prio", take_priority},
		{"name", take_name},
		{"seal", take_seal},
	};
	size_t length = strcspn(parser->at, "=,");

	for (unsigned int i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strlen(options[i].key) != length || strncmp(options[i].key, parser->at, length))
			continue;
		if (parser->at[length] != '=')
			return explain(parser->message, -EINVAL, "%s needs a value: %s=...; %s",
				       options[i].key, options[i].key, usage);
		if (*seen & 1u << i)
			return explain(parser->message, -EINVAL, "%s is given twice; give it once",
				       options[i].key);
		*seen |= 1u << i;
		parser->at += length + 1;
		return options[i].take(parser, spec);
	}
	return explain(parser->message, -EINVAL,
		       "unknown option \"%.*s\"; %s (a comma in a path is written \"\\,\")",
		       (int)(length > 40 ? 40 : length), parser->at, usage);
}

static int take_kind(struct parser *parser, struct backend_spec *spec)
{
	size_t length = strcspn(parser->at, ":,");

	if (length == strlen("file") && strncmp(parser->at, "file", length) == 0)
		strcpy(spec->kind, "file");
	else if (length == strlen("ram") && strncmp(parser->at, "ram", length) == 0)
		strcpy(spec->kind, "ram");
	else
		return explain(parser->message, -EINVAL, "unknown kind of backend \"%.*s\"; %s",
			       (int)(length > 40 ? 40 : length), parser->at, usage);
	parser->at += length;
	return 0;
}

static int take_path(struct parser *parser, struct backend_spec *spec)
{
	bool wanted = strcmp(spec->kind, "ram") != 0;
	int length = 0;

	if (*parser->at == ':') {
		if (!wanted)
			return explain(parser->message, -EINVAL, "%s takes no path; %s", spec->kind,
				       usage);
		parser->at++;
		length = take_value(parser, spec->path, sizeof(spec->path));
	}
	if (length < 0)
		return explain(parser->message, -EINVAL,
			       "the path is longer than %zu bytes; use a shorter one",
			       sizeof(spec->path) - 1);
	if (wanted && length == 0)
		return explain(parser->message, -EINVAL,
			       "%s needs a path: a file, a block device or a folder; for example "
			       "%s:/var/tmp",
			       spec->kind, spec->kind);
	return 0;
}

/* "file:/a/long/path" keeps its end, which tells more than its beginning. */
static void make_name(struct backend_spec *spec)
{
	const char *dots = "", *path = spec->path;
	size_t room = sizeof(spec->name) - strlen(spec->kind) - strlen(":...");

	if (strlen(path) >= room) {
		dots = "...";
		path += strlen(path) - room + 1;
	}
	strcpy(spec->name, spec->kind);
	if (*path)
		strcat(strcat(strcat(spec->name, ":"), dots), path);
	for (char *at = spec->name; *at; at++) {
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	}
}

int backend_parse_spec(const char *text, struct backend_spec *spec, char *message)
{
	struct parser parser = {text, message};
	unsigned int seen = 0;
	int error;

	memset(spec, 0, sizeof(*spec));
	message[0] = '\0';
	error = take_kind(&parser, spec);
	if (!error)
		error = take_path(&parser, spec);
	while (!error && *parser.at == ',') {
		parser.at++;
		error = take_option(&parser, spec, &seen);
	}
	if (!error && !spec->name[0])
		make_name(spec);
	return error;
}
