/* SPDX-License-Identifier: MIT */
/* Description: the JSON of a report goes out and comes back whole, with the documented names. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/report.h"
#include "control/show.h"

/* Every figure different, so that two that were swapped are seen. */
static void fill(struct report *report)
{
	uint64_t next = 1ull << 40;

	memset(report, 0, sizeof(*report));
	report->pid = 4711;
	strcpy(report->command, "sort \"quoted\" / \\ \xc3\xa4");
	report->seconds = 1.25;
	report->attached = 1;
	report->limit_bytes = next++;
	strcpy(report->cgroup, "/sys/fs/cgroup/job");
	report->cgroup_limit_bytes = next++;
	report->peak_bytes = next++;
	report->resident_bytes = next++;
	report->pool_bytes = next++;
	report->header_bytes = next++;
	report->metadata_bytes = next++;
	report->wanted_bytes = UINT64_MAX;
	report->slots.tracked = next++;
	report->slots.allocated = next++;
	report->slots.peak = next++;
	report->slots.zero = next++;
	report->slots.same = next++;
	report->slots.stored = next++;
	report->bytes.swapped_out = next++;
	report->bytes.swapped_in = next++;
	report->bytes.stored_raw = next++;
	report->bytes.stored_compressed = next++;
	report->faults.count = next++;
	report->faults.p50_ns = next++;
	report->faults.p99_ns = next++;
	report->faults.total_ns = next++;
	report->cpu_seconds = 0.5;
	report->backend_count = REPORT_BACKENDS;
	for (unsigned int i = 0; i < REPORT_BACKENDS; i++) {
		struct report_backend *backend = &report->backends[i];

		snprintf(backend->name, sizeof(backend->name), "backend %u", i);
		strcpy(backend->kind, "file");
		strcpy(backend->state, "ok");
		backend->priority = (int)i - 3;
		backend->capacity_bytes = next++;
		backend->used_bytes = next++;
		backend->segments = next++;
		backend->read_bytes = next++;
		backend->written_bytes = next++;
		backend->errors = next++;
	}
	report->process_total = 1000;
	report->process_count = REPORT_PROCESSES;
	for (unsigned int i = 0; i < REPORT_PROCESSES; i++) {
		struct report_process *process = &report->processes[i];

		process->pid = (pid_t)next++;
		snprintf(process->command, sizeof(process->command), "process %u", i);
		strcpy(process->state, "left alone");
		process->resident_bytes = next++;
		process->shared_bytes = next++;
		process->swapped_bytes = next++;
		process->faults = next++;
		process->faults_per_second = 0.25;
		snprintf(process->group, sizeof(process->group), "outer/group-%u", i);
	}
	report->group_total = 200;
	report->group_count = REPORT_GROUPS;
	for (unsigned int i = 0; i < REPORT_GROUPS; i++) {
		struct report_group *group = &report->groups[i];

		snprintf(group->name, sizeof(group->name), "outer/group-%u", i);
		strcpy(group->parent, "outer");
		strcpy(group->tiers, "ram,file:/var/tmp");
		group->weight = (int)i + 1;
		group->processes = (int)i + 1000;
		group->limit_bytes = next++;
		group->resident_bytes = next++;
		group->swapped_bytes = next++;
		group->swapped_out_bytes = next++;
		group->swapped_in_bytes = next++;
		group->faults = next++;
	}
	report->exit_status = 3;
}

static char *render(const struct report *report)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	assert_int_equal(report_json(report, to), 0);
	fclose(to);
	return text;
}

static void test_round_trip(void **state)
{
	struct report report, back;
	struct json_object *object;
	char *text;

	fill(&report);
	text = render(&report);
	object = json_tokener_parse(text);
	assert_non_null(object);
	report_from_json(object, &back);
	assert_memory_equal(&report, &back, sizeof(report));
	json_object_put(object);
	free(text);
}

/* The names that vswap-stats(5) promises: "group.name" for the inner ones. */
static void test_names(void **state)
{
	static const char *const names[] = {
		"version",
		"process_total",
		"processes",
		"limit_bytes",
		"cgroup",
		"cgroup_limit_bytes",
		"group_total",
		"groups",
		"peak_bytes",
		"resident_bytes",
		"pool_bytes",
		"header_bytes",
		"metadata_bytes",
		"slots.tracked",
		"slots.allocated",
		"slots.peak",
		"slots.zero",
		"slots.same",
		"slots.stored",
		"bytes.swapped_out",
		"bytes.swapped_in",
		"bytes.stored_raw",
		"bytes.stored_compressed",
		"faults.count",
		"faults.p50_ns",
		"faults.p99_ns",
		"cpu_seconds",
		"backends",
		"exit_status",
	};
	static const char *const backend_names[] = {
		"name",	    "kind",	  "priority",	   "capacity_bytes", "used_bytes",
		"segments", "read_bytes", "written_bytes", "errors",	     "state"};
	struct report report;
	struct json_object *object, *value;
	char group[32];

	fill(&report);
	object = report_to_json(&report);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *dot = strchr(names[i], '.');

		value = object;
		if (dot) {
			snprintf(group, sizeof(group), "%.*s", (int)(dot - names[i]), names[i]);
			assert_true(json_object_object_get_ex(object, group, &value));
		}
		assert_true(json_object_object_get_ex(value, dot ? dot + 1 : names[i], &value));
	}
	json_object_object_get_ex(object, "backends", &value);
	assert_int_equal(json_object_array_length(value), REPORT_BACKENDS);
	for (size_t i = 0; i < sizeof(backend_names) / sizeof(backend_names[0]); i++)
		assert_true(json_object_object_get_ex(json_object_array_get_idx(value, 0),
						      backend_names[i], NULL));
	json_object_put(object);
}

static void test_still_running(void **state)
{
	struct report report, back;
	struct json_object *object, *value;

	fill(&report);
	report.exit_status = -1;
	object = report_to_json(&report);
	assert_true(json_object_object_get_ex(object, "exit_status", &value));
	assert_null(value);
	report_from_json(object, &back);
	assert_int_equal(back.exit_status, -1);
	json_object_put(object);
}

/* An answer that is not what it should be gives zeros, not rubbish. */
static void test_strange(void **state)
{
	static const char *const texts[] = {"[]", "3",
					    "{\"slots\":3,\"backends\":{},\"command\":[1]}",
					    "{\"backends\":[1,[],{\"name\":7}],\"faults\":[]}"};
	struct report back;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *object = json_tokener_parse(texts[i]);

		report_from_json(object, &back);
		assert_int_equal(back.slots.tracked, 0);
		assert_string_equal(back.command, "");
		json_object_put(object);
	}
}

static void test_people(void **state)
{
	struct report report;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	fill(&report);
	assert_int_equal(report_table(&report, to), 0);
	assert_int_equal(report_list(&report, 1, to), 0);
	assert_int_equal(report_summary(&report, to), 0);
	memset(&report, 0, sizeof(report));
	assert_int_equal(report_table(&report, to), 0);
	assert_int_equal(report_summary(&report, to), 0);
	fclose(to);
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_names),
		cmocka_unit_test(test_still_running), cmocka_unit_test(test_strange),
		cmocka_unit_test(test_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
