/* SPDX-License-Identifier: MIT */
/*
 * The kernel's texts about memory cgroups (cgroups(7); Documentation/admin-guide in the kernel:
 * cgroup-v1/memory.rst, cgroup-v2.rst, accounting/psi.rst). Nothing here reads a file. Each text
 * ends with '\0' and may hold anything.
 */
#ifndef CGROUP_CGROUP_PARSE_H
#define CGROUP_CGROUP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* What stands for "no limit" and everything near it: v1 writes the largest multiple of a page. */
#define CGROUP_UNLIMITED (1ull << 62)

/* /proc/PID/cgroup: the cgroup that the process's memory is charged to. CGROUP_NONE: the text
 * names none, or its path is longer than `size` allows. */
enum cgroup_version cgroup_parse_membership(const char *text, char *path, size_t size);

/* A line of /proc/PID/mountinfo: is it a hierarchy with the memory controller (v1), or cgroup2?
 * `root` is the cgroup that is mounted, `point` where. */
enum cgroup_version cgroup_parse_mount(const char *line, char *root, char *point, size_t size);

/* One number of bytes, or "max". At most CGROUP_UNLIMITED. */
bool cgroup_parse_bytes(const char *text, uint64_t *bytes);

/* memory.stat: the value behind `name`. */
bool cgroup_parse_member(const char *text, const char *name, uint64_t *value);

/* memory.pressure: for how long, ever, some task has waited for memory. Microseconds. */
bool cgroup_parse_stalled(const char *text, uint64_t *microseconds);

#endif
