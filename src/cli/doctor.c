/* SPDX-License-Identifier: MIT */
#include <argp.h>
#include <json-c/json.h>
#include <stdio.h>
#include "cli/check.h"
#include "cli/cli.h"

#define DOCTOR_VERSION 1

static error_t parse(int key, char *argument, struct argp_state *state)
{
	switch (key) {
	case 'j':
		*(bool *)state->input = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much; doctor takes no arguments", argument);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {{"json", 'j', NULL, 0, "As JSON", 0}, {0}};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.doc = "Checks every feature of the kernel and every right that vswap needs, and says how "
	       "to "
	       "get what is missing."
	       "\vExit status: 0 when `vswap run' can work here, 1 when it cannot, 2 for a usage "
	       "error.",
};

static void show_json(const struct check *check, enum check_state state, const char *detail,
		      struct json_object *to)
{
	struct json_object *object = json_object_new_object();
	char fix[CHECK_FIX];

	json_object_object_add(object, "name", json_object_new_string(check->name));
	json_object_object_add(object, "state", json_object_new_string(check_state_name(state)));
	json_object_object_add(object, "detail", json_object_new_string(detail));
	if (state != CHECK_OK && check->fix)
		json_object_object_add(object, "fix",
				       json_object_new_string(check_fix(check, fix)));
	json_object_array_add(to, object);
}

static void show_line(const struct check *check, enum check_state state, const char *detail)
{
	char fix[CHECK_FIX];

	printf("%-8s %-28s %s\n", check_state_name(state), check->name, detail);
	if (state != CHECK_OK && check->fix)
		printf("%-8s   %s\n", "", check_fix(check, fix));
}

/* `list` NULL: print. Returns whether vswap can work. */
static bool look(struct json_object *list)
{
	bool works = true;

	for (size_t i = 0; i < check_count; i++) {
		char detail[CHECK_DETAIL] = "";
		enum check_state state = checks[i].probe(detail);

		if (state == CHECK_MISSING)
			works = false;
		if (list)
			show_json(&checks[i], state, detail, list);
		else
			show_line(&checks[i], state, detail);
	}
	return works;
}

static bool look_json(void)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();
	bool works = look(list);

	json_object_object_add(object, "version", json_object_new_int(DOCTOR_VERSION));
	json_object_object_add(object, "works", json_object_new_boolean(works));
	json_object_object_add(object, "checks", list);
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return works;
}

int verb_doctor(int argc, char **argv)
{
	bool json = false, works;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	works = json ? look_json() : look(NULL);
	if (!json)
		puts(works ? "\nvswap run works here."
			   : "\nvswap run cannot work here until what is missing above is there.");
	return works ? CLI_OK : CLI_FAILED;
}
