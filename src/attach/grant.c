/* SPDX-License-Identifier: MIT */
#include "attach/grant.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "attach/borrow.h"
#include "attach/remote.h"
#include "base/kernel.h"

/* Laid out in the program's scratch page, for its recvmsg. */
struct parcel {
	struct msghdr header;
	struct iovec bytes;
	char byte;
	uint64_t control[CMSG_SPACE(sizeof(int)) / sizeof(uint64_t)]; /* aligned for a cmsghdr */
	int ends[2];
};

int take_descriptor(const struct trace *trace, const struct target *target, int number)
{
	int got = (int)syscall(SYS_pidfd_getfd, target->pidfd, number, 0);
	int thread;

	if (got >= 0)
		return got;
	/* The process's pidfd does not do when its first thread has ended; a thread's own does. */
	thread = (int)syscall(SYS_pidfd_open, trace->borrowed, PIDFD_THREAD);
	if (thread < 0)
		return -errno;
	got = (int)syscall(SYS_pidfd_getfd, thread, number, 0);
	if (got < 0)
		got = -errno;
	close(thread);
	return got;
}

static int send_descriptor(int socket, int descriptor)
{
	struct parcel parcel = {.byte = 0};
	struct cmsghdr *control;

	parcel.bytes = (struct iovec){&parcel.byte, 1};
	parcel.header = (struct msghdr){
		.msg_iov = &parcel.bytes,
		.msg_iovlen = 1,
		.msg_control = parcel.control,
		.msg_controllen = sizeof(parcel.control),
	};
	control = CMSG_FIRSTHDR(&parcel.header);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &descriptor, sizeof(int));
	return sendmsg(socket, &parcel.header, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Has the program receive it; its number there or -errno. */
static int receive_there(struct trace *trace, int socket, uint64_t scratch)
{
	struct parcel parcel = {.byte = 0};
	struct cmsghdr *control = (void *)parcel.control;
	int descriptor = -EIO, error;
	long got;

	parcel.bytes.iov_base = (void *)(scratch + offsetof(struct parcel, byte));
	parcel.bytes.iov_len = 1;
	parcel.header.msg_iov = (void *)(scratch + offsetof(struct parcel, bytes));
	parcel.header.msg_iovlen = 1;
	parcel.header.msg_control = (void *)(scratch + offsetof(struct parcel, control));
	parcel.header.msg_controllen = sizeof(parcel.control);
	error = remote_write(trace->borrowed, scratch, &parcel, sizeof(parcel));
	if (error)
		return error;
	got = trace_call(trace, SYS_recvmsg, (uint64_t)socket,
			 scratch + offsetof(struct parcel, header),
			 MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return (int)got;
	error = remote_read(trace->borrowed, scratch, &parcel, sizeof(parcel));
	if (error)
		return error;
	if (control->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&descriptor, CMSG_DATA(control), sizeof(int));
	return descriptor;
}

static int pass(struct trace *trace, const struct target *target, const int ends[2], int descriptor,
		uint64_t scratch)
{
	int mine = take_descriptor(trace, target, ends[0]), error;

	if (mine < 0)
		return mine;
	error = send_descriptor(mine, descriptor);
	close(mine);
	return error ? error : receive_there(trace, ends[1], scratch);
}

int give_descriptor(struct trace *trace, const struct target *target, int descriptor,
		    uint64_t scratch)
{
	const uint64_t pair = scratch + offsetof(struct parcel, ends);
	int ends[2], got;
	long error = trace_call(trace, SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);

	if (error)
		return (int)error;
	error = remote_read(trace->borrowed, pair, ends, sizeof(ends));
	if (error)
		return (int)error;
	got = pass(trace, target, ends, descriptor, scratch);
	for (int i = 0; i < 2; i++)
		trace_call(trace, SYS_close, (uint64_t)ends[i]);
	return got;
}

int grant_userfault(struct trace *trace, const struct target *target, uint64_t scratch)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), there;
	long got;

	if (device < 0)
		return -EPERM;
	there = give_descriptor(trace, target, device, scratch);
	close(device);
	if (there < 0)
		return there;
	got = trace_call(trace, SYS_ioctl, (uint64_t)there, USERFAULTFD_IOC_NEW,
			 O_CLOEXEC | O_NONBLOCK);
	trace_call(trace, SYS_close, (uint64_t)there);
	return (int)got;
}
