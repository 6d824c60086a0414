/* SPDX-License-Identifier: MIT */
/*
 * The figures of a running space. One structure: the pager fills it, control
 * renders it (control/report.h).
 */
#ifndef PAGER_FIGURES_H
#define PAGER_FIGURES_H

#include <stdint.h>
#include <sys/types.h>
#include "pager/attached/config.h"
#include "pager/limits/group.h"

#define REPORT_BACKENDS	 (BACKEND_MOST + 1) /* RAM is listed, too */
#define REPORT_PROCESSES 64
#define REPORT_GROUPS	 32
#define REPORT_LEFT	 16

struct report_backend {
	char name[64], kind[16], state[16];
	int priority;
	uint64_t capacity_bytes, used_bytes, segments, read_bytes, written_bytes, errors;
};

/* One process of the job. */
struct report_process {
	pid_t pid;
	char command[16];
	char group[GROUP_PATH]; /* its path; empty: the job alone */
	/* "paged"; "held": it is the turn of others (load.h); "served": forked by a paged one,
	 * pages come in but none leave; "watched": not worth it so far; "left alone": it must not
	 * be touched. */
	char state[16];
	uint64_t resident_bytes;  /* anonymous, without those counted with another process */
	uint64_t shared_bytes;	  /* the latter: shared by fork */
	uint64_t swapped_bytes;	  /* what its swapped pages would take */
	uint64_t faults;	  /* that were served, ever... */
	double faults_per_second; /* ... and lately */
};

/* One group inside the job; its figures have those of the groups below it in them. */
struct report_group {
	char name[GROUP_PATH], parent[GROUP_PATH]; /* paths; parent empty: the job */
	char tiers[128]; /* as they are given: "ram" and the backends that may have its pages */
	int weight, processes;
	uint64_t limit_bytes; /* 0: none of its own */
	uint64_t resident_bytes, swapped_bytes;
	uint64_t swapped_out_bytes, swapped_in_bytes, faults; /* ever */
};

/* A process that could not be paged. */
struct report_left {
	pid_t pid;
	char command[16];
	char reason[512];
};

struct report {
	pid_t pid;
	char command[64];
	double seconds; /* since the space was opened */
	int attached;	/* 0: only watched so far */
	uint64_t limit_bytes, peak_bytes, resident_bytes, pool_bytes, header_bytes, metadata_bytes;
	/* The budget follows the limit of this cgroup; owner's, empty and 0 when it does not. */
	char cgroup[256];
	uint64_t cgroup_limit_bytes;
	uint64_t wanted_bytes; /* peak of what the program would have had resident without us */
	struct {
		uint64_t tracked, allocated, peak, zero, same, stored;
	} slots;
	struct {
		uint64_t swapped_out, swapped_in, stored_raw, stored_compressed;
	} bytes;
	struct {
		uint64_t count, p50_ns, p99_ns, total_ns;
	} faults;
	uint64_t fixed_bytes;		      /* resident, and cannot leave now ... */
	uint64_t fixed_peak_bytes;	      /* ... and when the peak was */
	uint64_t anomalies, refused, revoked; /* vswap-stats(5) */
	double cpu_seconds;		      /* owner: user + system */
	unsigned int backend_count;
	struct report_backend backends[REPORT_BACKENDS];
	unsigned int process_total; /* of the job now; the largest are in the list */
	unsigned int process_count;
	struct report_process processes[REPORT_PROCESSES];
	unsigned int group_total; /* some that have ended may be missing in the list */
	unsigned int group_count;
	struct report_group groups[REPORT_GROUPS]; /* by name */
	unsigned int left_total; /* processes that could not be paged; some are in the list */
	unsigned int left_count;
	struct report_left left[REPORT_LEFT];
	int exit_status; /* -1 while it runs */
};

struct pager;

/* Keeps peaks and rates, ten times a second at most. Control thread. */
void figures_look(struct pager *pager, uint64_t now);

/* What counts against the budget, bytes: the processes' memory, and the owner's. */
void pager_used(struct pager *pager, uint64_t *job_bytes, uint64_t *own_bytes);
void pager_report(struct pager *pager, struct report *report);

struct pager_where {
	char state[16];	    /* desc_state_name, or "untracked" */
	uint64_t slot;	    /* id; 0: none */
	char codec[16];	    /* stored: how */
	uint32_t bytes;	    /* stored: length of the object */
	unsigned int pages; /* stored: pages in the object */
	uint32_t sharers;   /* stored: address spaces that have these bytes for a page of theirs */
	uint32_t segment;
	char place[128]; /* "RAM", "file NAME at offset N", "the program's memory" ... */
};

/* 0, or -ESRCH: the process is no part of the job. */
int pager_where(struct pager *pager, pid_t pid, uint64_t address, struct pager_where *where);

#endif
