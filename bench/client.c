/*
 * One phase of a benchmark on a directory: client DIR PHASE COUNT THREADS [FIRST]
 *
 * Each thread works on its share of the files FIRST..FIRST+COUNT-1. Prints operations per second, and the 50th and 99th
 * percentile of the time of one in microseconds. A call that fails ends it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, MAX_THREADS = 64 };

static const char *dir;
static int count, threads, first;
static float *took; /* of each operation, in microseconds */
static pthread_barrier_t barrier;
static char text[SIZE];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static const char *path(char *into, const char *kind, int number)
{
	sprintf(into, "%s/%s%07d", dir, kind, number);
	return into;
}

static void write_file(const char *file, int flags, int syncs)
{
	int fd = open(file, flags, 0644);
	if (fd < 0)
		fail(file);
	if (write(fd, text, SIZE) != SIZE)
		fail("write");
	if (syncs && fsync(fd))
		fail("fsync");
	if (close(fd))
		fail("close");
}

static void do_create(int i)
{
	char file[512];
	write_file(path(file, "j", i), O_CREAT | O_EXCL | O_WRONLY, 0);
}

static void do_durable(int i)
{
	char file[512];
	write_file(path(file, "d", i), O_CREAT | O_EXCL | O_WRONLY, 1);
}

static void do_stat(int i)
{
	char file[512];
	struct stat stat_of;
	if (stat(path(file, "j", i), &stat_of))
		fail(file);
}

static void do_stat_done(int i)
{
	char file[512];
	struct stat stat_of;
	sprintf(file, "%s/job-%07d", dir, 2 * i + 1);
	if (stat(file, &stat_of))
		fail(file);
}

static void do_missing(int i)
{
	char file[512];
	struct stat stat_of;
	if (!stat(path(file, "missing", i), &stat_of) || errno != ENOENT)
		fail(file);
}

static void read_file(const char *file)
{
	char buffer[4096];
	int fd = open(file, O_RDONLY);
	if (fd < 0)
		fail(file);
	if (read(fd, buffer, sizeof buffer) <= 0)
		fail("read");
	close(fd);
}

static void do_read(int i)
{
	char file[512];
	read_file(path(file, "j", i));
}

static void do_read_done(int i)
{
	char file[512];
	sprintf(file, "%s/job-%07d", dir, 2 * i + 1);
	read_file(file);
}

static void do_rename(int i)
{
	char from[512], to[512];
	if (rename(path(from, "j", i), path(to, "k", i)))
		fail(from);
}

static void do_unlink(int i)
{
	char file[512];
	if (unlink(path(file, "k", i)))
		fail(file);
}

static const struct phase {
	const char *name;
	void (*step)(int);
} phases[] = {
	{ "create", do_create }, { "durable", do_durable }, { "stat", do_stat },
	{ "stat-done", do_stat_done }, { "missing", do_missing }, { "read", do_read },
	{ "read-done", do_read_done }, { "rename", do_rename }, { "unlink", do_unlink },
};
static const struct phase *phase;

static void *work(void *argument)
{
	int thread = (int)(long)argument;
	int from = (int)((long)count * thread / threads), to = (int)((long)count * (thread + 1) / threads);
	pthread_barrier_wait(&barrier);
	for (int i = from; i < to; i++) {
		double begun = now();
		phase->step(first + i);
		took[i] = (float)(now() - begun);
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* Entries of the directory, each looked at by lstat if `attributes`: as ls -f and ls -lf do. */
static void list(int attributes)
{
	double begun = now();
	long entries = 0;
	DIR *open_dir = opendir(dir);
	struct dirent *entry;
	struct stat stat_of;
	if (!open_dir)
		fail(dir);
	while ((entry = readdir(open_dir))) {
		if (attributes && fstatat(dirfd(open_dir), entry->d_name, &stat_of, AT_SYMLINK_NOFOLLOW))
			fail(entry->d_name);
		entries++;
	}
	closedir(open_dir);
	if (entries < count)
		fail("entries are missing");
	double microseconds = now() - begun;
	printf("%.1f %.2f %.2f\n", entries / microseconds * 1e6, microseconds / entries, microseconds / entries);
}

int main(int argc, char **argv)
{
	pthread_t ids[MAX_THREADS];
	if (argc < 5)
		return 2;
	dir = argv[1];
	count = atoi(argv[3]);
	threads = atoi(argv[4]);
	first = argc > 5 ? atoi(argv[5]) : 0;
	memset(text, '#', SIZE);
	text[SIZE - 1] = '\n';
	if (!strcmp(argv[2], "list") || !strcmp(argv[2], "list-long")) {
		list(!strcmp(argv[2], "list-long"));
		return 0;
	}
	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
		if (!strcmp(phases[i].name, argv[2]))
			phase = &phases[i];
	if (!phase || threads < 1 || threads > MAX_THREADS)
		return 2;
	took = calloc((size_t)count, sizeof *took);
	pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
	for (long i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, work, (void *)i);
	pthread_barrier_wait(&barrier);
	double begun = now();
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	double microseconds = now() - begun;
	qsort(took, (size_t)count, sizeof *took, by_size);
	printf("%.1f %.2f %.2f\n", count / microseconds * 1e6, took[count / 2], took[(int)(count * 0.99)]);
	return 0;
}
