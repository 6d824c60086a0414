// SPDX-License-Identifier: MIT
/*
 * Description: between the reading of pages from several segments and their new object, one of
 * these segments dies and its number is used again, at the same places with the same lengths: the
 * words of those pages are what they were, and their bytes are not. The same where a segment does
 * not die but is filled in place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "codec/codec.h"
#include "store/private.h"
#include "store_fixture.h"

#define GROUP 16u

static struct fixture *fixture;
static unsigned int encoded;

size_t __real_codec_encode_run(struct codec *codec, const void *pages, unsigned int count,
			       void *out, size_t room);
size_t __wrap_codec_encode_run(struct codec *codec, const void *pages, unsigned int count,
			       void *out, size_t room);

/* Every other page of the group, into a segment of their own. */
static void put_half(struct fixture *f, unsigned int first, uint64_t number)
{
	for (unsigned int i = first; i < GROUP; i += 2)
		put(f, i, number);
	seal(f);
}

/* The pages have been read and lie there for the strong codec. */
size_t __wrap_codec_encode_run(struct codec *codec, const void *pages, unsigned int count,
			       void *out, size_t room)
{
	if (!encoded++) {
		struct holes *holes = &fixture->store->holes;

		/* Where these were is looked at first. */
		holes->hand = desc_segment(word_of(fixture, 1));
		holes->debt = SEGMENT_BYTES;
		holes->rest = 0;
		for (unsigned int i = 1; i < GROUP; i += 2)
			clear(fixture, i, 1);
		put_half(fixture, 1, RANDOM + 8);
	}
	return __real_codec_encode_run(codec, pages, count, out, room);
}

static void test_reused_number(void **state)
{
	struct fixture *f = fixture = *state;

	put_half(f, 0, RANDOM);
	put_half(f, 1, RANDOM);
	encoded = 0;
	/* The older one is emptied, and its pages take their neighbours with them. */
	store_clean(f->store, f->cleaner, true);
	assert_true(encoded > 0);
	for (unsigned int i = 0; i < GROUP; i++)
		expect(f, i, i % 2 ? RANDOM + 8 : RANDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reused_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reused_number, setup_in_place, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
