/* SPDX-License-Identifier: MIT */
/* What the pager can tell about itself. Control thread. */
#include "pager/figures.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "pager/attached/state.h"
#include "pager/job/realtime.h"
#include "pager/job/tree.h"
#include "pager/left.h"
#include "pager/pager.h"

/* How often peaks and rates are looked up. */
#define LOOK_NS 100000000u

static const char *health_name(struct backend *backend)
{
	switch (backend->operations->health(backend)) {
	case BACKEND_OK:
		return "ok";
	case BACKEND_FAILING:
		return "failing";
	default:
		return "dead";
	}
}

static void backend_figures(const struct pager *pager, struct backend *backend,
			    struct report_backend *figures)
{
	struct backend_statistics statistics = {0};

	backend->operations->statistics(backend, &statistics);
	snprintf(figures->name, sizeof(figures->name), "%s", backend->name);
	snprintf(figures->kind, sizeof(figures->kind), "%s", backend->operations->kind);
	snprintf(figures->state, sizeof(figures->state), "%s",
		 backend == pager->backends.leaving ? "leaving" : health_name(backend));
	figures->priority = backend->priority;
	figures->capacity_bytes = statistics.capacity_bytes;
	figures->used_bytes = statistics.used_bytes;
	figures->segments = statistics.used_bytes / SEGMENT_BYTES;
	figures->read_bytes = statistics.read_bytes;
	figures->written_bytes = statistics.written_bytes;
	figures->errors = statistics.errors;
}

static void ram_figures(struct pager *pager, const struct store_statistics *store,
			struct report_backend *figures)
{
	snprintf(figures->name, sizeof(figures->name), "ram");
	snprintf(figures->kind, sizeof(figures->kind), "ram");
	snprintf(figures->state, sizeof(figures->state), "ok");
	figures->priority = INT16_MAX;
	figures->capacity_bytes = pager->budget.limit_bytes;
	figures->used_bytes = store->ram_bytes;
	figures->segments = store->segments_ram;
}

static double own_cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void slot_figures(struct pager *pager, struct report *report)
{
	uint64_t count[8];

	space_count(pager->space, count);
	report->slots.zero = count[DESC_ZERO];
	report->slots.same = count[DESC_SAME];
	report->slots.stored = count[DESC_STORED] + count[DESC_SHARED];
	report->slots.allocated = count[DESC_ZERO] + count[DESC_SAME] + report->slots.stored;
	report->slots.tracked =
		report->slots.allocated + count[DESC_RESIDENT] + count[DESC_LEAVING];
	report->slots.peak = pager->figures.slots_peak;
}

static void keep_peaks(struct pager *pager)
{
	uint64_t count[8], allocated;

	space_count(pager->space, count);
	allocated = count[DESC_ZERO] + count[DESC_SAME] + count[DESC_STORED] + count[DESC_SHARED];
	figures_raise(&pager->figures.slots_peak, allocated);
	figures_raise(&pager->figures.wanted_peak,
		      figures_resident_bytes(pager) + allocated * PAGE_BYTES);
}

/* Faults a second of each process, smoothed over a second or so. */
static void look_at_rates(struct pager *pager, uint64_t since_ns)
{
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		struct process *process = pager->job.tree.items[i];
		uint64_t faults = process->attached ? process->attached->count.faults : 0;
		double passed = (double)since_ns * 1e-9, share = passed < 1 ? passed : 1;
		double now = faults > process->faults ? (double)(faults - process->faults) : 0;

		process->fault_rate += (now / passed - process->fault_rate) * share;
		process->faults = faults;
	}
}

void figures_look(struct pager *pager, uint64_t now)
{
	uint64_t since = now - pager->figures.looked_ns;

	if (since < LOOK_NS)
		return;
	keep_peaks(pager);
	look_at_rates(pager, since);
	realtime_look(pager);
	pager->figures.looked_ns = now;
}

static const char *state_of(const struct process *process)
{
	if (process->attached && process->attached->serve.held)
		return "held";
	if (process->attached && process->attached->task.has_agent)
		return "paged";
	if (process->attached)
		return "served";
	return process->left_alone ? "left alone" : "watched";
}

static void process_figures(const struct process *process, struct report_process *figures)
{
	struct attached *attached = process->attached;
	int64_t pages = attached ? attached->count.resident_pages : process->pages;

	*figures = (struct report_process){
		.pid = process->pid,
		.resident_bytes = pages > 0 ? (uint64_t)pages * PAGE_BYTES : 0,
		.shared_bytes = (uint64_t)process->shared * PAGE_BYTES,
		.faults = process->faults,
		.faults_per_second = process->fault_rate,
	};
	snprintf(figures->command, sizeof(figures->command), "%s", process->command);
	snprintf(figures->state, sizeof(figures->state), "%s", state_of(process));
	group_path(process->group, figures->group);
	if (!attached)
		return;
	lock_read(&attached->lock);
	figures->swapped_bytes = attached_swapped_pages(attached) * PAGE_BYTES;
	unlock_read(&attached->lock);
}

/* Its names again, as they are given to `vswap group --tiers'. */
static void name_tiers(const struct pager *pager, uint16_t tiers, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "ram");

	for (unsigned int i = 0; i < pager->backends.count && at < size; i++)
		if (tiers >> i & 1 && pager->backends.items[i])
			at += (size_t)snprintf(text + at, size - at, ",%s",
					       pager->backends.items[i]->name);
}

static void group_figures(const struct pager *pager, const struct group *group,
			  struct report_group *figures)
{
	int64_t pages = group->resident_pages;

	*figures = (struct report_group){
		.weight = (int)group->weight,
		.processes = (int)group->processes,
		.limit_bytes = group->limit_bytes == UINT64_MAX ? 0 : group->limit_bytes,
		.resident_bytes = pages > 0 ? (uint64_t)pages * PAGE_BYTES : 0,
		.swapped_out_bytes = group->pages_out * PAGE_BYTES,
		.swapped_in_bytes = group->pages_in * PAGE_BYTES,
		.faults = group->faults,
	};
	group_path(group, figures->name);
	group_path(group->parent, figures->parent);
	name_tiers(pager, group->tiers, figures->tiers, sizeof(figures->tiers));
}

/* By name, so that a group stands above those below it. */
static void list_groups(struct pager *pager, struct report *report)
{
	report->group_total = pager->job.groups.count;
	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		const struct group *group = pager->job.groups.items[i];
		unsigned int at = report->group_count;
		struct report_group figures;

		if (at == REPORT_GROUPS ||
		    (report->group_total > REPORT_GROUPS && !group->processes))
			continue;
		group_figures(pager, group, &figures);
		for (; at && strcmp(report->groups[at - 1].name, figures.name) > 0; at--)
			report->groups[at] = report->groups[at - 1];
		report->groups[at] = figures;
		report->group_count++;
	}
}

static bool is_below(const char *path, const char *group)
{
	size_t length = strlen(group);

	return !strncmp(path, group, length) && (!path[length] || path[length] == '/');
}

static void add_swapped(struct report *report, const struct report_process *process)
{
	for (unsigned int i = 0; i < report->group_count; i++)
		if (is_below(process->group, report->groups[i].name))
			report->groups[i].swapped_bytes += process->swapped_bytes;
}

static uint64_t size_of(const struct report_process *process)
{
	return process->resident_bytes + process->swapped_bytes;
}

/* The list stays sorted, the largest first. */
static void list_process(struct report *report, const struct report_process *process)
{
	unsigned int at = report->process_count;

	if (at == REPORT_PROCESSES && size_of(process) <= size_of(&report->processes[at - 1]))
		return;
	if (at < REPORT_PROCESSES)
		report->process_count++;
	else
		at--;
	for (; at && size_of(&report->processes[at - 1]) < size_of(process); at--)
		report->processes[at] = report->processes[at - 1];
	report->processes[at] = *process;
}

static void list_processes(struct pager *pager, struct report *report)
{
	report->process_total = (unsigned int)pager->job.tree.count;
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		struct report_process process;

		tree_read_command(pager->job.tree.items[i]);
		process_figures(pager->job.tree.items[i], &process);
		add_swapped(report, &process);
		list_process(report, &process);
	}
}

static uint64_t fixed_bytes(const struct pager *pager)
{
	uint64_t resident = figures_resident_bytes(pager);
	uint64_t fixed = pager->budget.fixed_pages > 0
				 ? (uint64_t)pager->budget.fixed_pages << PAGE_SHIFT
				 : 0;

	return fixed < resident ? fixed : resident;
}

void pager_report(struct pager *pager, struct report *report)
{
	struct store_statistics store;
	const struct process *root = tree_find(pager, pager->job.tree.root);

	memset(report, 0, sizeof(*report));
	keep_peaks(pager);
	store_statistics(pager->store, &store);
	report->pid = pager->job.tree.root;
	snprintf(report->command, sizeof(report->command), "%s", root ? root->command : "");
	report->seconds = (double)(monotonic_ns() - pager->figures.opened_ns) * 1e-9;
	report->attached = pager->job.was_attached;
	report->limit_bytes = pager->budget.limit_bytes;
	report->peak_bytes = pager->figures.peak_bytes;
	report->resident_bytes = figures_resident_bytes(pager);
	report->pool_bytes = store.ram_bytes;
	report->header_bytes = store.header_bytes;
	report->metadata_bytes = store.metadata_bytes;
	slot_figures(pager, report);
	report->wanted_bytes = pager->figures.wanted_peak;
	report->fixed_bytes = fixed_bytes(pager);
	report->fixed_peak_bytes = pager->figures.fixed_peak;
	report->left_total = pager->job.left->total;
	report->left_count = pager->job.left->count;
	memcpy(report->left, pager->job.left->items, sizeof(report->left));
	report->anomalies = pager->figures.counters.anomalies;
	report->refused = pager->figures.counters.refused;
	report->revoked = pager->figures.counters.revoked;
	report->bytes.swapped_out = pager->figures.counters.pages_out * PAGE_BYTES;
	report->bytes.swapped_in = pager->figures.counters.pages_in * PAGE_BYTES;
	report->bytes.stored_raw = (store.put_word + store.put_lz4 + store.put_raw) * PAGE_BYTES;
	report->bytes.stored_compressed = store.put_encoded_bytes;
	report->faults.count = pager->figures.latency.count;
	report->faults.p50_ns = latency_quantile(&pager->figures.latency, 0.5);
	report->faults.p99_ns = latency_quantile(&pager->figures.latency, 0.99);
	report->faults.total_ns = pager->figures.latency.total_ns;
	report->cpu_seconds = own_cpu_seconds();
	ram_figures(pager, &store, &report->backends[report->backend_count++]);
	for (unsigned int i = 0;
	     i < pager->backends.count && report->backend_count < REPORT_BACKENDS; i++)
		if (pager->backends.items[i])
			backend_figures(pager, pager->backends.items[i],
					&report->backends[report->backend_count++]);
	list_groups(pager, report);
	list_processes(pager, report);
	report->exit_status = pager->figures.exit_status;
}

void pager_used(struct pager *pager, uint64_t *job_bytes, uint64_t *own_bytes)
{
	*job_bytes = figures_resident_bytes(pager);
	*own_bytes = pager->budget.own_bytes;
}

static void place(struct pager *pager, desc_t word, struct pager_where *where)
{
	struct segment_place segment;
	const char *codec = "";

	if (store_describe(pager->store, word, &codec, &where->bytes, &where->pages))
		return;
	snprintf(where->codec, sizeof(where->codec), "%s", codec);
	where->segment = desc_segment(word);
	store_segment_place(pager->store, where->segment, &segment);
	if (segment.in_ram && segment.backend)
		snprintf(where->place, sizeof(where->place), "RAM, and %s at %llu",
			 segment.backend->name,
			 (unsigned long long)(segment.extent + desc_offset(word)));
	else if (segment.backend)
		snprintf(where->place, sizeof(where->place), "%s at %llu", segment.backend->name,
			 (unsigned long long)(segment.extent + desc_offset(word)));
	else
		snprintf(where->place, sizeof(where->place), "RAM");
}

/* The word of the bytes, and how many share them: by a count of the anchor, or with the cluster. */
static desc_t follow_shared(struct attached *attached, desc_t word, struct pager_where *where)
{
	struct space *space = attached->space;

	where->sharers = cluster_references(space, (uint32_t)(where->slot / CLUSTER_SLOTS));
	if (desc_state(word) != DESC_SHARED)
		return word;
	where->sharers += anchor_count(space, desc_anchor(word)) - 1;
	return atomic_load(anchor_slot(space, desc_anchor(word))) & ~DESC_LOCK;
}

static void untracked(struct pager_where *where)
{
	snprintf(where->state, sizeof(where->state), "untracked");
	snprintf(where->place, sizeof(where->place), "not paged by vswap");
}

static void look_up(struct attached *attached, uint64_t address, struct pager_where *where)
{
	slot_t *slot = address < MEMORY_END ? memory_look(attached->memory, address) : NULL;
	desc_t word;

	if (!slot || !region_find(&attached->regions, address)) {
		untracked(where);
		return;
	}
	word = slot_lock(slot);
	where->slot = memory_slot_id(attached->memory, address);
	snprintf(where->state, sizeof(where->state), "%s", desc_state_name(desc_state(word)));
	if (desc_state(word) == DESC_STORED || desc_state(word) == DESC_SHARED)
		place(attached->pager, follow_shared(attached, word, where), where);
	else if (desc_state(word) == DESC_RESIDENT)
		snprintf(where->place, sizeof(where->place), "the program's memory");
	else
		snprintf(where->place, sizeof(where->place), "the descriptor itself");
	slot_unlock(slot, word);
}

int pager_where(struct pager *pager, pid_t pid, uint64_t address, struct pager_where *where)
{
	const struct process *process = tree_find(pager, pid);
	struct attached *attached = process ? process->attached : NULL;

	memset(where, 0, sizeof(*where));
	if (!process)
		return -ESRCH;
	if (!attached) {
		untracked(where);
		return 0;
	}
	lock_read(&attached->lock);
	look_up(attached, address, where);
	unlock_read(&attached->lock);
	return 0;
}
