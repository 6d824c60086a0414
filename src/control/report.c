/* SPDX-License-Identifier: MIT */
/*
 * One table names every figure of a report: its JSON name, type and place. The
 * writer and the reader both walk it, so they cannot disagree.
 */
#include "control/report.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <string.h>
#include "base/proc.h"
#include "pager/pager.h"

enum field_type { FIELD_U64, FIELD_U32, FIELD_INT, FIELD_DOUBLE, FIELD_TEXT, FIELD_BOOL };

struct field {
	const char *group; /* NULL: top level */
	const char *name;
	enum field_type type;
	size_t offset;
	size_t size;
};

#define FIELD(group, name, type, structure, member)                                              \
	{                                                                                        \
		group, name, type, offsetof(structure, member), sizeof(((structure *)0)->member) \
	}
#define TOP(name, type)		    FIELD(NULL, #name, type, struct report, name)
#define INNER(group, name)	    FIELD(#group, #name, FIELD_U64, struct report, group.name)
#define BACKEND(json, type, member) FIELD(NULL, json, type, struct report_backend, member)
#define PROCESS(name, type)	    FIELD(NULL, #name, type, struct report_process, name)
#define LEFT(name, type)	    FIELD(NULL, #name, type, struct report_left, name)
#define GROUP(name, type)	    FIELD(NULL, #name, type, struct report_group, name)
#define WHERE(name, type)	    FIELD(NULL, #name, type, struct pager_where, name)

static const struct field report_fields[] = {
	TOP(pid, FIELD_INT),
	TOP(command, FIELD_TEXT),
	TOP(seconds, FIELD_DOUBLE),
	TOP(attached, FIELD_BOOL),
	TOP(limit_bytes, FIELD_U64),
	TOP(cgroup, FIELD_TEXT),
	TOP(cgroup_limit_bytes, FIELD_U64),
	TOP(peak_bytes, FIELD_U64),
	TOP(wanted_bytes, FIELD_U64),
	TOP(resident_bytes, FIELD_U64),
	TOP(pool_bytes, FIELD_U64),
	TOP(header_bytes, FIELD_U64),
	TOP(metadata_bytes, FIELD_U64),
	INNER(slots, tracked),
	INNER(slots, allocated),
	INNER(slots, peak),
	INNER(slots, zero),
	INNER(slots, same),
	INNER(slots, stored),
	INNER(bytes, swapped_out),
	INNER(bytes, swapped_in),
	INNER(bytes, stored_raw),
	INNER(bytes, stored_compressed),
	INNER(faults, count),
	INNER(faults, p50_ns),
	INNER(faults, p99_ns),
	INNER(faults, total_ns),
	TOP(fixed_bytes, FIELD_U64),
	TOP(fixed_peak_bytes, FIELD_U64),
	TOP(anomalies, FIELD_U64),
	TOP(refused, FIELD_U64),
	TOP(revoked, FIELD_U64),
	TOP(cpu_seconds, FIELD_DOUBLE),
	TOP(process_total, FIELD_INT),
	TOP(group_total, FIELD_INT),
	TOP(left_total, FIELD_INT),
};

static const struct field backend_fields[] = {
	BACKEND("name", FIELD_TEXT, name),
	BACKEND("kind", FIELD_TEXT, kind),
	BACKEND("priority", FIELD_INT, priority),
	BACKEND("capacity_bytes", FIELD_U64, capacity_bytes),
	BACKEND("used_bytes", FIELD_U64, used_bytes),
	BACKEND("segments", FIELD_U64, segments),
	BACKEND("read_bytes", FIELD_U64, read_bytes),
	BACKEND("written_bytes", FIELD_U64, written_bytes),
	BACKEND("errors", FIELD_U64, errors),
	BACKEND("state", FIELD_TEXT, state),
};

static const struct field process_fields[] = {
	PROCESS(pid, FIELD_INT),	  PROCESS(command, FIELD_TEXT),
	PROCESS(state, FIELD_TEXT),	  PROCESS(resident_bytes, FIELD_U64),
	PROCESS(shared_bytes, FIELD_U64), PROCESS(swapped_bytes, FIELD_U64),
	PROCESS(faults, FIELD_U64),	  PROCESS(faults_per_second, FIELD_DOUBLE),
	PROCESS(group, FIELD_TEXT),
};

static const struct field group_fields[] = {
	GROUP(name, FIELD_TEXT),
	GROUP(parent, FIELD_TEXT),
	GROUP(weight, FIELD_INT),
	GROUP(limit_bytes, FIELD_U64),
	GROUP(tiers, FIELD_TEXT),
	GROUP(processes, FIELD_INT),
	GROUP(resident_bytes, FIELD_U64),
	GROUP(swapped_bytes, FIELD_U64),
	GROUP(swapped_out_bytes, FIELD_U64),
	GROUP(swapped_in_bytes, FIELD_U64),
	GROUP(faults, FIELD_U64),
};

static const struct field left_fields[] = {
	LEFT(pid, FIELD_INT),
	LEFT(command, FIELD_TEXT),
	LEFT(reason, FIELD_TEXT),
};

static const struct field where_fields[] = {
	WHERE(state, FIELD_TEXT),  WHERE(slot, FIELD_U64),   WHERE(codec, FIELD_TEXT),
	WHERE(bytes, FIELD_U32),   WHERE(pages, FIELD_U32),  WHERE(sharers, FIELD_U32),
	WHERE(segment, FIELD_U32), WHERE(place, FIELD_TEXT),
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static struct json_object *field_to_json(const struct field *field, const void *base)
{
	const void *at = (const char *)base + field->offset;

	switch (field->type) {
	case FIELD_U64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case FIELD_U32:
		return json_object_new_uint64(*(const uint32_t *)at);
	case FIELD_INT:
		return json_object_new_int(*(const int *)at);
	case FIELD_DOUBLE: {
		char text[32];

		/* Six decimals are enough for seconds and read better than 17 figures. */
		snprintf(text, sizeof(text), "%.6f", *(const double *)at);
		return json_object_new_double_s(*(const double *)at, text);
	}
	case FIELD_BOOL:
		return json_object_new_boolean(*(const int *)at);
	case FIELD_TEXT:
		return json_object_new_string_len(at, (int)strnlen(at, field->size));
	}
	return NULL;
}

static void field_from_json(const struct field *field, struct json_object *value, void *base)
{
	void *at = (char *)base + field->offset;

	switch (field->type) {
	case FIELD_U64:
		*(uint64_t *)at = json_object_get_uint64(value);
		break;
	case FIELD_U32:
		*(uint32_t *)at = (uint32_t)json_object_get_uint64(value);
		break;
	case FIELD_INT:
	case FIELD_BOOL:
		*(int *)at = json_object_get_int(value);
		break;
	case FIELD_DOUBLE:
		*(double *)at = json_object_get_double(value);
		break;
	case FIELD_TEXT:
		if (json_object_is_type(value, json_type_string))
			proc_clean(strncpy(at, json_object_get_string(value), field->size - 1));
		break;
	}
}

/* The object of a group inside `object`, made when it is new. */
static struct json_object *group_of(struct json_object *object, const char *group)
{
	struct json_object *inner = NULL;

	if (!group)
		return object;
	if (!json_object_object_get_ex(object, group, &inner)) {
		inner = json_object_new_object();
		if (inner)
			json_object_object_add(object, group, inner);
	}
	return inner;
}

static void fields_to_json(const struct field *fields, size_t count, const void *base,
			   struct json_object *object)
{
	for (size_t i = 0; i < count; i++) {
		struct json_object *inner = group_of(object, fields[i].group);

		if (inner)
			json_object_object_add(inner, fields[i].name,
					       field_to_json(&fields[i], base));
	}
}

static void fields_from_json(const struct field *fields, size_t count, struct json_object *object,
			     void *base)
{
	for (size_t i = 0; i < count; i++) {
		struct json_object *inner = object, *value;

		if (fields[i].group && !json_object_object_get_ex(object, fields[i].group, &inner))
			continue;
		if (json_object_object_get_ex(inner, fields[i].name, &value))
			field_from_json(&fields[i], value, base);
	}
}

/* Lists of structures: backends, processes, groups. */
struct list {
	const char *name;
	const struct field *fields;
	size_t field_count, item_bytes;
	unsigned int most;
};

static const struct list backend_list = {"backends", backend_fields, COUNT(backend_fields),
					 sizeof(struct report_backend), REPORT_BACKENDS};
static const struct list process_list = {"processes", process_fields, COUNT(process_fields),
					 sizeof(struct report_process), REPORT_PROCESSES};
static const struct list group_list = {"groups", group_fields, COUNT(group_fields),
				       sizeof(struct report_group), REPORT_GROUPS};

static const struct list left_list = {"left_alone", left_fields, COUNT(left_fields),
				      sizeof(struct report_left), REPORT_LEFT};

static void list_to_json(const struct list *list, const void *items, unsigned int count,
			 struct json_object *object)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; array && i < count && i < list->most; i++) {
		struct json_object *item = json_object_new_object();

		if (!item)
			break;
		fields_to_json(list->fields, list->field_count,
			       (const char *)items + i * list->item_bytes, item);
		json_object_array_add(array, item);
	}
	json_object_object_add(object, list->name, array);
}

/* How many it had. */
static unsigned int list_from_json(const struct list *list, struct json_object *object, void *items)
{
	struct json_object *array;
	unsigned int count = 0;

	if (!json_object_object_get_ex(object, list->name, &array) ||
	    !json_object_is_type(array, json_type_array))
		return 0;
	for (; count < json_object_array_length(array) && count < list->most; count++)
		fields_from_json(list->fields, list->field_count,
				 json_object_array_get_idx(array, count),
				 (char *)items + count * list->item_bytes);
	return count;
}

struct json_object *report_to_json(const struct report *report)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_object_object_add(object, "version", json_object_new_int(REPORT_VERSION));
	fields_to_json(report_fields, COUNT(report_fields), report, object);
	list_to_json(&backend_list, report->backends, report->backend_count, object);
	list_to_json(&process_list, report->processes, report->process_count, object);
	list_to_json(&group_list, report->groups, report->group_count, object);
	list_to_json(&left_list, report->left, report->left_count, object);
	json_object_object_add(object, "exit_status",
			       report->exit_status < 0 ? NULL
						       : json_object_new_int(report->exit_status));
	return object;
}

void report_from_json(struct json_object *object, struct report *report)
{
	struct json_object *value;

	memset(report, 0, sizeof(*report));
	report->exit_status = -1;
	if (!json_object_is_type(object, json_type_object))
		return;
	fields_from_json(report_fields, COUNT(report_fields), object, report);
	if (json_object_object_get_ex(object, "exit_status", &value) && value)
		report->exit_status = json_object_get_int(value);
	report->backend_count = list_from_json(&backend_list, object, report->backends);
	report->process_count = list_from_json(&process_list, object, report->processes);
	report->group_count = list_from_json(&group_list, object, report->groups);
	report->left_count = list_from_json(&left_list, object, report->left);
}

struct json_object *removal_to_json(const struct pager_removal *removal)
{
	struct json_object *object = json_object_new_object();

	if (object) {
		json_object_object_add(object, "bytes",
				       json_object_new_uint64(removal->total_bytes));
		json_object_object_add(object, "seconds",
				       json_object_new_double(removal->seconds));
	}
	return object;
}

struct json_object *where_to_json(const struct pager_where *where)
{
	struct json_object *object = json_object_new_object();

	if (object)
		fields_to_json(where_fields, COUNT(where_fields), where, object);
	return object;
}

void where_from_json(struct json_object *object, struct pager_where *where)
{
	memset(where, 0, sizeof(*where));
	fields_from_json(where_fields, COUNT(where_fields), object, where);
}

int report_json(const struct report *report, FILE *to)
{
	struct json_object *object = report_to_json(report);
	const char *text;
	int written;

	if (!object)
		return -ENOMEM;
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	written = text ? fprintf(to, "%s\n", text) : -1;
	json_object_put(object);
	return written < 0 || fflush(to) ? -EIO : 0;
}
