/* SPDX-License-Identifier: MIT */
/*
 * Description: threads are created and joined in a loop, with default stacks and with stacks of
 * the program's own, while memory is short. The kernel clears a thread's tid word when it exits and
 * serves no userfault then: were the page of its control block swapped, pthread_join
 * would wait for ever.
 */
#include "hazard.h"

#define ROUNDS	    60
#define STACK_PAGES 24

static void *sleeper(void *argument)
{
	pause_ms((long)(intptr_t)argument);
	return argument;
}

int main(void)
{
	char *stacks = anonymous(8 * STACK_PAGES);

	hazard_start();
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t threads[8];

		for (intptr_t i = 0; i < 8; i++) {
			pthread_attr_t attributes;

			pthread_attr_init(&attributes);
			if (i % 2)
				pthread_attr_setstack(&attributes, stacks + i * STACK_PAGES * PAGE,
						      STACK_PAGES * PAGE);
			expect(!pthread_create(&threads[i], &attributes, sleeper, (void *)(i * 10)),
			       "pthread_create");
			pthread_attr_destroy(&attributes);
		}
		press();
		for (intptr_t i = 0; i < 8; i++) {
			void *result;

			expect(!pthread_join(threads[i], &result), "pthread_join");
			expect(result == (void *)(i * 10), "a thread's result is wrong");
		}
	}
	return 0;
}
