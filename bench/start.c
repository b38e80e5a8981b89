/*
 * From handing in to the first instruction:
 *
 *     start rename PENDING OUT COUNT    renames drafts PENDING/.dN to PENDING/dN, whose jobs run `stamp OUT.N`
 *     start spawn SELF OUT COUNT        forks and executes sh -c "SELF stamp OUT.N"
 *     start stamp FILE                  writes the time, and is what both start
 *
 * Prints the 50th and the 99th percentile in microseconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int stamp(const char *file)
{
	double time = now();
	int fd = open(file, O_WRONLY | O_CREAT, 0644);
	return fd < 0 || write(fd, &time, sizeof time) != sizeof time;
}

/* When it was stamped; waits for that. */
static double stamped(const char *file)
{
	double time;
	for (;;) {
		int fd = open(file, O_RDONLY);
		if (fd >= 0) {
			ssize_t got = read(fd, &time, sizeof time);
			close(fd);
			if (got == sizeof time)
				return time;
		}
		usleep(200);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	char from[600], to[600], out[600], command[1400];
	if (argc == 3)
		return stamp(argv[2]);
	if (argc != 5)
		return 2;
	int count = atoi(argv[4]), renames = !strcmp(argv[1], "rename");
	double *took = calloc((size_t)count, sizeof *took);
	for (int i = 0; i < count; i++) {
		sprintf(out, "%s.%d", argv[3], i);
		double begun;
		pid_t pid = 0;
		if (renames) {
			sprintf(from, "%s/.d%d", argv[2], i);
			sprintf(to, "%s/d%d", argv[2], i);
			begun = now();
			if (rename(from, to)) {
				perror(from);
				return 1;
			}
		} else {
			sprintf(command, "%s stamp %s", argv[2], out);
			begun = now();
			pid = fork();
			if (!pid)
				_exit(execl("/bin/sh", "sh", "-c", command, (char *)NULL) != 0);
		}
		took[i] = stamped(out) - begun;
		if (pid)
			waitpid(pid, NULL, 0);
	}
	qsort(took, (size_t)count, sizeof *took, by_size);
	printf("%.1f %.1f\n", took[count / 2], took[(int)(count * 0.99)]);
	return 0;
}
