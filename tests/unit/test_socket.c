/* SPDX-License-Identifier: MIT */
/* Description: clients of the control socket whose answers take long, or must wait for another's.
 */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/socket.h"

struct fixture {
	struct control *control;
	char folder[32];
	bool put_off;			   /* answers are, but to reports */
	void (*during)(struct fixture *f); /* of the answer to a thaw */
	char order[16];			   /* the kinds answered; t, T: a thaw begins, ends */
	int client;			   /* who asks first */
	struct client *asking;		   /* the same, as it is known here */
	int others[CONTROL_CLIENTS];
};

static void note(struct fixture *f, char what)
{
	size_t length = strlen(f->order);

	assert_in_range(length, 0, sizeof(f->order) - 2);
	f->order[length] = what;
}

static bool answer(void *argument, struct client *client, const struct request *request)
{
	struct fixture *f = argument;
	struct json_object *object = json_object_new_object();
	bool long_work = request->kind == REQUEST_THAW;

	if (f->put_off && request->kind != REQUEST_REPORT) {
		json_object_put(object);
		return false;
	}
	note(f, long_work ? 't' : 'r');
	if (long_work)
		f->asking = client;
	if (long_work && f->during)
		f->during(f);
	if (long_work)
		note(f, 'T');
	json_object_object_add(object, "ok", json_object_new_string(long_work ? "thaw" : "other"));
	client_send(client, object);
	return true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char message[MESSAGE_BYTES];

	snprintf(f->folder, sizeof(f->folder), "/tmp/vswap-test.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	setenv("XDG_RUNTIME_DIR", f->folder, 1);
	assert_int_equal(control_open(&f->control, getpid(), answer, f, message), 0);
	f->client = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[64];

	control_close(f->control);
	if (f->client >= 0)
		close(f->client);
	snprintf(path, sizeof(path), "%s/vswap", f->folder);
	assert_false(rmdir(path));
	assert_false(rmdir(f->folder));
	free(f);
	return 0;
}

/* Who has come is taken in, and what was sent is read. */
static void turn(struct fixture *f)
{
	struct pollfd polls[CONTROL_POLLS];

	for (int i = 0; i < 2; i++) {
		unsigned int count = control_polls(f->control, polls);

		if (poll(polls, count, 0) > 0)
			control_serve(f->control, polls, count);
	}
}

static int ask(struct fixture *f, const char *lines)
{
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char path[64];
	int folder;

	snprintf(path, sizeof(path), "%s/vswap", f->folder);
	folder = control_open_folder(path, geteuid());
	assert_true(folder >= 0);
	struct sockaddr_un address = control_address(folder, getpid());

	assert_false(connect(client, (struct sockaddr *)&address, sizeof(address)));
	close(folder);
	assert_int_equal(write(client, lines, strlen(lines)), strlen(lines));
	return client;
}

static void expect_answer(int client, const char *what)
{
	char text[64] = "";

	assert_true(recv(client, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, what));
}

static void expect_nothing(int client)
{
	char byte;

	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

#define THAW   "{\"request\":\"thaw\"}\n"
#define REPORT "{\"request\":\"report\"}\n"

/* A thaw that was put off; others are answered meanwhile. */
static void put_off(struct fixture *f)
{
	int other;

	f->put_off = true;
	f->client = ask(f, THAW);
	turn(f);
	other = ask(f, REPORT);
	turn(f);
	control_resume(f->control);
	expect_answer(other, "other");
	expect_nothing(f->client);
	close(other);
	f->put_off = false;
}

static void test_put_off(void **state)
{
	struct fixture *f = *state;

	put_off(f);
	turn(f);
	expect_nothing(f->client);
	control_resume(f->control);
	expect_answer(f->client, "thaw");
	control_resume(f->control);
	assert_string_equal(f->order, "rtT");
}

/* What its user was told has not been done is not done. */
static void test_gone(void **state)
{
	struct fixture *f = *state;

	put_off(f);
	close(f->client);
	f->client = -1;
	control_resume(f->control);
	assert_string_equal(f->order, "r");
}

static void test_half_closed(void **state)
{
	struct fixture *f = *state;

	put_off(f);
	assert_false(shutdown(f->client, SHUT_WR));
	control_resume(f->control);
	expect_answer(f->client, "thaw");
}

static void others_come(struct fixture *f)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		f->others[i] = ask(f, "{");
		control_serve_others(f->control);
		control_serve_others(f->control);
	}
}

static void others_go(struct fixture *f)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		close(f->others[i]);
}

static void test_place_is_kept(void **state)
{
	struct fixture *f = *state;

	put_off(f);
	others_come(f);
	control_resume(f->control);
	expect_answer(f->client, "thaw");
	others_go(f);
}

/* Where all wait, somebody must go. */
static void test_all_wait(void **state)
{
	struct fixture *f = *state;
	int last;

	f->put_off = true;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		f->others[i] = ask(f, THAW);
		turn(f);
	}
	last = ask(f, REPORT);
	turn(f);
	expect_answer(last, "other");
	close(last);
	others_go(f);
}

/* Who waits raises no poll, and what it has sent behind its request waits, too. */
static void test_waits_in_order(void **state)
{
	struct fixture *f = *state;
	struct pollfd polls[CONTROL_POLLS];

	f->put_off = true;
	f->client = ask(f, THAW REPORT);
	turn(f);
	assert_int_equal(write(f->client, REPORT, strlen(REPORT)), strlen(REPORT));
	assert_int_equal(poll(polls, control_polls(f->control, polls), 0), 0);
	f->put_off = false;
	control_resume(f->control);
	turn(f);
	assert_string_equal(f->order, "tTrr");
}

static void sends_more(struct fixture *f)
{
	int other = ask(f, REPORT);

	assert_int_equal(write(f->client, REPORT, strlen(REPORT)), strlen(REPORT));
	control_serve_others(f->control);
	control_serve_others(f->control);
	expect_answer(other, "other");
	close(other);
}

static void test_answers_in_order(void **state)
{
	struct fixture *f = *state;

	f->during = sends_more;
	f->client = ask(f, THAW);
	turn(f);
	turn(f);
	assert_string_equal(f->order, "trTr");
}

static void test_crowd_meanwhile(void **state)
{
	struct fixture *f = *state;

	f->during = others_come;
	f->client = ask(f, THAW);
	turn(f);
	expect_answer(f->client, "thaw");
	others_go(f);
}

static void leave_to_others(struct fixture *f)
{
	close(f->client);
	f->client = -1;
	client_progress(f->asking, 1, 2); /* finds that it has gone */
	others_come(f);
}

/* Its answer is nobody's. */
static void test_leaves_meanwhile(void **state)
{
	struct fixture *f = *state;
	char byte;

	f->during = leave_to_others;
	f->client = ask(f, THAW);
	turn(f);
	/* One of them has had to go, for there was a place less. */
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		assert_true(recv(f->others[i], &byte, 1, 0) <= 0);
	others_go(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crowd_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
