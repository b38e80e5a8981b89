/*
 * A process that does file operations on request, so that they come from different pids, and descriptors stay open
 * from one request to the next. One request is a line of words, strings in hexadecimal ("-": empty); one answer is a
 * line: the call's return value, errno, and what it gave. It never forks, so nothing but a request closes a descriptor.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *line;
static char *out; /* what the call gave, hexadecimal or words */
static size_t out_size;
static FILE *gave;

static long number(void) { return strtol(strtok(NULL, " "), NULL, 10); }

static size_t string(char **bytes) {
  char *hex = strtok(NULL, " ");
  size_t length = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
  *bytes = calloc(length + 1, 1);
  for (size_t i = 0; i < length; i++) {
    unsigned byte;
    sscanf(hex + 2 * i, "%2x", &byte);
    (*bytes)[i] = (char)byte;
  }
  return length;
}

static char *path(void) {
  char *bytes;
  string(&bytes);
  return bytes;
}

static void give(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) fprintf(gave, "%02x", (unsigned char)bytes[i]);
}

static void give_stat(const struct stat *st) {
  fprintf(gave, "%o %lu %lu %ld %ld %ld", st->st_mode & 07777, (unsigned long)st->st_ino,
          (unsigned long)st->st_nlink, (long)st->st_size, (long)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec);
}

static long list(const char *name) {
  DIR *dir = opendir(name);
  if (dir == NULL) return -1;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    fputc(' ', gave);
    give(entry->d_name, strlen(entry->d_name));
  }
  int failed = errno;
  closedir(dir);
  errno = failed;
  return failed == 0 ? 0 : -1;
}

static long cat(const char *name) {
  char bytes[65536];
  int fd = open(name, O_RDONLY);
  if (fd < 0) return -1;
  ssize_t length;
  while ((length = read(fd, bytes, sizeof bytes)) > 0) give(bytes, (size_t)length);
  return close(fd) < 0 ? -1 : length;
}

static long read_part(int fd, long size, long offset) {
  char *bytes = malloc((size_t)size + 1);
  ssize_t length = offset < 0 ? read(fd, bytes, (size_t)size) : pread(fd, bytes, (size_t)size, offset);
  if (length > 0) give(bytes, (size_t)length);
  free(bytes);
  return length;
}

static void times(struct timespec mtime[2]) {
  mtime[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
  mtime[1].tv_sec = number();
  mtime[1].tv_nsec = number();
  if (mtime[1].tv_nsec < 0) mtime[1].tv_nsec = UTIME_NOW;
}

static long answer(const char *call) {
  struct stat st;
  struct timespec mtime[2];
  char *bytes, *from;
  int fd;
  size_t length;
  long result;
#define IS(name) (strcmp(call, name) == 0)
  if (IS("open")) return from = path(), fd = (int)number(), open(from, fd, (mode_t)number());
  if (IS("unlink")) return unlink(path());
  if (IS("mkdir")) return mkdir(path(), 0755);
  if (IS("link")) return from = path(), link(from, path());
  if (IS("rename")) return from = path(), bytes = path(), renameat2(AT_FDCWD, from, AT_FDCWD, bytes, (unsigned)number());
  if (IS("chmod")) return from = path(), chmod(from, (mode_t)number());
  if (IS("truncate")) return from = path(), truncate(from, number());
  if (IS("utimens")) return from = path(), times(mtime), utimensat(AT_FDCWD, from, mtime, 0);
  if (IS("stat")) return result = stat(path(), &st), result == 0 ? give_stat(&st) : (void)0, result;
  if (IS("list")) return list(path());
  if (IS("cat")) return cat(path());
  fd = (int)number();
  if (IS("close")) return close(fd);
  if (IS("dup")) return dup(fd);
  if (IS("write")) return length = string(&bytes), write(fd, bytes, length);
  if (IS("pwrite")) return length = string(&bytes), pwrite(fd, bytes, length, number());
  if (IS("read")) return read_part(fd, number(), -1);
  if (IS("pread")) return result = number(), read_part(fd, result, number());
  if (IS("fsync")) return fsync(fd);
  if (IS("fdatasync")) return fdatasync(fd);
  if (IS("ftruncate")) return ftruncate(fd, number());
  if (IS("fchmod")) return fchmod(fd, (mode_t)number());
  if (IS("futimens")) return times(mtime), futimens(fd, mtime);
  if (IS("fstat")) return result = fstat(fd, &st), result == 0 ? give_stat(&st) : (void)0, result;
  exit(2);
}

int main(void) {
  size_t size = 0;
  umask(022);
  while (getline(&line, &size, stdin) > 0) {
    line[strcspn(line, "\n")] = '\0';
    gave = open_memstream(&out, &out_size);
    errno = 0;
    long result = answer(strtok(line, " "));
    int failed = result < 0 ? errno : 0;
    fclose(gave);
    printf("%ld %d %s\n", result, failed, out);
    fflush(stdout);
    free(out);
  }
  return 0;
}
