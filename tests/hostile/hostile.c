/* SPDX-License-Identifier: MIT */
/*
 * A program that looks for vswap in itself and does what it can to harm its owner: for some
 * seconds, at random, in threads and in forked children. What becomes of it does not matter; a
 * neighbour in the same job (`hostile --neighbour') verifies its own pages meanwhile.
 *
 *   hostile [--seconds N] [--seed N] [--only NAME,...]
 *   hostile --neighbour [--seconds N]     0: never a wrong byte
 *   hostile --trap [--seconds N]          only what readers from outside fall into
 */
#include "../hazard/intruder.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#define PAGES	    6144ul
#define CHILDREN    6
#define ROBUST_HEAD 24

static struct {
	char *pages; /* the prey of our own owner: pages that leave */
	uint64_t seed;
	double end;
	const char *only;
	int stolen;
	_Atomic unsigned int children;
} the = {.stolen = -1};

static uint64_t draw(void)
{
	static _Thread_local uint64_t state;

	if (!state)
		state = mix(the.seed ^ (uint64_t)syscall(SYS_gettid) << 20);
	return state = mix(state);
}

static int stolen(void)
{
	if (the.stolen < 0)
		the.stolen = steal_userfault(find_agent());
	return the.stolen;
}

static char *some_page(void)
{
	return the.pages + draw() % PAGES * PAGE;
}

/* ---- what it does ---- */

static void touch(void)
{
	for (unsigned int i = 0; i < 256; i++)
		*(volatile uint64_t *)some_page() = draw();
}

/* Words of the channel, one at a time or all, with values that mean something there. */
static void scribble(void)
{
	size_t bytes;
	uint32_t *channel = find_channel(&bytes);

	if (!channel)
		return;
	for (unsigned int i = 0; i < 2000; i++) {
		static const uint32_t values[] = {
			0,	1,	    2,		3,	    16,		256,	   257,
			0xffff, 0x10000000, 0x20000000, 0x40000000, 0x80000000, UINT32_MAX};
		uint32_t value =
			draw() % 4 ? values[draw() % (sizeof(values) / 4)] : (uint32_t)draw();
		/* Most of what matters is in the first words. */
		size_t word = draw() % (draw() % 2 ? 32 : bytes / 4);

		__atomic_store_n(channel + word, value, __ATOMIC_SEQ_CST);
		if (i % 100 == 0)
			syscall(SYS_futex, channel + draw() % 32, 1, INT32_MAX, NULL, NULL, 0);
	}
	if (draw() % 8 == 0)
		memset(channel, (int)draw(), bytes);
}

/* The agent's code, or where its memory is. */
static void patch_agent(void)
{
	size_t bytes;
	char *channel = find_shared(draw() % 2 ? "rw-s" : "r-xp", &bytes);

	if (!channel || draw() % 20)
		return;
	switch (draw() % 4) {
	case 0:
		munmap(channel, bytes);
		break;
	case 1:
		mprotect(channel, bytes, PROT_READ);
		break;
	case 2:
		madvise(channel, bytes, MADV_REMOVE);
		break;
	default:
		mremap(channel, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	}
}

/* The agent's own area is the anonymous mapping with an r-x page that no file has. */
static void spoil_area(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start = 0, end;
	char line[512], rights[8], rest[256];
	bool found = false;

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		rest[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, rights, rest) >= 3)
			found = !strcmp(rights, "r-xp") && !rest[0] && end - start == PAGE;
	}
	if (maps)
		fclose(maps);
	if (!found || draw() % 20)
		return;
	switch (draw() % 4) {
	case 0:
		munmap((void *)start, PAGE);
		break;
	case 1:
		mprotect((void *)start, 600 * PAGE, PROT_NONE);
		break;
	case 2: /* an agent that ends: mov $60, %eax; xor %edi, %edi; syscall */
		if (!mprotect((void *)start, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
			for (size_t at = 0; at + 9 < PAGE; at += 9)
				memcpy((char *)start + at, "\xb8\x3c\0\0\0\x31\xff\x0f\x05", 9);
		break;
	default:
		munmap((char *)start + 6 * PAGE, 512 * PAGE);
	}
}

static void change_descriptor(void)
{
	struct uffd_msg message;

	if (stolen() < 0)
		return;
	switch (draw() % 6) {
	case 0:
		fcntl(the.stolen, F_SETFL, 0);
		break;
	case 1:
		fcntl(the.stolen, F_SETFL, O_NONBLOCK | O_ASYNC);
		break;
	case 2: /* events and faults that the owner never hears of */
		fcntl(the.stolen, F_SETFL, O_NONBLOCK);
		for (unsigned int i = 0; i < 20; i++)
			(void)!read(the.stolen, &message, sizeof(message));
		break;
	case 3:
		dup(the.stolen);
		break;
	case 4:
		close(the.stolen);
		the.stolen = -1;
		break;
	default:
		fcntl(the.stolen, F_SETFL, O_NONBLOCK);
	}
}

static void call_descriptor(void)
{
	uint64_t at = (uint64_t)some_page(), bytes = (1 + draw() % 64) * PAGE;
	struct uffdio_range range = {at, bytes};
	struct uffdio_register add = {range, 1 + draw() % 3, 0};
	struct uffdio_copy copy = {at, (uint64_t)some_page(), PAGE, draw() % 2, 0};
	struct uffdio_zeropage zero = {range, 0, 0};
	struct uffdio_api api = {UFFD_API, 0, 0};

	if (stolen() < 0)
		return;
	switch (draw() % 6) {
	case 0:
		ioctl(the.stolen, UFFDIO_REGISTER, &add);
		break;
	case 1:
		ioctl(the.stolen, UFFDIO_UNREGISTER, &range);
		break;
	case 2:
		ioctl(the.stolen, UFFDIO_WAKE, &range);
		break;
	case 3:
		ioctl(the.stolen, UFFDIO_COPY, &copy);
		break;
	case 4:
		ioctl(the.stolen, UFFDIO_ZEROPAGE, &zero);
		break;
	default:
		ioctl(the.stolen, UFFDIO_API, &api);
	}
}

/* Mappings that move over one another, also to where nobody else maps. */
static void move_mappings(void)
{
	static _Atomic uint64_t high = 0x200000000000ull;

	for (unsigned int i = 0; i < 20; i++) {
		size_t pages = 1 + draw() % 600, fewer = 1 + draw() % pages;
		char *from = mmap(draw() % 4 ? NULL : (void *)(uint64_t)high, pages * PAGE,
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *to = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (from == MAP_FAILED || to == MAP_FAILED)
			return;
		for (size_t p = 0; p < pages; p += 1 + draw() % 8)
			from[p * PAGE] = to[p * PAGE] = (char)p;
		if (draw() % 2)
			madvise(to, pages * PAGE, MADV_DONTNEED);
		mremap(from, pages * PAGE, fewer * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		munmap(to, pages * PAGE);
		munmap(from, pages * PAGE);
	}
}

/* A robust list, and memory that readers from outside may look at, under a userfaultfd of our own
 * that nobody serves. */
static void *sit_in_trap(void *argument)
{
	struct uffdio_api api = {UFFD_API, 0, 0};
	int own = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	char *trap = anonymous(2);
	struct uffdio_register add = {{(uint64_t)trap, 2 * PAGE}, UFFDIO_REGISTER_MODE_MISSING, 0};

	(void)argument;
	if (own < 0 || ioctl(own, UFFDIO_API, &api) || ioctl(own, UFFDIO_REGISTER, &add))
		return NULL;
	syscall(SYS_set_robust_list, trap + 64, ROBUST_HEAD);
	pause_ms(500 + (long)(draw() % 1000));
	syscall(SYS_set_robust_list, NULL, ROBUST_HEAD);
	close(own);
	return NULL;
}

static void lay_trap(void)
{
	pthread_t thread;

	if (draw() % 50 == 0 && !pthread_create(&thread, NULL, sit_in_trap, NULL))
		pthread_detach(thread);
}

static void stop_agent(void)
{
	pid_t agent = find_agent(), self = getpid(), child;

	if (!agent || draw() % 10)
		return;
	switch (draw() % 3) {
	case 0: /* all stop with it, until the child says otherwise */
		child = fork();
		if (!child) {
			pause_ms((long)(draw() % 300));
			kill(self, SIGCONT);
			_exit(0);
		}
		if (child > 0)
			syscall(SYS_tgkill, self, agent, SIGSTOP);
		break;
	case 1:
		syscall(SYS_tgkill, self, agent, SIGUSR1);
		break;
	default: /* a debugger at the agent, for a while */
		child = fork();
		if (!child) {
			if (!ptrace(PTRACE_SEIZE, agent, 0, 0)) {
				ptrace(PTRACE_INTERRUPT, agent, 0, 0);
				pause_ms((long)(draw() % 300));
			}
			_exit(0);
		}
		pause_ms(1);
	}
}

static void change_limits(void)
{
	static const int which[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_STACK,
				    RLIMIT_MEMLOCK};
	struct rlimit limit;
	int number = which[draw() % 5];

	if (getrlimit((enum __rlimit_resource)number, &limit))
		return;
	limit.rlim_cur = draw() % 3 ? limit.rlim_max : 4096 * (draw() % 64);
	setrlimit((enum __rlimit_resource)number, &limit);
}

static void run(void);

/* Children do the same, or become another program. */
static void multiply(void)
{
	pid_t child;

	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		the.children -= the.children > 0;
	if (draw() % 10 || the.children >= CHILDREN)
		return;
	child = fork();
	if (child > 0) {
		the.children++;
	} else if (!child) {
		the.children = CHILDREN; /* no grandchildren: they add nothing */
		the.stolen = draw() % 2 ? -1 : the.stolen;
		if (draw() % 4 == 0)
			execl("/bin/true", "true", NULL);
		if (the.end > seconds_now() + 2)
			the.end = seconds_now() + 2;
		run();
		_exit(0);
	}
}

static const struct act {
	const char *name;
	void (*act)(void);
} acts[] = {
	{"touch", touch},
	{"scribble", scribble},
	{"channel", patch_agent},
	{"area", spoil_area},
	{"descriptor", change_descriptor},
	{"calls", call_descriptor},
	{"move", move_mappings},
	{"trap", lay_trap},
	{"stop", stop_agent},
	{"limits", change_limits},
	{"fork", multiply},
};
#define ACTS (sizeof(acts) / sizeof(acts[0]))

static bool is_wanted(const char *name)
{
	const char *at = the.only ? strstr(the.only, name) : NULL;

	return !the.only || at;
}

static void run(void)
{
	while (seconds_now() < the.end) {
		const struct act *act = &acts[draw() % ACTS];

		touch();
		if (is_wanted(act->name))
			act->act();
	}
}

static void *run_thread(void *argument)
{
	(void)argument;
	run();
	return NULL;
}

/* ---- its neighbour ---- */

static int verify(void)
{
	char *pages = anonymous(PAGES);
	unsigned long rounds = 0;
	double worst = 0;

	for (; seconds_now() < the.end || rounds < 2; rounds++) {
		double began = seconds_now();

		for (size_t p = 0; p < PAGES; p++) {
			double before = seconds_now(), took;

			if (rounds)
				expect(page_is(pages + p * PAGE, rounds, p),
				       "neighbour: page %zu is %s in round %lu", p,
				       page_is_zero(pages + p * PAGE) ? "zeros" : "wrong", rounds);
			fill_page(pages + p * PAGE, rounds + 1, p);
			took = seconds_now() - before;
			worst = took > worst ? took : worst;
		}
		pause_ms(seconds_now() - began < 0.01 ? 10 : 0);
	}
	printf("neighbour: %lu rounds, %zu resident, worst %.3f s\n", rounds,
	       resident(pages, PAGES), worst);
	return 0;
}

/* The first thread's own list stands in a trap for as long as it lives. */
static int stay_in_trap(void)
{
	struct uffdio_api api = {UFFD_API, 0, 0};
	int own = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	char *trap = anonymous(2);
	struct uffdio_register add = {{(uint64_t)trap, 2 * PAGE}, UFFDIO_REGISTER_MODE_MISSING, 0};
	double end = seconds_now() + 10;

	if (own < 0 || ioctl(own, UFFDIO_API, &api) || ioctl(own, UFFDIO_REGISTER, &add))
		skip("no userfaultfd of its own: %m");
	while (!find_agent() && seconds_now() < end)
		press();
	syscall(SYS_set_robust_list, trap + 64, ROBUST_HEAD);
	fill(the.pages, PAGES, 1);
	puts("trapped");
	fflush(stdout);
	while (seconds_now() < the.end)
		check(the.pages, PAGES, 1, "in the trap");
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = 10;
	bool neighbour = false, trap = false;
	pthread_t thread;

	the.seed = 1;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--neighbour"))
			neighbour = true;
		else if (!strcmp(argv[i], "--trap"))
			trap = true;
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = atof(argv[++i]);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			the.seed = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			the.only = argv[++i];
		else
			return 2;
	}
	the.end = seconds_now() + seconds;
	if (neighbour)
		return verify();
	alarm((unsigned int)seconds + 30);
	signal(SIGUSR1, SIG_IGN);
	the.pages = anonymous(PAGES);
	fill(the.pages, PAGES, 1);
	if (trap)
		return stay_in_trap();
	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, run_thread, NULL);
	run();
	return 0;
}
