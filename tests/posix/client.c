/*
 * Makes system calls on demand, as any user, and tells exactly what came of them.
 *
 * usage: client UID GID [GROUP...]
 *
 * A request is one line: the name of a system call and its arguments, separated by spaces. An argument is
 *   nNUMBER   a number
 *   sHEX      a string or bytes, without the null byte at the end, which is added
 *   oSIZE     a buffer of that size, to be filled
 *   tS,NS,... numbers of 64 bits one after the other, as in two struct timespec
 * The answer is one line: the result, or minus the errno, then what is in the buffer, in hex. Only calls that exist on
 * every architecture are here, so the *at() forms stand for the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const struct {
	const char *name;
	long number;
} calls[] = {
	{ "openat", SYS_openat },       { "close", SYS_close },           { "read", SYS_read },
	{ "write", SYS_write },         { "pread64", SYS_pread64 },       { "pwrite64", SYS_pwrite64 },
	{ "lseek", SYS_lseek },         { "fsync", SYS_fsync },           { "statx", SYS_statx },
	{ "truncate", SYS_truncate },   { "ftruncate", SYS_ftruncate },   { "fallocate", SYS_fallocate },
	{ "fchmodat", SYS_fchmodat },   { "fchmod", SYS_fchmod },         { "fchownat", SYS_fchownat },
	{ "fchown", SYS_fchown },       { "utimensat", SYS_utimensat },   { "unlinkat", SYS_unlinkat },
	{ "renameat2", SYS_renameat2 }, { "mkdirat", SYS_mkdirat },       { "mknodat", SYS_mknodat },
	{ "linkat", SYS_linkat },       { "symlinkat", SYS_symlinkat },   { "faccessat", SYS_faccessat },
	{ "mmap", SYS_mmap },           { "umask", SYS_umask },           { "getdents64", SYS_getdents64 },
};

/* bind() of a socket of the local kind, which makes a file. */
static long bind_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	long result;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	result = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

static char *bytes(const char *hex)
{
	size_t length = strlen(hex) / 2;
	char *text = calloc(1, length + 1);

	for (size_t i = 0; i < length; i++) {
		unsigned int byte;
		sscanf(hex + 2 * i, "%2x", &byte);
		text[i] = byte;
	}
	return text;
}

static void *numbers(char *list)
{
	long long *values = calloc(strlen(list) / 2 + 1, sizeof(*values));
	char *number = strtok(list, ",");

	for (int i = 0; number != NULL; number = strtok(NULL, ","))
		values[i++] = strtoll(number, NULL, 10);
	return values;
}

int main(int argc, char **argv)
{
	gid_t groups[argc];
	char *line = NULL;
	size_t size = 0;

	if (argc < 3)
		return 2;
	for (int i = 2; i < argc; i++)
		groups[i - 2] = atoi(argv[i]);
	/* An ordinary user may only stay who it is. */
	if (getuid() == 0 && (setgroups(argc - 2, groups) != 0 || setresgid(groups[0], groups[0], groups[0]) != 0 ||
	    setresuid(atoi(argv[1]), atoi(argv[1]), atoi(argv[1])) != 0))
		return 1;
	umask(0);
	while (getline(&line, &size, stdin) > 0) {
		char *words[8] = { NULL }, *rest = line;
		long arguments[7] = { 0 }, result = -ENOSYS;
		unsigned char *output = NULL;
		size_t output_size = 0;

		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 8 && (words[i] = strsep(&rest, " ")) != NULL; i++) {
			char *value = words[i] + 1;
			if (i == 0)
				continue;
			if (words[i][0] == 'n')
				arguments[i - 1] = strtol(value, NULL, 10);
			else if (words[i][0] == 's')
				arguments[i - 1] = (long)bytes(value);
			else if (words[i][0] == 't')
				arguments[i - 1] = (long)numbers(value);
			else if (words[i][0] == 'o') {
				output_size = atoi(value);
				output = calloc(1, output_size + 1);
				arguments[i - 1] = (long)output;
			}
		}
		if (strcmp(words[0], "bind") == 0)
			result = bind_socket((const char *)arguments[0]);
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
			if (strcmp(words[0], calls[i].name) != 0)
				continue;
			result = syscall(calls[i].number, arguments[0], arguments[1], arguments[2], arguments[3],
			    arguments[4], arguments[5]);
			if (result == -1)
				result = -errno;
		}
		printf("%ld ", result);
		for (size_t i = 0; i < output_size; i++)
			printf("%02x", output[i]);
		printf("\n");
		fflush(stdout);
		for (int i = 1; i < 8 && words[i] != NULL; i++)
			if (words[i][0] != 'n')
				free((void *)arguments[i - 1]);
	}
	return 0;
}
