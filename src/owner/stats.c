/* SPDX-License-Identifier: MIT */
#include "owner/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/message.h"

/* What mkstemp makes is 0600; a file of figures should be as open as any other the user makes. */
static void usual_mode(int descriptor)
{
	mode_t mask = umask(0);

	umask(mask);
	(void)!fchmod(descriptor, 0666 & ~mask);
}

static int open_beside(struct stats_file *file)
{
	int descriptor;

	if (asprintf(&file->temporary, "%s.XXXXXX", file->path) < 0) {
		file->temporary = NULL;
		return -ENOMEM;
	}
	descriptor = mkostemp(file->temporary, O_CLOEXEC);
	if (descriptor < 0) {
		descriptor = -errno;
		free(file->temporary);
		file->temporary = NULL;
		return descriptor;
	}
	usual_mode(descriptor);
	return descriptor;
}

int stats_open(struct stats_file *file, const char *path, char *message)
{
	struct stat status;
	int descriptor;

	*file = (struct stats_file){.path = path};
	if (!path)
		return 0;
	if (stat(path, &status))
		descriptor = errno == ENOENT ? open_beside(file) : -errno;
	else if (S_ISDIR(status.st_mode))
		descriptor = -EISDIR;
	else if (S_ISREG(status.st_mode))
		descriptor = access(path, W_OK) ? -errno : open_beside(file);
	else
		descriptor = open(path, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return explain(
			message, descriptor,
			"cannot write %s: %s; give --stats a file in a folder that you may write "
			"to",
			path, strerror(-descriptor));
	file->stream = fdopen(descriptor, "w");
	if (!file->stream) {
		close(descriptor);
		stats_abandon(file);
		return explain(message, -ENOMEM, "out of memory");
	}
	return 0;
}

int stats_commit(struct stats_file *file, const struct report *report)
{
	int result;

	if (!file->stream)
		return 0;
	result = report_json(report, file->stream);
	if (fclose(file->stream) && !result)
		result = -errno;
	file->stream = NULL;
	if (!result && file->temporary && rename(file->temporary, file->path))
		result = -errno;
	if (!result) {
		free(file->temporary);
		file->temporary = NULL;
	}
	stats_abandon(file);
	return result;
}

void stats_abandon(struct stats_file *file)
{
	if (file->stream)
		fclose(file->stream);
	if (file->temporary) {
		unlink(file->temporary);
		free(file->temporary);
	}
	file->stream = NULL;
	file->temporary = NULL;
}
