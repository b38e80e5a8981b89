/*
 * For LD_PRELOAD: a program that insists on a folder of its own, as stress-ng does below --temp-path, gets a symbolic
 * link to QJ_TARGET instead. Its files are then made there, in a directory that cannot have folders.
 *
 * QJ_PARENT is the folder in which the program makes its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the link at this path leads, or NULL: it is not one. */
static const char *target_of(const char *path)
{
	const char *parent = getenv("QJ_PARENT");
	size_t length = parent ? strlen(parent) : 0;

	if (length == 0 || strncmp(path, parent, length) != 0 || path[length] != '/')
		return NULL;
	return strchr(path + length + 1, '/') ? NULL : getenv("QJ_TARGET");
}

int mkdir(const char *path, mode_t mode)
{
	const char *target = target_of(path);
	int (*next)(const char *, mode_t);

	if (target)
		return symlink(target, path);
	*(void **)&next = dlsym(RTLD_NEXT, "mkdir");
	return next(path, mode);
}

int rmdir(const char *path)
{
	int (*next)(const char *);

	if (target_of(path))
		return unlink(path);
	*(void **)&next = dlsym(RTLD_NEXT, "rmdir");
	return next(path);
}
