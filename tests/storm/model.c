/* SPDX-License-Identifier: MIT */
/*
 * What a page must hold. Word 0 of most kinds of contents is the key itself, so that a page which
 * turns up at the wrong place tells where it comes from: slot 8 bits, serial 40, check 16.
 */
#include "storm.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS (PAGE / 8)
/* Mappings so near to an address are shown. */
#define NEAR (64 * PAGE)

uint64_t storm_mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15ull;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

static uint64_t key_check(uint64_t key)
{
	return storm_mix((key >> 16) ^ options.seed) & 0xffff;
}

static uint64_t key_new(struct worker *worker)
{
	uint64_t key = (uint64_t)worker->slot << 56 | (++worker->serial & 0xffffffffffull) << 16;

	return key | key_check(key);
}

static bool key_valid(uint64_t key)
{
	return key && (key & 0xffff) == key_check(key);
}

enum kind { KIND_ZERO, KIND_SAME, KIND_WORDS, KIND_TEXT, KIND_MIXED, KIND_RANDOM };

static const char *const kind_names[] = {"zero", "same-filled", "words", "text", "mixed", "random"};

static enum kind key_kind(uint64_t key)
{
	static const uint8_t kinds[16] = {KIND_ZERO,  KIND_SAME,  KIND_WORDS,  KIND_WORDS,
					  KIND_WORDS, KIND_WORDS, KIND_TEXT,   KIND_TEXT,
					  KIND_TEXT,  KIND_TEXT,  KIND_MIXED,  KIND_MIXED,
					  KIND_MIXED, KIND_MIXED, KIND_RANDOM, KIND_RANDOM};

	return key ? kinds[storm_mix(key ^ options.seed) & 15] : KIND_ZERO;
}

static const char text[64][9] = {
	"the page",  " of a pr",    "ogram is",	  " cold an",	"d moves ",   "out, and",
	" comes b",  "ack when",    " it is n",	  "eeded;  ",	"\n\tif (er", "ror)\n\t\tr",
	"eturn er",  "ror;\n\t}\n", "static i",	  "nt main(",	"void);  ",   "0x000000",
	"name=val",  "ue, key=",    "<li><a h",	  "ref=\"/in",	"dex.html",   "\">home</",
	"a></li>\n", "{\"id\": 1",  ", \"name\"", ": \"none\"", ", \"size\"", ": 4096},",
	"        ",  "--------",    "Lorem ip",	  "sum dolo",	"r sit am",   "et, cons",
	"ectetur ",  "adipisci",    "ng elit,",	  " sed do ",	"eiusmod ",   "tempor i",
	"ncididun",  "t ut lab",    "ore et d",	  "olore ma",	"gna aliq",   "ua. Ut e",
	"nim ad m",  "inim ven",    "iam, qui",	  "s nostru",	"d exerci",   "tation u",
	"llamco l",  "aboris n",    "isi ut a",	  "liquip e",	"x ea com",   "modo con",
	"sequat. ",  "Duis aut",    "e irure ",	  "dolor in",
};

/* Calls for words in order; the state is the generator's. */
static inline uint64_t next_word(enum kind kind, uint64_t *state, unsigned int index)
{
	uint64_t x = *state;
	uint64_t word;

	if (kind == KIND_ZERO)
		return 0;
	if (kind == KIND_SAME)
		return x;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	switch (kind) {
	case KIND_WORDS:
		if ((x & 7) < 5)
			return x >> 52;
		return 0x00007f0000000000ull | ((x >> 8) & 0xfffff8);
	case KIND_TEXT:
		memcpy(&word, text[x >> 58], 8);
		return word;
	case KIND_MIXED:
		return index & 64 ? 0 : x;
	default:
		return x;
	}
}

struct generator {
	enum kind kind;
	uint64_t state, key, last;
};

static inline struct generator generator_new(const struct page_model *model)
{
	struct generator g = {.kind = key_kind(model->key), .key = model->key};

	g.state = storm_mix(model->key + options.seed) | 1;
	if (model->tail)
		g.last = storm_mix(model->key ^ model->tail) | 1;
	return g;
}

static inline uint64_t generator_word(struct generator *g, unsigned int index)
{
	uint64_t word = next_word(g->kind, &g->state, index);

	if (index == 0 && g->kind > KIND_SAME)
		return g->key;
	if (index == WORDS - 1 && g->last)
		return g->last;
	return word;
}

void page_fill(const struct page_model *model, void *bytes)
{
	struct generator g = generator_new(model);
	uint64_t *words = bytes;

	for (unsigned int i = 0; i < WORDS; i++)
		words[i] = generator_word(&g, i);
}

bool page_matches(const struct page_model *model, const void *bytes)
{
	struct generator g = generator_new(model);
	const uint64_t *words = bytes;
	uint64_t difference = 0;

	for (unsigned int i = 0; i < WORDS; i++)
		difference |= words[i] ^ generator_word(&g, i);
	return difference == 0;
}

void storm_record(struct worker *worker, const char *what, char *address, size_t pages)
{
	uint64_t number = worker->event_count++;

	worker->history[number % HISTORY] = (struct event){what, address, pages, number};
}

void print_history(struct worker *worker, const char *page)
{
	uint64_t least = worker->event_count > HISTORY ? worker->event_count - HISTORY : 0;
	unsigned int shown = 0;

	fprintf(stderr,
		"storm: worker %u's operations on it, newest first (of the last %llu; now %llu):\n",
		worker->id, (unsigned long long)(worker->event_count - least),
		(unsigned long long)worker->event_count);
	for (uint64_t n = worker->event_count; n-- > least && shown < 24;) {
		const struct event *e = &worker->history[n % HISTORY];

		if (page < e->address || page >= e->address + e->pages * PAGE)
			continue;
		fprintf(stderr, "storm:   #%llu %s [%p, %zu pages]\n",
			(unsigned long long)e->number, e->what, (void *)e->address, e->pages);
		shown++;
	}
}

void print_mappings(uintptr_t address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start < address + NEAR &&
		    end + NEAR > address)
			fprintf(stderr, "storm: mapped: %s", line);
	if (maps)
		fclose(maps);
}

/* What stands there instead? */
static void print_likeness(struct worker *worker, const struct page_model *model,
			   const uint64_t *words)
{
	struct page_model old = *model;
	unsigned int wrong = 0, first = WORDS, same = 1;
	struct generator g = generator_new(model);

	for (unsigned int i = 0; i < WORDS; i++) {
		uint64_t expected = generator_word(&g, i);

		same &= words[i] == words[0];
		if (words[i] == expected)
			continue;
		if (!wrong++) {
			first = i;
			fprintf(stderr, "storm: word %u is %016llx, expected %016llx\n", i,
				(unsigned long long)words[i], (unsigned long long)expected);
		}
	}
	fprintf(stderr, "storm: %u words of 512 differ, the first at byte %u\n", wrong, first * 8);
	if (same)
		fprintf(stderr, "storm: it is %s\n",
			words[0] ? "one word repeated" : "a zero page");
	for (old.tail = model->tail; old.tail-- > 0;) {
		if (page_matches(&old, words)) {
			fprintf(stderr, "storm: it is the same key with older tail %u\n", old.tail);
			break;
		}
	}
	if (!key_valid(words[0]) || words[0] == model->key)
		return;
	old = (struct page_model){.key = words[0]};
	fprintf(stderr, "storm: it starts like slot %u serial %llu%s\n",
		(unsigned int)(words[0] >> 56), (unsigned long long)(words[0] >> 16 & 0xffffffffff),
		page_matches(&old, words) ? " and is that page whole" : "");
	for (unsigned int r = 0; r < worker->region_count; r++)
		for (size_t i = 0; i < worker->regions[r].pages; i++)
			if (worker->regions[r].model[i].key == words[0])
				fprintf(stderr, "storm: which belongs to page %zu of region %p\n",
					i, (void *)worker->regions[r].base);
}

_Noreturn void page_mismatch(struct worker *worker, const struct page_model *model,
			     const void *bytes, const char *where)
{
	static uint64_t copy[WORDS];

	memcpy(copy, bytes, PAGE);
	atomic_fetch_add(&shared->mismatches, 1);
	fprintf(stderr,
		"storm: MISMATCH, pid %d, depth %u, slot %u: page at %p (%s)\n"
		"storm: expected %s, slot %u serial %llu tail %u flags %x; key %s\n",
		getpid(), worker->depth, worker->slot, bytes, where,
		kind_names[key_kind(model->key)], (unsigned int)(model->key >> 56),
		(unsigned long long)(model->key >> 16 & 0xffffffffff), model->tail, model->flags,
		!model->key || key_valid(model->key) ? "valid"
						     : "BROKEN: the model's own memory is wrong");
	print_likeness(worker, model, copy);
	usleep(100000);
	if (memcmp(copy, bytes, PAGE))
		fprintf(stderr, "storm: read again 100 ms later it is %s\n",
			page_matches(model, bytes) ? "right" : "different, and still wrong");
	print_history(worker, bytes);
	storm_fail(worker, "wrong contents");
}

void page_write(struct worker *worker, struct region *region, size_t index)
{
	struct page_model *model = &region->model[index];

	model->key = key_new(worker);
	model->tail = 0;
	model->flags &= ~(PAGE_FREED | PAGE_RAW);
	page_fill(model, region->base + index * PAGE);
}

/* Changes the last word only. */
void page_poke(struct region *region, size_t index)
{
	struct page_model *model = &region->model[index];
	uint64_t *words = (uint64_t *)(region->base + index * PAGE);

	model->tail++;
	words[WORDS - 1] = generator_new(model).last;
	if (!(model->flags & PAGE_FREED))
		return;
	/* The write settles which of the two it is. */
	model->flags &= ~PAGE_FREED;
	if (page_matches(model, words))
		return;
	words[WORDS - 1] = 0;
	model->key = 0;
	model->tail = 0;
}

void page_check(struct worker *worker, struct region *region, size_t index)
{
	struct page_model *model = &region->model[index];
	const char *bytes = region->base + index * PAGE;
	char where[64];

	if (model->flags & (PAGE_NONE | PAGE_RAW))
		return;
	if (!page_matches(model, bytes)) {
		static const struct page_model zero;

		snprintf(where, sizeof where, "page %zu of %zu of region %p", index, region->pages,
			 (void *)region->base);
		/* The kernel may drop a freed page while it is being looked at. */
		if (!(model->flags & PAGE_FREED) || !page_matches(&zero, bytes))
			page_mismatch(worker, model, bytes, where);
		model->key = 0;
		model->tail = 0;
	}
	atomic_fetch_add_explicit(&shared->pages, 1, memory_order_relaxed);
}

void pages_check(struct worker *worker, struct region *region, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		page_check(worker, region, i);
		if (!(i % 64))
			storm_beat(worker);
	}
}

void pages_check_some(struct worker *worker, struct region *region, size_t first, size_t count)
{
	for (unsigned int i = 0; i < 4; i++)
		page_check(worker, region, first + random_below(worker, count));
}

void pages_write(struct worker *worker, struct region *region, size_t first, size_t count)
{
	storm_record(worker, "write", region->base + first * PAGE, count);
	for (size_t i = first; i < first + count; i++) {
		page_write(worker, region, i);
		if (!(i % 64))
			storm_beat(worker);
	}
}

void pages_forget(struct region *region, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		region->model[i].key = 0;
		region->model[i].tail = 0;
		region->model[i].flags &= ~PAGE_FREED;
	}
}

void pages_flag(struct region *region, size_t first, size_t count, uint32_t set, uint32_t clear)
{
	for (size_t i = first; i < first + count; i++)
		region->model[i].flags = (region->model[i].flags & ~clear) | set;
}

bool pages_have(const struct region *region, size_t first, size_t count, uint32_t any)
{
	for (size_t i = first; i < first + count; i++)
		if (region->model[i].flags & any)
			return true;
	return false;
}

void worker_check_all(struct worker *worker)
{
	for (unsigned int r = 0; r < worker->region_count; r++)
		pages_check(worker, &worker->regions[r], 0, worker->regions[r].pages);
}
