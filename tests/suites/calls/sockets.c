/* SPDX-License-Identifier: MIT */
/* Description: sockets: addresses, messages, their vectors and ancillary data have left. */
#include "calls.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAGES 8

/* A message whose parts each stand on a page of their own. */
struct parts {
	char *at; /* header, vector, control, name, PAGES of data */
	struct msghdr *header;
};

#define PARTS (4 + PAGES)

static struct parts parts_new(size_t control)
{
	char *at = area(PARTS);
	struct parts p = {at, (struct msghdr *)at};
	struct iovec *v = (struct iovec *)(at + PAGE);

	for (int i = 0; i < PAGES; i++)
		v[i] = (struct iovec){at + (4 + i) * PAGE, PAGE};
	*p.header = (struct msghdr){.msg_iov = v, .msg_iovlen = PAGES};
	if (control) {
		p.header->msg_control = at + 2 * PAGE;
		p.header->msg_controllen = control;
	}
	return p;
}

static void pass_descriptor(void)
{
	struct parts out = parts_new(CMSG_SPACE(sizeof(int))), in = parts_new(256);
	struct cmsghdr *c = CMSG_FIRSTHDR(out.header);
	int ends[2], fd = file_of(1, 1), one = 1;

	expect(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair: %m");
	show(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	fill(out.at + 4 * PAGE, PAGES, 2);
	leave(out.at, PARTS);
	leave(in.at, PARTS);
	show(sendmsg(ends[0], out.header, 0));
	show(recvmsg(ends[1], in.header, MSG_CMSG_CLOEXEC));
	show_pages(in.at + 4 * PAGE, PAGES, 2);
	for (c = CMSG_FIRSTHDR(in.header); c; c = CMSG_NXTHDR(in.header, c)) {
		show(c->cmsg_type);
		if (c->cmsg_type == SCM_RIGHTS) {
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			show(lseek(fd, 0, SEEK_END));
		} else {
			struct ucred *credentials = (struct ucred *)CMSG_DATA(c);

			show(credentials->pid == getpid());
		}
	}
}

static int udp(char *at)
{
	struct sockaddr_in *name = (struct sockaddr_in *)at;
	socklen_t *length = (socklen_t *)(at + 512);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*name = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	leave(at, 1);
	show(bind(fd, (struct sockaddr *)name, sizeof(*name)));
	*length = sizeof(*name);
	leave(at, 1);
	show(getsockname(fd, (struct sockaddr *)name, length));
	show(ntohs(name->sin_port) != 0);
	return fd;
}

static void many_messages(void)
{
	struct parts out = parts_new(0), in = parts_new(0);
	char *tables = area(2), *name = area(1);
	struct mmsghdr *sent = (struct mmsghdr *)tables, *got = (struct mmsghdr *)(tables + PAGE);
	struct timespec *limit = (struct timespec *)(name + 1024);
	int to = udp(name), from = udp(area(1));

	for (int i = 0; i < 4; i++) {
		sent[i].msg_hdr = *out.header;
		sent[i].msg_hdr.msg_iovlen = 2;
		sent[i].msg_hdr.msg_iov += 2 * i;
		got[i].msg_hdr = *in.header;
		got[i].msg_hdr.msg_iovlen = 2;
		got[i].msg_hdr.msg_iov += 2 * i;
	}
	fill(out.at + 4 * PAGE, PAGES, 3);
	leave(name, 1);
	show(connect(from, (struct sockaddr *)name, sizeof(struct sockaddr_in)));
	*limit = (struct timespec){1, 0};
	leave(out.at, PARTS);
	leave(in.at, PARTS);
	leave(name, 1);
	leave(tables, 2);
	show(sendmmsg(from, sent, 4, 0));
	show(recvmmsg(to, got, 4, 0, limit));
	show_pages(in.at + 4 * PAGE, PAGES, 3);
	for (int i = 0; i < 4; i++)
		show(sent[i].msg_len + got[i].msg_len);
	leave(out.at, PARTS);
	leave(name, 1);
	show(sendto(to, out.at + 4 * PAGE, 3000, 0, (struct sockaddr *)name,
		    sizeof(struct sockaddr_in)));
	*(socklen_t *)(name + 512) = sizeof(struct sockaddr_in);
	leave(in.at, PARTS);
	leave(name, 1);
	show(recvfrom(to, in.at + 4 * PAGE, 1000, MSG_TRUNC, (struct sockaddr *)name,
		      (socklen_t *)(name + 512)));
}

static void stream(int *a, int *b)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(name);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(!bind(listening, (struct sockaddr *)&name, sizeof(name)) && !listen(listening, 1),
	       "listen: %m");
	getsockname(listening, (struct sockaddr *)&name, &length);
	*a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	show(connect(*a, (struct sockaddr *)&name, sizeof(name)));
	*b = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	close(listening);
}

/* The kernel sends from the pages themselves, later. */
static void zero_copy(void)
{
	struct parts in = parts_new(0);
	char *at = area(PAGES), *control = area(1);
	struct msghdr note = {.msg_control = control, .msg_controllen = 512};
	struct pollfd ready = {0};
	int a, b, one = 1;

	stream(&a, &b);
	show(setsockopt(a, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	fill_and_leave(at, PAGES, 4);
	show(send(a, at, PAGES * PAGE, MSG_ZEROCOPY));
	press();
	leave(in.at, PARTS);
	show(recvmsg(b, in.header, MSG_WAITALL));
	show_pages(in.at + 4 * PAGE, PAGES, 4);
	show_pages(at, PAGES, 4);
	ready.fd = a;
	show(poll(&ready, 1, 10000));
	leave(control, 1);
	show(recvmsg(a, &note, MSG_ERRQUEUE));
	close(a);
	close(b);
}

static void options(void)
{
	char *at = area(1);
	struct tcp_info *info = (struct tcp_info *)(at + 64);
	socklen_t *length = (socklen_t *)at;
	struct linger *linger = (struct linger *)(at + 1024);
	int a, b;

	stream(&a, &b);
	*length = sizeof(*info);
	leave(at, 1);
	show(getsockopt(a, IPPROTO_TCP, TCP_INFO, info, length));
	show(info->tcpi_state);
	*linger = (struct linger){1, 5};
	leave(at, 1);
	show(setsockopt(a, SOL_SOCKET, SO_LINGER, linger, sizeof(*linger)));
	memset(linger, 0, sizeof(*linger));
	*length = sizeof(*linger);
	leave(at, 1);
	show(getsockopt(a, SOL_SOCKET, SO_LINGER, linger, length));
	show(linger->l_linger);
	close(a);
	close(b);
}

int main(void)
{
	hazard_start();
	pass_descriptor();
	many_messages();
	zero_copy();
	options();
	return 0;
}
