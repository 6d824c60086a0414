/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "attach/maps.h"
#include "base/kernel.h"

struct board *board;

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void wait_until(bool (*condition)(void *), void *argument, const char *what)
{
	double end = seconds_now() + 20;

	while (!condition(argument)) {
		check(seconds_now() < end, "waited in vain for %s", what);
		usleep(500);
	}
}

void let_pass(unsigned int ms)
{
	usleep(ms * 1000);
}

bool is_waiting(void *pid)
{
	char state = state_of(*(pid_t *)pid);

	return state == 'S' || state == 'Z';
}

static bool is_ready(void *pid)
{
	check(state_of(*(pid_t *)pid) != 'Z', "the program ended at once");
	return board->ready;
}

pid_t start_program(int (*program)(void))
{
	pid_t pid, test = getpid();

	if (!board)
		board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(board != MAP_FAILED, "mmap");
	memset(board, 0, sizeof(*board));
	fflush(NULL);
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != test)
			_exit(1);
		_exit(program());
	}
	wait_until(is_ready, &pid, "the program's start");
	return pid;
}

int wait_program(pid_t pid, int seconds)
{
	double end = seconds_now() + seconds;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		check(seconds_now() < end, "the program does not end");
		usleep(1000);
	}
	return status;
}

void end_program(pid_t pid)
{
	kill(pid, SIGKILL);
	wait_program(pid, 20);
}

char state_of(pid_t pid)
{
	char path[48], line[256], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && !state && fgets(line, sizeof(line), file))
		sscanf(line, "State: %c", &state);
	if (file)
		fclose(file);
	return state;
}

static unsigned int entries(pid_t pid, const char *name)
{
	unsigned int count = 0;
	char path[48];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	directory = opendir(path);
	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

/* Threads that come before others. */
static unsigned int hurried(pid_t pid)
{
	unsigned int count = 0;
	struct dirent *entry;
	char path[48];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)))
		count += atoi(entry->d_name) > 0 &&
			 getpriority(PRIO_PROCESS, (id_t)atoi(entry->d_name)) < 0;
	if (directory)
		closedir(directory);
	return count;
}

void look(pid_t pid, struct trace_left *trace)
{
	char path[48];
	size_t got;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	got = file ? fread(trace->maps, 1, sizeof(trace->maps) - 1, file) : 0;
	if (file)
		fclose(file);
	trace->maps[got] = '\0';
	trace->descriptors = entries(pid, "fd");
	trace->threads = entries(pid, "task");
	trace->hurried = hurried(pid);
}

static int pause_program(void)
{
	board->ready = 1;
	while (!board->stop)
		pause();
	return 0;
}

void need_rights(void)
{
	pid_t pid = start_program(pause_program);
	char message[MESSAGE_BYTES];
	struct target target;
	int error = attach_inject(pid, -1, &target, NULL, NULL, message);

	if (error == -EPERM || error == -EOPNOTSUPP || error == -ENOSYS) {
		printf("skipped: %s\n", message);
		end_program(pid);
		exit(SKIP);
	}
	check(!error, "%s", message);
	attach_forget(&target);
	end_program(pid);
}

static int register_range(int userfault, uint64_t start, uint64_t bytes)
{
	struct uffdio_register range = {.range = {start, bytes},
					.mode = UFFDIO_REGISTER_MODE_MISSING};

	return ioctl(userfault, UFFDIO_REGISTER, &range) ? -errno : 0;
}

static int unregister_range(int userfault, uint64_t start, uint64_t bytes)
{
	struct uffdio_range range = {start, bytes};

	return ioctl(userfault, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}

static int register_memory(struct target *target, void *argument)
{
	struct pager *pager = argument;

	return register_range(target->userfault, pager->memory, PAGES * PAGE);
}

/* Installs one page; the lock is held. */
static int install(struct pager *pager, unsigned int page)
{
	static const uint8_t zeros[PAGE];
	struct uffdio_copy copy = {
		.dst = pager->memory + page * PAGE,
		.src = (uintptr_t)(pager->away[page] ? pager->store[page] : zeros),
		.len = PAGE,
	};

	if (ioctl(pager->target.userfault, UFFDIO_COPY, &copy) && errno != EEXIST)
		return -errno;
	pager->away[page] = false;
	return 0;
}

static void serve_fault(struct pager *pager, uint64_t address)
{
	unsigned int page = (unsigned int)((address - pager->memory) / PAGE);
	int error = -EAGAIN;

	check(page < PAGES, "a fault at %llx", (unsigned long long)address);
	while (error == -EAGAIN) {
		pthread_mutex_lock(&pager->lock);
		error = install(pager, page);
		pthread_mutex_unlock(&pager->lock);
	}
	/* ENOENT: pager_leave has unregistered the range and so woken whoever waited. */
	check(!error || error == -ESRCH || error == -ENOENT, "UFFDIO_COPY: %s", strerror(-error));
	pager->faults++;
}

static void drop_range(struct pager *pager, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		uint64_t address = pager->memory + i * PAGE;

		if (address >= start && address < end)
			pager->away[i] = false;
	}
}

static void keep_child(struct pager *pager, int userfault)
{
	if (pager->child >= 0)
		close(pager->child);
	pager->child = userfault;
}

static void *serve(void *argument)
{
	struct pager *pager = argument;
	struct pollfd wait = {.fd = pager->target.userfault, .events = POLLIN};
	struct uffd_msg event;

	while (!pager->stop) {
		ssize_t got;

		if (poll(&wait, 1, 10) <= 0)
			continue;
		pthread_mutex_lock(&pager->lock);
		got = read(wait.fd, &event, sizeof(event));
		if (got == (ssize_t)sizeof(event) &&
		    (event.event == UFFD_EVENT_REMOVE || event.event == UFFD_EVENT_UNMAP))
			drop_range(pager, event.arg.remove.start, event.arg.remove.end);
		if (got == (ssize_t)sizeof(event) && event.event == UFFD_EVENT_FORK)
			keep_child(pager, (int)event.arg.fork.ufd);
		pthread_mutex_unlock(&pager->lock);
		if (got == (ssize_t)sizeof(event) && event.event == UFFD_EVENT_PAGEFAULT)
			serve_fault(pager, event.arg.pagefault.address);
		if (got < 0 && errno != EAGAIN)
			break;
	}
	return NULL;
}

int pager_attach(struct pager *pager, pid_t pid, char message[MESSAGE_BYTES])
{
	int error;

	memset(pager, 0, sizeof(*pager));
	pager->memory = board->memory;
	pager->child = -1;
	error = attach_inject(pid, -1, &pager->target, register_memory, pager, message);
	if (error)
		return error;
	pager->store = malloc(PAGES * PAGE);
	pthread_mutex_init(&pager->lock, NULL);
	check(!pthread_create(&pager->server, NULL, serve, pager), "pthread_create");
	return 0;
}

/* False: the agent is stopped (the lock of the batch is then revoked). */
static bool command(struct pager *pager, uint32_t verb, int milliseconds)
{
	struct channel *channel = pager->target.channel;
	struct timespec slice = {0, 1000000};
	uint32_t sequence = channel->command + 1;

	channel->verb = verb;
	__atomic_store_n(&channel->command, sequence, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &channel->command, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (int i = 0; i < milliseconds; i++) {
		uint32_t done = __atomic_load_n(&channel->done, __ATOMIC_ACQUIRE);

		if (done == sequence)
			return true;
		syscall(SYS_futex, &channel->done, FUTEX_WAIT, done, &slice, NULL, 0);
	}
	return false;
}

unsigned int pager_evict(struct pager *pager, unsigned int first, unsigned int count)
{
	struct target *target = &pager->target;
	struct channel *channel = target->channel;
	uint64_t staging = target->staging[pager->staging];
	bool moved[CHANNEL_BATCH];
	unsigned int left = 0;

	check(count <= CHANNEL_BATCH && first + count <= PAGES, "a batch");
	/* One lock for all: events and faults wait for the whole batch. */
	pthread_mutex_lock(&pager->lock);
	check(!register_range(target->userfault, staging, CHANNEL_BATCH * PAGE), "register");
	channel->staging = staging;
	channel->empty = target->staging[!pager->staging];
	channel->empty_pages = CHANNEL_BATCH;
	channel->count = count;
	for (unsigned int i = 0; i < count; i++) {
		channel->from[i] = pager->memory + (first + i) * PAGE;
		channel->result[i] = 1;
	}
	if (!command(pager, CHANNEL_MOVE, 2000))
		count = 0;
	check(!unregister_range(target->userfault, staging, CHANNEL_BATCH * PAGE), "unregister");
	/* The kernel may have moved pages of which it says EEXIST (docs/kernel-facts.md). */
	check(!maps_present_pages(target->pagemap, staging, CHANNEL_BATCH, moved), "pagemap");
	for (unsigned int i = 0; i < count; i++) {
		struct iovec to = {pager->store[first + i], PAGE};
		struct iovec from = {(void *)(staging + i * PAGE), PAGE};

		if (!moved[i])
			continue;
		check(process_vm_readv(target->agent_tid, &to, 1, &from, 1, 0) == (ssize_t)PAGE,
		      "read of staging: %s", strerror(errno));
		pager->away[first + i] = true;
		left++;
	}
	pager->staging = !pager->staging;
	pthread_mutex_unlock(&pager->lock);
	return left;
}

static void stop_server(struct pager *pager)
{
	if (pager->stop)
		return;
	pager->stop = true;
	pthread_join(pager->server, NULL);
}

void pager_drop(struct pager *pager)
{
	stop_server(pager);
	free(pager->store);
	keep_child(pager, -1);
	attach_forget(&pager->target);
}

int pager_leave(struct pager *pager, char message[MESSAGE_BYTES])
{
	int error;

	pthread_mutex_lock(&pager->lock);
	for (unsigned int i = 0; i < PAGES; i++) {
		while (pager->away[i]) {
			error = install(pager, i);
			pthread_mutex_unlock(&pager->lock);
			check(!error || error == -EAGAIN, "%s", strerror(-error));
			pthread_mutex_lock(&pager->lock);
		}
	}
	pthread_mutex_unlock(&pager->lock);
	error = unregister_range(pager->target.userfault, pager->memory, PAGES * PAGE);
	check(!error, "unregister: %s", strerror(-error));
	stop_server(pager); /* its descriptor is closed with the agent's leave */
	error = attach_leave(&pager->target, message);
	pager_drop(pager);
	return error;
}
