// Preloaded into a daemon: fdatasync(2) of a file whose name ends with "-wal" fails with EIO, once for each time that the
// file which FAIL_SYNC names has been made.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int fd) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  const char *flag = getenv("FAIL_SYNC");
  char link[64], name[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name);
  if (flag != NULL && length > 4 && memcmp(name + length - 4, "-wal", 4) == 0 && unlink(flag) == 0) {
    errno = EIO;
    return -1;
  }
  return next(fd);
}
