/* SPDX-License-Identifier: MIT */
/* Description: the file backend: every kind of path, what is refused and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend_fixture.h"

static void test_new_file_is_unlinked(void **state)
{
	struct backend *backend = open_good(in_folder("new"), 16ull << 20);

	assert_int_equal(access(in_folder("new"), F_OK), -1);
	round_trip(backend);
	backend_close(backend);
	assert_int_equal(access(in_folder("new"), F_OK), -1);
}

static void refuses(const char *path, uint64_t size, int error, const char *part)
{
	struct backend *backend;

	assert_int_equal(open_spec(path, size, &backend), error);
	assert_null(backend);
	if (!strstr(message, part) || !strstr(message, path))
		fail_msg("the message \"%s\" does not name \"%s\" and %s", message, part, path);
}

static void test_users_files(void **state)
{
	const char *path = in_folder("mine");
	struct backend *backend;
	struct stat status;

	make_file(path, "precious");
	refuses(path, 0, -EEXIST, "remove it");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 8);

	make_file(path, "");
	backend = open_good(path, 16ull << 20);
	refuses(path, 0, -EBUSY, "in use");
	round_trip(backend);
	backend_close(backend);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 0);
	unlink(path);
}

/* Who else can open it could read what is in it, and write there. */
static void test_files_of_others(void **state)
{
	char path[128], other[128];
	struct backend *backend;

	strcpy(path, in_folder("shared"));
	strcpy(other, in_folder("other"));
	make_file(path, "");
	for (int shift = 0; shift < 6; shift++) {
		assert_int_equal(chmod(path, 0600 | 1u << shift), 0);
		refuses(path, 0, -EPERM, "chmod 600");
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(link(path, other), 0);
	refuses(path, 0, -EPERM, "names");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink(path, other), 0);
	refuses(other, 0, -ELOOP, path);
	unlink(other);
	if (!geteuid()) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		refuses(path, 0, -EPERM, "another user");
		assert_int_equal(chown(path, 0, 0), 0);
	}
	/* None of that has changed it. */
	backend = open_good(path, 16ull << 20);
	backend_close(backend);
	unlink(path);
	/* A folder's file is new and has no name, wherever the folder is. */
	assert_int_equal(symlink(folder, other), 0);
	backend = open_good(other, 16ull << 20);
	backend_close(backend);
	unlink(other);
}

static void test_bad_paths(void **state)
{
	char fifo[128];

	refuses("/nonexistent/folder/file", 0, -ENOENT, "folder first");
	refuses("/dev/null", 0, -EINVAL, "block device");
	strcpy(fifo, in_folder("fifo"));
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuses(fifo, 0, -EINVAL, "block device");
	unlink(fifo);
	refuses(folder, 4096, -EINVAL, "1 MiB");
	if (geteuid())
		refuses("/root-owned-file", 0, -EACCES, "right");
}

/* tmpfs has no disk behind it: it works, and the user hears of it. */
static void test_tmpfs(void **state)
{
	struct backend *backend;

	if (access("/dev/shm", W_OK))
		skip();
	backend = open_good("/dev/shm", 16ull << 20);
	assert_non_null(strstr(message, "RAM"));
	round_trip(backend);
	backend_close(backend);
}

static void test_unknown_kind(void **state)
{
	struct backend_spec spec = {.kind = "tape"};
	struct backend *backend;

	assert_int_equal(backend_open(&spec, &backend, message), -EINVAL);
	assert_non_null(strstr(message, "tape"));
	assert_non_null(strstr(message, "file:PATH"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_file_is_unlinked),
		cmocka_unit_test(test_users_files),
		cmocka_unit_test(test_files_of_others),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_unknown_kind),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
