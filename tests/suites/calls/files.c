/* SPDX-License-Identifier: MIT */
/* Description: names, attributes, directories, locks and ioctls; all that is passed has left. */
#include "calls.h"
#include <linux/fs.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

/* Two pages: what goes in, what comes out. */
static char *in, *out;

static void *text(const char *value)
{
	strcpy(in, value);
	leave(in, 2);
	return in;
}

static void names(void)
{
	struct stat *st = (struct stat *)out;

	show(mkdir(text("folder"), 0700));
	show(symlink("folder", text("link")));
	show(stat(text("link"), st));
	show(S_ISDIR(st->st_mode));
	show(syscall(SYS_statx, AT_FDCWD, text("folder"), 0, STATX_BASIC_STATS, out));
	show(S_ISDIR(((struct statx *)out)->stx_mode));
	show(readlink(text("link"), out, PAGE));
	show_text(__func__, "the link", out);
	show(syscall(SYS_getcwd, (leave(in, 2), out), PAGE) > 0);
	show(rename(text("link"), "link2"));
	show(access(text("link"), F_OK));
	show(statfs(text("."), (struct statfs *)out));
	show(chmod(text("folder"), 0500));
	show(unlink(text("link2")));
	show(rmdir(text("folder")));
	show(open(text("no/such/name"), O_RDONLY));
	show(utimensat(AT_FDCWD, text("no"), NULL, 0));
}

static void entries(void)
{
	int fd = open("/proc/self/ns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	leave(in, 2);
	show(syscall(SYS_getdents64, fd, out, PAGE) > 0);
	show_text(__func__, "the second name", out + *(unsigned short *)(out + 16) + 19);
	close(fd);
}

static void attributes(void)
{
	int fd = file_of(1, 1);

	strcpy(in + 512, "value of it");
	show(fsetxattr(fd, text("user.calls"), in + 512, 12, 0));
	show(fgetxattr(fd, text("user.calls"), out, PAGE));
	show_text(__func__, "the value", out);
	leave(in, 2);
	show(flistxattr(fd, out, PAGE) > 0);
	close(fd);
}

static void controls(void)
{
	struct flock *lock = (struct flock *)in;
	int fd = file_of(3, 1), ends[2];

	*lock = (struct flock){.l_type = F_WRLCK, .l_len = 100};
	leave(in, 2);
	show(fcntl(fd, F_SETLK, lock));
	*lock = (struct flock){.l_type = F_WRLCK, .l_len = 100};
	leave(in, 2);
	show(fcntl(fd, F_OFD_GETLK, lock));
	show(lock->l_type);
	expect(!pipe2(ends, O_CLOEXEC), "pipe: %m");
	expect(write(ends[1], "12345", 5) == 5, "write: %m");
	leave(in, 2);
	show(ioctl(ends[0], FIONREAD, out));
	show(*(int *)out);
	leave(in, 2);
	show(ioctl(fd, FS_IOC_GETFLAGS, out) <= 0);
	close(fd);
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	*(struct winsize *)in = (struct winsize){.ws_row = 12, .ws_col = 34};
	leave(in, 2);
	show(ioctl(fd, TIOCSWINSZ, in));
	leave(in, 2);
	show(ioctl(fd, TIOCGWINSZ, out));
	show(((struct winsize *)out)->ws_col);
	close(fd);
}

static void watches(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	show(inotify_add_watch(fd, text("."), IN_CREATE));
	show(mkdir(text("watched"), 0700));
	leave(in, 2);
	show(read(fd, out, PAGE));
	show_text(__func__, "what came", ((struct inotify_event *)out)->name);
	show(rmdir(text("watched")));
	close(fd);
}

static void figures(void)
{
	leave(in, 2);
	show(uname((struct utsname *)out));
	show_text(__func__, "the system", ((struct utsname *)out)->sysname);
	leave(in, 2);
	show(sysinfo((struct sysinfo *)out));
	leave(in, 2);
	show(times((struct tms *)out) != -1);
	leave(in, 2);
	show(getrusage(RUSAGE_SELF, (struct rusage *)out));
	leave(in, 2);
	show(getrandom(out, 256, 0));
	memset(out, 0, PAGE);
	leave(in, 2);
	show(getrandom(out, PAGE, 0) + getrandom(in, 100, GRND_NONBLOCK));
	show(!page_is_zero(out));
	leave(in, 2);
	show(getgroups(PAGE / 4, (gid_t *)out) >= 0);
	show(syscall(SYS_getresuid, out, out + 64, out + 128));
}

int main(void)
{
	hazard_start();
	in = area(2);
	out = in + PAGE;
	names();
	entries();
	attributes();
	controls();
	watches();
	figures();
	return 0;
}
