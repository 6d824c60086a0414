/* SPDX-License-Identifier: MIT */
/* The table of operations, and the choice among them. */
#include "storm.h"

#include <stdio.h>
#include <string.h>

struct operation {
	const char *name;
	unsigned int weight;
	void (*run)(struct worker *worker);
};

static struct operation operations[] = {
	{"write", 120, op_write},	{"poke", 60, op_poke},
	{"check", 200, op_check},	{"sweep", 2, op_sweep},
	{"copy", 30, op_copy},		{"map", 50, op_map},
	{"fixed", 20, op_map_fixed},	{"reserve", 10, op_reserve},
	{"unmap", 25, op_unmap},	{"remap", 30, op_remap},
	{"protect", 40, op_protect},	{"advise", 80, op_advise},
	{"brk", 10, op_break},		{"lock", 4, op_lock},
	{"common", 30, op_common},	{"fork", 3, op_fork},
	{"vfork", 2, op_vfork},		{"spawn", 2, op_spawn},
	{"thread", 8, op_thread},	{"stacks", 8, op_thread_stack},
	{"robust", 6, op_robust},	{"signal", 20, op_signal},
	{"futex", 4, op_futex},		{"recursion", 4, op_stack},
	{"pipe", 20, op_pipe},		{"socket", 10, op_socket},
	{"file", 15, op_file},		{"vector", 15, op_vector},
	{"splice", 15, op_splice},	{"vmread", 10, op_vm_read},
	{"random", 5, op_random},	{"uring", 15, op_uring},
	{"row", 15, op_remap_row},	{"part", 10, op_remap_part},
	{"guard", 40, op_guard},	{"several", 10, op_remap_several},
	{"refused", 20, op_refused},	{"shm", 15, op_shm},
	{"userfault", 4, op_userfault}, {"twin", 3, op_twin},
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

static unsigned int total_weight;

static void sum_up(void)
{
	total_weight = 0;
	for (unsigned int i = 0; i < OPERATIONS; i++)
		total_weight += operations[i].weight;
}

/* `list`: names with commas; a leading '-' takes them out instead. NULL: all. write, check
 * and map always stay: without them there is nothing to storm over. */
bool operations_choose(const char *list, char *message, size_t message_size)
{
	bool without = list && list[0] == '-';
	bool named[OPERATIONS] = {false};
	char copy[512], *save = NULL;

	sum_up();
	if (!list)
		return true;
	snprintf(copy, sizeof copy, "%s", list + without);
	for (char *name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		unsigned int i = 0;

		while (i < OPERATIONS && strcmp(operations[i].name, name))
			i++;
		if (i == OPERATIONS) {
			size_t used = snprintf(message, message_size,
					       "no operation '%s'; there are:", name);

			for (i = 0; i < OPERATIONS && used < message_size; i++)
				used += snprintf(message + used, message_size - used, " %s",
						 operations[i].name);
			return false;
		}
		named[i] = true;
	}
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		void (*run)(struct worker *) = operations[i].run;

		if (named[i] == without && run != op_write && run != op_check && run != op_map)
			operations[i].weight = 0;
	}
	sum_up();
	return true;
}

void storm_run_operation(struct worker *worker)
{
	uint64_t pick = random_below(worker, total_weight);
	unsigned int i = 0;

	while (pick >= operations[i].weight)
		pick -= operations[i++].weight;
	atomic_store_explicit(&shared->slots[worker->slot].operation, operations[i].name,
			      memory_order_relaxed);
	storm_beat(worker);
	operations[i].run(worker);
	atomic_fetch_add_explicit(&shared->operations, 1, memory_order_relaxed);
}
