/* SPDX-License-Identifier: MIT */
/*
 * Codecs on page dumps: ratio, and nanoseconds a page each way.
 *
 *   codec [-n PAGES] [-p] [-w] FILE...
 *
 * A FILE is a plain dump of pages of 4096 bytes. Zero and same-filled pages are
 * left out: the store never hands them to a codec. -p adds generated pages with
 * one word in four random and the others below 65536, -w runs the word codec only.
 *
 * Pages go through in batches of 64, as the pager has them: a batch is copied to
 * a buffer (an eviction has just read it from the program, it is in the cache),
 * and the codec alone is timed. All of the file is packed and unpacked, each
 * unit is compared with its origin, and that is repeated until 0.5 s have
 * passed; the best time of each batch counts, which keeps other work on the
 * machine out. Object bytes are in the cache too: when they are not, add to every
 * codec the machine's time to fetch them.
 */
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "codec/codec.h"
#include "codec/codec_word.h"

#define PAGE	  4096u
#define ROOM	  (2 * PAGE)
#define BATCH	  64u
#define ROUNDS_NS 500000000ull

struct dump {
	const char *name;
	uint8_t *pages;
	size_t count;
};

/* One way to pack `unit` pages; encode returns the length, 0 if it stays raw. */
struct method {
	const char *name;
	unsigned int unit;
	size_t (*encode)(const uint8_t *pages, uint8_t *out, enum codec_kind *kind);
	int (*decode)(const uint8_t *in, size_t length, enum codec_kind kind, uint8_t *pages);
};

struct result {
	double ratio, encode_ns, decode_ns;
	double share[4]; /* of pages, by codec_kind */
};

static struct codec *codec;
static size_t wanted = 8; /* the first so many methods */
static LZ4_stream_t lz4_stream;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static size_t encode_word(const uint8_t *page, uint8_t *out, enum codec_kind *kind)
{
	size_t length = word_best()->encode(page, out, PAGE - 1);

	*kind = length ? CODEC_WORD : CODEC_RAW;
	return length;
}

static size_t encode_portable(const uint8_t *page, uint8_t *out, enum codec_kind *kind)
{
	size_t length = word_portable.encode(page, out, PAGE - 1);

	*kind = length ? CODEC_WORD : CODEC_RAW;
	return length;
}

static int decode_portable(const uint8_t *in, size_t length,
			   enum codec_kind kind __attribute__((unused)), uint8_t *page)
{
	return word_portable.decode(in, length, page);
}

/* lz4 as a plain caller has it: LZ4_compress_default clears its table for each page. */
static size_t encode_lz4(const uint8_t *page, uint8_t *out, enum codec_kind *kind)
{
	int length = LZ4_compress_default((const char *)page, (char *)out, PAGE, PAGE - 1);

	*kind = length ? CODEC_LZ4 : CODEC_RAW;
	return (size_t)length;
}

static size_t encode_lz4_reused(const uint8_t *page, uint8_t *out, enum codec_kind *kind)
{
	int length;

	LZ4_resetStream_fast(&lz4_stream);
	length = LZ4_compress_fast_continue(&lz4_stream, (const char *)page, (char *)out, PAGE,
					    PAGE - 1, 1);
	*kind = length ? CODEC_LZ4 : CODEC_RAW;
	return (size_t)length;
}

static size_t encode_mixture(const uint8_t *page, uint8_t *out, enum codec_kind *kind)
{
	return codec_encode_page(codec, page, out, ROOM, kind);
}

static size_t encode_zstd(const uint8_t *pages, unsigned int unit, uint8_t *out,
			  enum codec_kind *kind)
{
	size_t length = codec_encode_run(codec, pages, unit, out, (size_t)unit * PAGE);

	*kind = length ? CODEC_ZSTD : CODEC_RAW;
	return length;
}

static size_t encode_zstd1(const uint8_t *pages, uint8_t *out, enum codec_kind *kind)
{
	return encode_zstd(pages, 1, out, kind);
}

static size_t encode_zstd4(const uint8_t *pages, uint8_t *out, enum codec_kind *kind)
{
	return encode_zstd(pages, 4, out, kind);
}

static size_t encode_zstd16(const uint8_t *pages, uint8_t *out, enum codec_kind *kind)
{
	return encode_zstd(pages, 16, out, kind);
}

static int decode_one(const uint8_t *in, size_t length, enum codec_kind kind, uint8_t *page)
{
	return codec_decode(codec, kind, in, length, 1, -1, page);
}

static int decode_zstd4(const uint8_t *in, size_t length, enum codec_kind kind, uint8_t *pages)
{
	return codec_decode(codec, kind, in, length, 4, -1, pages);
}

static int decode_zstd16(const uint8_t *in, size_t length, enum codec_kind kind, uint8_t *pages)
{
	return codec_decode(codec, kind, in, length, 16, -1, pages);
}

static const struct method methods[] = {
	{"word", 1, encode_word, decode_one},
	{"word, plain C", 1, encode_portable, decode_portable},
	{"lz4", 1, encode_lz4, decode_one},
	{"lz4, reused state", 1, encode_lz4_reused, decode_one},
	{"mixture", 1, encode_mixture, decode_one},
	{"zstd -1, 4 KiB", 1, encode_zstd1, decode_one},
	{"zstd -1, 16 KiB", 4, encode_zstd4, decode_zstd4},
	{"zstd -1, 64 KiB", 16, encode_zstd16, decode_zstd16},
};

/* The packed units of one batch. */
struct batch {
	uint8_t *bytes;
	size_t length[BATCH];
	enum codec_kind kind[BATCH];
};

static uint64_t encode_batch(const struct method *method, const uint8_t *pages, size_t units,
			     struct batch *batch)
{
	size_t bytes = (size_t)method->unit * PAGE;
	uint64_t start = now();

	for (size_t i = 0; i < units; i++)
		batch->length[i] = method->encode(
			pages + i * bytes, batch->bytes + i * (bytes + PAGE), &batch->kind[i]);
	return now() - start;
}

static uint64_t decode_batch(const struct method *method, const struct batch *batch, size_t units,
			     const uint8_t *raw, uint8_t *pages)
{
	size_t bytes = (size_t)method->unit * PAGE;
	uint64_t start = now();

	for (size_t i = 0; i < units; i++) {
		const uint8_t *in = batch->bytes + i * (bytes + PAGE);

		if (!batch->length[i])
			memcpy(pages + i * bytes, raw + i * bytes, bytes);
		else if (method->decode(in, batch->length[i], batch->kind[i], pages + i * bytes)) {
			fprintf(stderr, "codec: %s refuses what it packed\n", method->name);
			exit(1);
		}
	}
	return now() - start;
}

/* Adds the batch's sizes to the result. */
static double account(const struct method *method, const struct batch *batch, size_t units,
		      struct result *result)
{
	double stored = 0;

	for (size_t i = 0; i < units; i++) {
		stored += (double)(batch->length[i] ? batch->length[i] : method->unit * PAGE);
		result->share[batch->length[i] ? batch->kind[i] : CODEC_RAW] += method->unit;
	}
	return stored;
}

static struct result measure(const struct method *method, const struct dump *dump)
{
	static uint8_t pages[BATCH * PAGE], back[BATCH * PAGE], packed[2 * BATCH * PAGE];
	size_t units = BATCH / method->unit, batches = dump->count / BATCH;
	uint64_t *encode = calloc(batches, sizeof(*encode)),
		 *decode = calloc(batches, sizeof(*decode));
	uint64_t end = now() + ROUNDS_NS;
	struct batch batch = {.bytes = packed};
	struct result result = {0};
	double stored = 0;

	if (!encode || !decode) {
		fprintf(stderr, "codec: no memory\n");
		exit(1);
	}
	for (unsigned int round = 0; round < 3 || now() < end; round++) {
		for (size_t i = 0; i < batches; i++) {
			uint64_t time;

			memcpy(pages, dump->pages + i * sizeof(pages), sizeof(pages));
			time = encode_batch(method, pages, units, &batch);
			encode[i] = round && encode[i] < time ? encode[i] : time;
			if (!round) {
				stored += account(method, &batch, units, &result);
				memset(back, 0xa5, sizeof(back));
			}
			time = decode_batch(method, &batch, units, pages, back);
			decode[i] = round && decode[i] < time ? decode[i] : time;
			if (!round && memcmp(back, pages, sizeof(back))) {
				fprintf(stderr, "codec: %s does not bring back batch %zu of %s\n",
					method->name, i, dump->name);
				exit(1);
			}
		}
	}
	for (size_t i = 0; i < batches; i++) {
		result.encode_ns += (double)encode[i] / (double)(batches * BATCH);
		result.decode_ns += (double)decode[i] / (double)(batches * BATCH);
	}
	for (unsigned int kind = 0; kind < 4; kind++)
		result.share[kind] /= (double)(batches * BATCH);
	result.ratio = (double)(batches * BATCH * PAGE) / stored;
	free(encode);
	free(decode);
	return result;
}

static void report(const struct dump *dump)
{
	printf("%s: %zu pages\n| codec | ratio | encode | decode | pages raw / word / lz4 |\n"
	       "|---|---|---|---|---|\n",
	       dump->name, dump->count);
	for (size_t i = 0; i < wanted && dump->count >= BATCH; i++) {
		struct result r = measure(&methods[i], dump);

		printf("| %s | %.2f | %.0f | %.0f | ", methods[i].name, r.ratio, r.encode_ns,
		       r.decode_ns);
		printf("%.0f %% / %.0f %% / %.0f %% |\n", 100 * r.share[CODEC_RAW],
		       100 * r.share[CODEC_WORD], 100 * r.share[CODEC_LZ4]);
		fflush(stdout);
	}
	printf("\n");
}

static bool load(struct dump *dump, const char *path, size_t most)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	uint64_t word;

	if (file < 0 || fstat(file, &status)) {
		fprintf(stderr, "codec: cannot read %s: %s\n", path, strerror(errno));
		if (file >= 0)
			close(file);
		return false;
	}
	*dump = (struct dump){.name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
	dump->pages = malloc((size_t)status.st_size + PAGE);
	while (dump->pages && dump->count < most &&
	       read(file, dump->pages + dump->count * PAGE, PAGE) == PAGE)
		dump->count += !page_is_same(dump->pages + dump->count * PAGE, &word);
	close(file);
	if (!dump->count)
		fprintf(stderr, "codec: %s holds no page that a codec would see\n", path);
	return dump->count > 0;
}

static void generate(struct dump *dump, size_t count)
{
	uint64_t random = 0x2545f4914f6cdd1dull;

	*dump = (struct dump){"one word in four random", malloc(count * PAGE), count};
	for (size_t i = 0; dump->pages && i < count * PAGE / 8; i++) {
		uint64_t word;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		word = i % 4 ? random & 0xffff : random;
		memcpy(dump->pages + i * 8, &word, 8);
	}
	dump->count = dump->pages ? count : 0;
}

static void measure_same(void)
{
	static uint8_t page[PAGE];
	uint64_t start = now(), word, found = 0;

	for (unsigned int i = 0; i < 1000000; i++) {
		__asm__ volatile("" : : "r"(page) : "memory");
		found += page_is_same(page, &word);
	}
	printf("page_is_same of a zero page: %.0f ns\n\n", (double)(now() - start) / (double)found);
}

int main(int argc, char **argv)
{
	size_t most = 1u << 20;
	bool pattern = false;
	struct dump dump;
	int option, failed = 0;

	while ((option = getopt(argc, argv, "n:pw")) != -1) {
		if (option == 'n')
			most = strtoull(optarg, NULL, 10);
		else if (option == 'p')
			pattern = true;
		else if (option == 'w')
			wanted = 2;
		else
			most = 0;
	}
	if (!most || (optind == argc && !pattern)) {
		fprintf(stderr, "usage: codec [-n PAGES] [-p] [-w] FILE...\n");
		return 2;
	}
	codec = codec_new();
	if (!codec) {
		fprintf(stderr, "codec: no memory\n");
		return 1;
	}
	LZ4_initStream(&lz4_stream, sizeof(lz4_stream));
	measure_same();
	if (pattern) {
		generate(&dump, 4096);
		report(&dump);
		free(dump.pages);
	}
	for (; optind < argc; optind++) {
		if (load(&dump, argv[optind], most))
			report(&dump);
		else
			failed = 1;
		free(dump.pages);
	}
	codec_free(codec);
	return failed;
}
