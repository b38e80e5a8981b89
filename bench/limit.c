/*
 * The limit: one directory of files in memory behind libfuse's own single-threaded loop, each request answered in constant
 * time. What qj adds to that is its own; what this takes is the price of FUSE. As qj it lets the kernel keep nothing
 * (timeouts of 0 in pending) unless TIMEOUT, in seconds, says otherwise, and answers a flush.
 *
 *     gcc -O2 limit.c $(pkg-config --cflags --libs fuse3); ./a.out -f MOUNTPOINT
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 1 << 18, NAME = 64, TEXT = 256 };

struct file {
	struct file *next; /* in its bucket */
	fuse_ino_t ino;
	int is_linked;
	char name[NAME];
	struct stat stat;
	char text[TEXT];
};

static struct file *buckets[BUCKETS];
static struct file **files; /* by inode number, from 2 */
static size_t file_count, file_room;
static double timeout;

static struct file **place(const char *name)
{
	unsigned hash = 2166136261u;
	for (const char *at = name; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	struct file **at = &buckets[hash % BUCKETS];
	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	return at;
}

static struct file *by_ino(fuse_ino_t ino)
{
	return ino >= 2 && ino - 2 < file_count ? files[ino - 2] : NULL;
}

static struct fuse_entry_param entry_of(const struct file *file)
{
	struct fuse_entry_param entry = { .ino = file->ino, .attr = file->stat };
	entry.attr_timeout = entry.entry_timeout = timeout;
	return entry;
}

static struct file *make(const char *name, mode_t mode, const struct fuse_ctx *caller)
{
	struct file *file = calloc(1, sizeof *file), **at = place(name);
	if (file_count == file_room)
		files = realloc(files, (file_room = file_room ? 2 * file_room : 1024) * sizeof *files);
	strcpy(file->name, name);
	file->is_linked = 1;
	file->ino = file_count + 2;
	file->stat = (struct stat){ .st_ino = file->ino, .st_mode = S_IFREG | (mode & 07777), .st_nlink = 1 };
	file->stat.st_uid = caller->uid;
	file->stat.st_gid = caller->gid;
	clock_gettime(CLOCK_REALTIME, &file->stat.st_mtim);
	files[file_count++] = *at = file;
	return file;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	struct file *file = *place(name);
	struct fuse_entry_param entry;
	if (!file) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry = entry_of(file);
	fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)info;
	struct stat root = { .st_ino = 1, .st_mode = S_IFDIR | 0777, .st_nlink = 2 };
	struct file *file = by_ino(ino);
	if (ino != 1 && !file)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, file ? &file->stat : &root, timeout);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info)
{
	(void)parent;
	struct fuse_entry_param entry;
	if (strlen(name) >= NAME) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	struct file *file = *place(name);
	entry = entry_of(file ? file : make(name, mode, fuse_req_ctx(req)));
	info->direct_io = 1;
	fuse_reply_create(req, &entry, info);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	info->direct_io = 1;
	fuse_reply_open(req, info);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	struct file *file = by_ino(ino);
	off_t end = file->stat.st_size;
	size_t left = offset < end ? (size_t)(end - offset) : 0;
	fuse_reply_buf(req, file->text + offset, left < size ? left : size);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *text, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	struct file *file = by_ino(ino);
	if (offset + size > TEXT) {
		fuse_reply_err(req, EFBIG);
		return;
	}
	memcpy(file->text + offset, text, size);
	if ((off_t)(offset + size) > file->stat.st_size)
		file->stat.st_size = (off_t)(offset + size);
	fuse_reply_write(req, size);
}

static void op_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	(void)info;
	fuse_reply_err(req, 0);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	struct file **at = place(name), *file = *at;
	if (file) {
		*at = file->next;
		file->is_linked = 0;
	}
	fuse_reply_err(req, file ? 0 : ENOENT);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *new_name, unsigned flags)
{
	(void)parent;
	(void)to;
	struct file **at = place(name), *file = *at;
	if (!file || flags || strlen(new_name) >= NAME) {
		fuse_reply_err(req, file ? EINVAL : ENOENT);
		return;
	}
	*at = file->next;
	file->next = NULL;
	strcpy(file->name, new_name);
	struct file **target = place(new_name);
	if (*target) {
		(*target)->is_linked = 0;
		file->next = (*target)->next;
	}
	*target = file;
	fuse_reply_err(req, 0);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)ino;
	(void)info;
	char *buffer = malloc(size);
	size_t used = 0;
	for (size_t i = (size_t)offset; i < file_count; i++) {
		struct file *file = files[i];
		if (!file->is_linked)
			continue;
		size_t needed = fuse_add_direntry(req, buffer + used, size - used, file->name, &file->stat, (off_t)i + 1);
		if (needed > size - used)
			break;
		used += needed;
	}
	fuse_reply_buf(req, buffer, used);
	free(buffer);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)ino;
	(void)info;
	char *buffer = malloc(size);
	size_t used = 0;
	for (size_t i = (size_t)offset; i < file_count; i++) {
		struct file *file = files[i];
		if (!file->is_linked)
			continue;
		struct fuse_entry_param entry = entry_of(file);
		size_t needed = fuse_add_direntry_plus(req, buffer + used, size - used, file->name, &entry, (off_t)i + 1);
		if (needed > size - used)
			break;
		used += needed;
	}
	fuse_reply_buf(req, buffer, used);
	free(buffer);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.create = op_create,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_done,
	.release = op_done,
	.unlink = op_unlink,
	.rename = op_rename,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts options;
	if (getenv("TIMEOUT"))
		timeout = atof(getenv("TIMEOUT"));
	if (fuse_parse_cmdline(&args, &options))
		return 1;
	struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, options.mountpoint))
		return 1;
	int failed = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return failed ? 1 : 0;
}
