/* A library for LD_PRELOAD that stands between a program and its files: it delays or fails fsync and writes under one folder,
 * and logs every change with its bytes, so that a power cut at any moment can be played. driver.py is its other half.
 *
 * Nothing outside AWNING_FAULT_ROOT is touched. The library's own files are used by bare system calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Shared with driver.py, which maps the same file. A countdown of n lets the n-th call from now fail; 0 is off. */
struct control {
    volatile int64_t fsync_delay_us, fsync_countdown, fsync_errno, fsync_sticky;
    volatile int64_t write_countdown, write_errno, write_sticky, space;
    volatile int64_t record, fsyncs, writes;
    char padding[168];
    char fsync_pattern[256];
    char write_pattern[256];
};

struct event {
    uint32_t magic;
    uint32_t type;
    int32_t error;
    uint32_t path_length;
    uint32_t other_length;
    uint32_t unused;
    uint64_t inode;
    int64_t number; /* an offset, a size, flags or a sync's number */
    uint64_t data_length;
    uint64_t nanoseconds;
};

enum { OPENED = 1, WRITTEN, TRUNCATED, RENAMED, UNLINKED, MADE, REMOVED, LINKED, SYNC_BEGUN, SYNC_ENDED, UNKNOWN };
enum { CREATED = 1, EMPTIED = 2 };

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static int64_t syncs;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;



__attribute__((constructor)) static void start(void) {
    const char *where = getenv("AWNING_FAULT_ROOT"), *steering = getenv("AWNING_FAULT_CONTROL"), *log = getenv("AWNING_FAULT_LOG");
    if (!where || !steering || !log) return;
    int fd = syscall(SYS_openat, AT_FDCWD, steering, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) abort();
    syscall(SYS_close, fd);
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    snprintf(root, sizeof root, "%s", where);
    root_length = strlen(root);
}

static int below_root(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* The name of an open file below the root, by the kernel's own account; 0 where it is none of ours. */
static int name_of(int fd, char *path) {
    char link[64];
    if (!control) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below_root(path);
}

/* A name as it was given, made absolute; its last part need not exist. */
static int name_at(int folder, const char *given, char *path) {
    char whole[PATH_MAX * 2], base[PATH_MAX];
    if (!control) return 0;
    if (given[0] == '/') {
        snprintf(whole, sizeof whole, "%s", given);
    } else if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
        snprintf(whole, sizeof whole, "%s/%s", base, given);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (length <= 0) return 0;
        base[length] = 0;
        snprintf(whole, sizeof whole, "%s/%s", base, given);
    }
    char *last = strrchr(whole, '/');
    if (!last || !last[1]) return 0;
    *last = 0;
    if (!realpath(last == whole ? "/" : whole, base)) return 0;
    if (snprintf(path, PATH_MAX, "%s/%s", base, last + 1) >= PATH_MAX) return 0;
    return below_root(path);
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static void append(const void *data, size_t length) {
    const char *at = data;
    while (length) {
        ssize_t written = syscall(SYS_write, log_fd, at, length);
        if (written <= 0) abort();
        at += written;
        length -= written;
    }
}

/* Callers hold `order`. */
static void record(int type, const char *path, const char *other, uint64_t inode, int64_t number, int error,
                   const struct iovec *data, int pieces, size_t length) {
    if (!control->record) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct event event = {
        .magic = 0x4157464c, .type = type, .error = error, .inode = inode, .number = number, .data_length = length,
        .path_length = strlen(path), .other_length = other ? strlen(other) : 0,
        .nanoseconds = (uint64_t)now.tv_sec * 1000000000u + now.tv_nsec,
    };
    append(&event, sizeof event);
    append(path, event.path_length);
    if (other) append(other, event.other_length);
    for (int piece = 0; piece < pieces && length; piece++) {
        size_t part = data[piece].iov_len < length ? data[piece].iov_len : length;
        append(data[piece].iov_base, part);
        length -= part;
    }
}

static int matches(const char *path, const char *pattern) { return !pattern[0] || strstr(path, pattern); }

/* Whether this call is the one to fail. Callers hold `order`. */
static int counted(volatile int64_t *countdown, volatile int64_t *sticky) {
    if (*countdown <= 0) return 0;
    if (*countdown > 1) {
        --*countdown;
        return 0;
    }
    if (!*sticky) *countdown = 0;
    return 1;
}

/* The error that a write of `length` bytes to `path` is to meet, or 0. Callers hold `order`. */
static int write_fault(const char *path, size_t length) {
    if (strlen(path) > 4 && strcmp(path + strlen(path) - 4, "-shm") == 0) return 0;
    control->writes++;
    if (matches(path, control->write_pattern) && counted(&control->write_countdown, &control->write_sticky))
        return control->write_errno;
    if (control->space >= 0) {
        if ((int64_t)length > control->space) return ENOSPC;
        control->space -= length;
    }
    return 0;
}

static ssize_t refuse(int error) {
    pthread_mutex_unlock(&order);
    errno = error;
    return -1;
}

static size_t total(const struct iovec *data, int pieces) {
    size_t sum = 0;
    for (int piece = 0; piece < pieces; piece++) sum += data[piece].iov_len;
    return sum;
}

/* All writes come through here; `offset` -1 is the file's own position. */
static ssize_t put(int fd, const struct iovec *data, int pieces, int64_t offset) {
    char path[PATH_MAX];
    if (!name_of(fd, path))
        return offset < 0 ? syscall(SYS_writev, fd, data, pieces)
                          : syscall(SYS_pwritev, fd, data, pieces, (long)offset, (long)0);
    pthread_mutex_lock(&order);
    int error = write_fault(path, total(data, pieces));
    if (error) return refuse(error);
    ssize_t written = offset < 0 ? syscall(SYS_writev, fd, data, pieces)
                                 : syscall(SYS_pwritev, fd, data, pieces, (long)offset, (long)0);
    int saved = errno;
    if (written > 0) {
        int64_t at = offset < 0 ? syscall(SYS_lseek, fd, 0L, SEEK_CUR) - written : offset;
        record(WRITTEN, path, NULL, inode_of(fd), at, 0, data, pieces, written);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return written;
}

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec one = {(void *)data, length};
    return put(fd, &one, 1, -1);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    struct iovec one = {(void *)data, length};
    return put(fd, &one, 1, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return pwrite(fd, data, length, offset); }
ssize_t writev(int fd, const struct iovec *data, int pieces) { return put(fd, data, pieces, -1); }
ssize_t pwritev(int fd, const struct iovec *data, int pieces, off_t offset) { return put(fd, data, pieces, offset); }
ssize_t pwritev64(int fd, const struct iovec *data, int pieces, off64_t offset) { return put(fd, data, pieces, offset); }

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    if (!name_of(fd, path)) return syscall(SYS_ftruncate, fd, (long)size);
    pthread_mutex_lock(&order);
    int result = syscall(SYS_ftruncate, fd, (long)size), saved = errno;
    if (result == 0) record(TRUNCATED, path, NULL, inode_of(fd), size, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    errno = saved;
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int synchronise(int fd, long call) {
    char path[PATH_MAX];
    if (!name_of(fd, path)) return syscall(call, fd);
    pthread_mutex_lock(&order);
    int64_t number = ++syncs;
    int error = matches(path, control->fsync_pattern) && counted(&control->fsync_countdown, &control->fsync_sticky)
                    ? control->fsync_errno : 0;
    control->fsyncs++;
    record(SYNC_BEGUN, path, NULL, inode_of(fd), number, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    if (control->fsync_delay_us > 0) {
        struct timespec delay = {control->fsync_delay_us / 1000000, control->fsync_delay_us % 1000000 * 1000};
        nanosleep(&delay, NULL);
    }
    if (!error && syscall(call, fd) < 0) error = errno;
    pthread_mutex_lock(&order);
    record(SYNC_ENDED, path, NULL, inode_of(fd), number, error, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    if (!error) return 0;
    errno = error;
    return -1;
}
int fsync(int fd) { return synchronise(fd, SYS_fsync); }
int fdatasync(int fd) { return synchronise(fd, SYS_fdatasync); }

static int open_at(int folder, const char *given, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !name_at(folder, given, path))
        return syscall(SYS_openat, folder, given, flags, mode);
    pthread_mutex_lock(&order);
    int existed = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    if (!existed && control->space == 0) return refuse(ENOSPC);
    int fd = syscall(SYS_openat, folder, given, flags, mode), saved = errno;
    if (fd >= 0) {
        int what = (existed ? 0 : CREATED) | (existed && (flags & O_TRUNC) ? EMPTIED : 0);
        if (what) record(OPENED, path, NULL, inode_of(fd), what, 0, NULL, 0, 0);
    }
    pthread_mutex_unlock(&order);
    errno = saved;
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }

/* A change of names: one call, logged when it succeeded. */
#define CHANGE(call, type, path, other, ours) \
    do { \
        if (!(ours)) return call; \
        pthread_mutex_lock(&order); \
        int result = call, saved = errno; \
        if (result == 0) record(type, path, other, 0, 0, 0, NULL, 0, 0); \
        pthread_mutex_unlock(&order); \
        errno = saved; \
        return result; \
    } while (0)

static int rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char before[PATH_MAX], after[PATH_MAX];
    int leaves = name_at(from_folder, from, before), comes = name_at(to_folder, to, after);
    CHANGE(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags), RENAMED, before, after, leaves || comes);
}
int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_at(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return rename_at(a, from, b, to, flags); }

static int link_at(int a, const char *from, int b, const char *to, int flags) {
    char before[PATH_MAX], after[PATH_MAX];
    name_at(a, from, before);
    CHANGE(syscall(SYS_linkat, a, from, b, to, flags), LINKED, before, after, name_at(b, to, after));
}
int link(const char *from, const char *to) { return link_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return link_at(a, from, b, to, flags); }

static int unlink_at(int folder, const char *given, int flags) {
    char path[PATH_MAX];
    CHANGE(syscall(SYS_unlinkat, folder, given, flags), flags & AT_REMOVEDIR ? REMOVED : UNLINKED, path, NULL,
           name_at(folder, given, path));
}
int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) { return unlink_at(folder, path, flags); }

static int make_at(int folder, const char *given, mode_t mode) {
    char path[PATH_MAX];
    CHANGE(syscall(SYS_mkdirat, folder, given, mode), MADE, path, NULL, name_at(folder, given, path));
}
int mkdir(const char *path, mode_t mode) { return make_at(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return make_at(folder, path, mode); }

/* Ways to change a file that the log has no form for: said aloud, so that no image is wrong in silence. */
static void unknown(int fd, const char *what) {
    char path[PATH_MAX];
    if (!name_of(fd, path)) return;
    pthread_mutex_lock(&order);
    record(UNKNOWN, path, what, 0, 0, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    unknown(out, "sendfile");
    return syscall(SYS_sendfile, out, in, offset, count);
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) { return sendfile(out, in, offset, count); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
    unknown(out, "copy_file_range");
    return syscall(SYS_copy_file_range, in, from, out, to, count, flags);
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
    unknown(fd, "fallocate");
    return syscall(SYS_fallocate, fd, mode, offset, length);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }
