/* SPDX-License-Identifier: MIT */
/* Description: System V and POSIX communication; messages, operations and states have left. */
#include "calls.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static char *in, *out; /* two pages each */

static void cold(void)
{
	leave(in, 4);
}

static void messages(void)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	if (id < 0) {
		show(id);
		return;
	}
	fill(in, 2, 1);
	*(long *)in = 3;
	cold();
	show(msgsnd(id, in, 5000, IPC_NOWAIT));
	cold();
	show(msgrcv(id, out, 2 * PAGE, 3, IPC_NOWAIT));
	show(*(long *)out);
	show(memcmp(in + 8, out + 8, 5000));
	cold();
	show(msgctl(id, IPC_STAT, (struct msqid_ds *)out));
	show(msgctl(id, IPC_RMID, NULL));
}

static void semaphores(void)
{
	int id = semget(IPC_PRIVATE, 4, IPC_CREAT | 0600);
	unsigned short *values = (unsigned short *)in;
	struct sembuf *operations = (struct sembuf *)(in + 512);
	struct timespec *limit = (struct timespec *)(in + PAGE);

	if (id < 0) {
		show(id);
		return;
	}
	for (int i = 0; i < 4; i++)
		values[i] = 5 + i;
	cold();
	show(semctl(id, 0, SETALL, values));
	for (int i = 0; i < 4; i++)
		operations[i] = (struct sembuf){i, -2, IPC_NOWAIT};
	cold();
	show(semop(id, operations, 4));
	cold();
	show(semctl(id, 0, GETALL, (unsigned short *)out));
	show(((unsigned short *)out)[3]);
	operations[0] = (struct sembuf){0, -100, 0};
	*limit = (struct timespec){0, 20000000};
	cold();
	show(semtimedop(id, operations, 1, limit));
	cold();
	show(semctl(id, 0, IPC_STAT, (struct semid_ds *)out));
	show(semctl(id, 0, IPC_RMID, 0));
}

static void segments(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	char *at;

	if (id < 0) {
		show(id);
		return;
	}
	at = shmat(id, NULL, 0);
	show(shmctl(id, IPC_RMID, NULL));
	fill(at, 2, 2);
	memcpy(in, at, 2 * PAGE);
	cold();
	show(shmctl(id, IPC_STAT, (struct shmid_ds *)out));
	show(((struct shmid_ds *)out)->shm_segsz);
	show(memcmp(in, at, 2 * PAGE));
	show(shmdt(at));
}

static void queues(void)
{
	struct mq_attr *attributes = (struct mq_attr *)(out + PAGE);
	unsigned int *priority = (unsigned int *)(out + PAGE + 512);
	mqd_t queue;

	snprintf(in + PAGE, 64, "/calls-%d", getpid());
	*attributes = (struct mq_attr){.mq_maxmsg = 4, .mq_msgsize = 2048};
	cold();
	queue = mq_open(in + PAGE, O_CREAT | O_RDWR | O_CLOEXEC | O_NONBLOCK, 0600, attributes);
	if (queue < 0) {
		show(queue);
		return;
	}
	cold();
	show(mq_unlink(in + PAGE));
	fill(in, 1, 4);
	cold();
	show(mq_send(queue, in, 2000, 6));
	cold();
	show(mq_getattr(queue, attributes));
	show(attributes->mq_curmsgs);
	cold();
	show(mq_receive(queue, out, 2048, priority));
	show(*priority);
	show(memcmp(in, out, 2000));
	mq_close(queue);
}

static void memory_files(void)
{
	int fd;

	strcpy(in, "name of a file");
	cold();
	fd = syscall(SYS_memfd_create, in, 3u /* sealing, close at exec */);
	fill(in, 2, 5);
	cold();
	show(write(fd, in, 2 * PAGE));
	cold();
	show(pread(fd, out, 2 * PAGE, 0));
	show(memcmp(in, out, 2 * PAGE));
	show(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	cold();
	show(pwrite(fd, in, PAGE, 0));
	close(fd);
}

int main(void)
{
	hazard_start();
	in = area(4);
	out = in + 2 * PAGE;
	messages();
	semaphores();
	segments();
	queues();
	memory_files();
	return 0;
}
