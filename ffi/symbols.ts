/**
 * C signatures of what is called in libfuse3 and libc, each parameter with its C declaration. Nothing else: the
 * library is opened in `libfuse.ts`, structure layouts are in `abi.ts`.
 *
 * `fuse_req_t` and `struct fuse_session *` are opaque pointers. What is `optional` came after 3.8.
 */

export const LIBFUSE_SYMBOLS = {
  /** int fuse_version(void): 314 for 3.14 */
  fuse_version: { parameters: [], result: "i32" },
  /** const char *fuse_pkgversion(void) */
  fuse_pkgversion: { parameters: [], result: "pointer" },
  /** struct fuse_session *fuse_session_new(struct fuse_args *args, const struct fuse_lowlevel_ops *op, size_t op_size, void *userdata) */
  fuse_session_new: { parameters: ["buffer", "buffer", "usize", "pointer"], result: "pointer" },
  /** struct fuse_session *fuse_session_new_versioned(struct fuse_args *args, const struct fuse_lowlevel_ops *op, size_t op_size, struct libfuse_version *version, void *userdata); 3.17 */
  fuse_session_new_versioned: {
    parameters: ["buffer", "buffer", "usize", "buffer", "pointer"],
    result: "pointer",
    optional: true,
  },
  /** void fuse_session_set_sync_init(struct fuse_session *se, bool enable); 3.19 */
  fuse_session_set_sync_init: { parameters: ["pointer", "bool"], result: "void", optional: true },
  /** int fuse_session_mount(struct fuse_session *se, const char *mountpoint) */
  fuse_session_mount: { parameters: ["pointer", "buffer"], result: "i32" },
  /** void fuse_session_unmount(struct fuse_session *se) */
  fuse_session_unmount: { parameters: ["pointer"], result: "void" },
  /** void fuse_session_destroy(struct fuse_session *se) */
  fuse_session_destroy: { parameters: ["pointer"], result: "void" },
  /** int fuse_session_fd(struct fuse_session *se) */
  fuse_session_fd: { parameters: ["pointer"], result: "i32" },
  /** int fuse_session_receive_buf(struct fuse_session *se, struct fuse_buf *buf): bytes, 0 at the end, or -errno */
  fuse_session_receive_buf: { parameters: ["pointer", "buffer"], result: "i32" },
  /** void fuse_session_process_buf(struct fuse_session *se, const struct fuse_buf *buf) */
  fuse_session_process_buf: { parameters: ["pointer", "buffer"], result: "void" },
  /** const struct fuse_ctx *fuse_req_ctx(fuse_req_t req) */
  fuse_req_ctx: { parameters: ["pointer"], result: "pointer" },
  /** int fuse_reply_err(fuse_req_t req, int err) */
  fuse_reply_err: { parameters: ["pointer", "i32"], result: "i32" },
  /** void fuse_reply_none(fuse_req_t req) */
  fuse_reply_none: { parameters: ["pointer"], result: "void" },
  /** int fuse_reply_entry(fuse_req_t req, const struct fuse_entry_param *e) */
  fuse_reply_entry: { parameters: ["pointer", "buffer"], result: "i32" },
  /** int fuse_reply_create(fuse_req_t req, const struct fuse_entry_param *e, const struct fuse_file_info *fi) */
  fuse_reply_create: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  /** int fuse_reply_attr(fuse_req_t req, const struct stat *attr, double attr_timeout) */
  fuse_reply_attr: { parameters: ["pointer", "buffer", "f64"], result: "i32" },
  /** int fuse_reply_open(fuse_req_t req, const struct fuse_file_info *fi) */
  fuse_reply_open: { parameters: ["pointer", "buffer"], result: "i32" },
  /** int fuse_reply_write(fuse_req_t req, size_t count) */
  fuse_reply_write: { parameters: ["pointer", "usize"], result: "i32" },
  /** int fuse_reply_buf(fuse_req_t req, const char *buf, size_t size) */
  fuse_reply_buf: { parameters: ["pointer", "buffer", "usize"], result: "i32" },
  /** int fuse_reply_statfs(fuse_req_t req, const struct statvfs *stbuf) */
  fuse_reply_statfs: { parameters: ["pointer", "buffer"], result: "i32" },
  /** int fuse_reply_xattr(fuse_req_t req, size_t count) */
  fuse_reply_xattr: { parameters: ["pointer", "usize"], result: "i32" },
  /** int fuse_reply_poll(fuse_req_t req, unsigned revents) */
  fuse_reply_poll: { parameters: ["pointer", "u32"], result: "i32" },
  /** void fuse_req_interrupt_func(fuse_req_t req, void (*func)(fuse_req_t req, void *data), void *data) */
  fuse_req_interrupt_func: { parameters: ["pointer", "function", "pointer"], result: "void" },
  /** void fuse_pollhandle_destroy(struct fuse_pollhandle *ph) */
  fuse_pollhandle_destroy: { parameters: ["pointer"], result: "void" },
  /** int fuse_lowlevel_notify_poll(struct fuse_pollhandle *ph) */
  fuse_lowlevel_notify_poll: { parameters: ["pointer"], result: "i32", nonblocking: true },
  /** int fuse_lowlevel_notify_inval_inode(struct fuse_session *se, fuse_ino_t ino, off_t off, off_t len) */
  fuse_lowlevel_notify_inval_inode: {
    parameters: ["pointer", "u64", "i64", "i64"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

export const LIBC_SYMBOLS = {
  /** int fcntl(int fd, int cmd, int arg) */
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *sigmask) */
  ppoll: { parameters: ["buffer", "usize", "buffer", "pointer"], result: "i32" },
  /** The same on a thread of Deno's pool, so that the event loop goes on. */
  poll_nonblocking: {
    name: "poll",
    parameters: ["buffer", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** int eventfd(unsigned int initval, int flags) */
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  /** ssize_t write(int fd, const void *buf, size_t count) */
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** int close(int fd) */
  close: { parameters: ["i32"], result: "i32" },
  /** int close_range(unsigned int first, unsigned int last, int flags); glibc 2.34 */
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32", optional: true },
  /** void free(void *ptr) */
  free: { parameters: ["pointer"], result: "void" },
  /** int prctl(int option, unsigned long arg2, ...) */
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  /** pid_t waitpid(pid_t pid, int *wstatus, int options) */
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options) */
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
  /** pid_t getpgid(pid_t pid) */
  getpgid: { parameters: ["i32"], result: "i32" },
  /** pid_t getsid(pid_t pid) */
  getsid: { parameters: ["i32"], result: "i32" },
  /** int socket(int domain, int type, int protocol) */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** ssize_t sendto(int sockfd, const void *buf, size_t len, int flags, const struct sockaddr *dest_addr, socklen_t addrlen) */
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
  },
  /** int open(const char *pathname, int flags): without O_CREAT it has no third one */
  open: { parameters: ["buffer", "i32"], result: "i32" },
  /** The same on a thread of Deno's pool. */
  open_nonblocking: {
    name: "open",
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** ssize_t read(int fd, void *buf, size_t count), on a thread of Deno's pool */
  read_nonblocking: {
    name: "read",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
    nonblocking: true,
  },
  /** int *__errno_location(void) */
  __errno_location: { parameters: [], result: "pointer" },
  /** long syscall(long number, const struct landlock_ruleset_attr *attr, size_t size, __u32 flags) */
  syscall_create_ruleset: {
    name: "syscall",
    parameters: ["i64", "buffer", "u64", "u64"],
    result: "i64",
  },
  /** long syscall(long number, int ruleset_fd, enum landlock_rule_type type, const void *attr, __u32 flags) */
  syscall_add_rule: {
    name: "syscall",
    parameters: ["i64", "i64", "u64", "buffer", "u64"],
    result: "i64",
  },
  /** long syscall(long number, int ruleset_fd, __u32 flags) */
  syscall_restrict_self: { name: "syscall", parameters: ["i64", "i64", "u64"], result: "i64" },
  /** long syscall(long number, cap_user_header_t header, cap_user_data_t data) */
  syscall_capabilities: { name: "syscall", parameters: ["i64", "buffer", "buffer"], result: "i64" },
  /** int getpwuid_r(uid_t uid, struct passwd *pwd, char *buf, size_t buflen, struct passwd **result) */
  getpwuid_r: {
    parameters: ["u32", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  /** int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups) */
  getgrouplist: {
    parameters: ["buffer", "u32", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  /** int umount2(const char *target, int flags) */
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;
