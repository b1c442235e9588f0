/* Stands between a process and the C library (LD_PRELOAD), and can
 *   - put on a tape what is done to the files of one folder, flushes included, and what was told;
 *   - let the n-th I/O call on them fail, once or for as long as some file exists; of the later ones
 *     all, or the reads only, or only reads of what that call was to read, as with a bad block;
 *   - kill the process before the n-th call that changes anything outside it;
 *   - let fsync and fdatasync lie.
 * It does nothing until power_store() or, for a program of its own, POWER_STORE says which folder.
 * tests/power/shim.py has the same names in Python and says what the tape looks like. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536 /* descriptors looked after: a test opens some dozens */

enum { FOREIGN, STORE }; /* whose file a descriptor is */

static char folder[PATH_MAX];
static size_t folder_length;
static unsigned char owner[FILES];
static int tape = -1, tape_has_data;
static long calls, effects;       /* I/O calls on the store; calls that change something anywhere */
static long fail_at, kill_at;     /* 0: never */
static int fail_with;             /* errno, or 0 for a short write */
static char fail_while[PATH_MAX]; /* later calls fail too as long as this file is there */
enum { ANY, READS, PLACE };
static int fail_what = ANY; /* which calls: a disk that is gone, that only writes, a bad block */
static struct {
    dev_t device;
    ino_t inode;
    off_t from, to;
} bad;
static int lies;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* One record of the tape: this head, then `text` bytes of a name, then `data` bytes. */
struct head {
    char op;
    char pad[3];
    int32_t descriptor;
    uint64_t at;   /* offset, or flags of an open */
    uint64_t size; /* bytes written, cut or reserved, whether or not they are on the tape */
    uint32_t text;
    uint32_t data;
};

static void put(const void *what, size_t size) {
    const char *from = what;
    while (size > 0) {
        ssize_t done = syscall(SYS_write, tape, from, size);
        if (done < 0) {
            if (errno == EINTR) continue;
            abort(); /* a tape with holes would prove nothing */
        }
        from += done;
        size -= (size_t)done;
    }
}

static void record(char op, int descriptor, uint64_t at, uint64_t size, const char *text,
                   const void *data) {
    if (tape < 0) return;
    int saved = errno;
    struct head head = {.op = op, .descriptor = descriptor, .at = at, .size = size};
    head.text = text ? (uint32_t)strlen(text) : 0;
    head.data = data && tape_has_data ? (uint32_t)size : 0;
    put(&head, sizeof head);
    put(text, head.text);
    put(data, head.data);
    errno = saved;
}

static int within(const char *path) {
    return folder_length && path && strncmp(path, folder, folder_length) == 0 &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

static int ours(int descriptor) {
    return descriptor >= 0 && descriptor < FILES && owner[descriptor] == STORE;
}

static int needs_room(char op) { return strchr("cwtaynr", op) != NULL; }

/* Count a call that changes something outside the process, and die before it if it is the one. */
static void effect(char op, const char *what) {
    if (!folder_length) return;
    pthread_mutex_lock(&turn);
    if (++effects == kill_at) {
        record('K', -1, 0, (uint64_t)op, what, NULL);
        syscall(SYS_kill, getpid(), SIGKILL);
    }
    pthread_mutex_unlock(&turn);
}

static int lasts(void) {
    return fail_while[0] && syscall(SYS_faccessat, AT_FDCWD, fail_while, F_OK) == 0;
}

enum { GO_ON, FAIL, SHORTEN };

/* What a call reads; nothing for one that does not read. */
struct reach {
    int descriptor;
    off_t from;
    size_t size;
};

/* Whether a read meets the bad block, which is made by the first call that is to fail. */
static int meets(struct reach reach) {
    struct stat status;
    if (fstat(reach.descriptor, &status) != 0) return 0;
    off_t to = reach.from + (off_t)reach.size;
    if (calls == fail_at) {
        bad.device = status.st_dev;
        bad.inode = status.st_ino;
        bad.from = reach.from;
        bad.to = to;
    }
    return status.st_dev == bad.device && status.st_ino == bad.inode && reach.from < bad.to &&
           bad.from < to;
}

/* Count an I/O call on the store, and say whether it is to fail. `op` is its letter on the tape. */
static int judged(char op, const char *what, struct reach reach) {
    pthread_mutex_lock(&turn);
    int found = GO_ON, saved = errno;
    ++calls;
    record('N', -1, (uint64_t)calls, (uint64_t)op, what, NULL);
    if (fail_at && (calls == fail_at || (calls > fail_at && lasts())) &&
        (fail_what == ANY || (op == 'p' && (fail_what == READS || meets(reach))))) {
        if (fail_with == 0)
            found = op == 'w' ? SHORTEN : GO_ON;
        else if (fail_with != ENOSPC || needs_room(op))
            found = FAIL;
    }
    if (found != GO_ON) record('F', -1, (uint64_t)calls, (uint64_t)op, what, NULL);
    pthread_mutex_unlock(&turn);
    errno = found == FAIL ? fail_with : saved;
    return found;
}

static int verdict(char op, const char *what) {
    return judged(op, what, (struct reach){.descriptor = -1});
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* --- What tests call --- */

void power_store(const char *path) {
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    calls = effects = 0;
}

void power_tape(const char *path, int with_data) {
    tape = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (tape < 0) abort();
    tape_has_data = with_data;
}

void power_mark(const char *text) {
    pthread_mutex_lock(&turn);
    record('A', -1, 0, 0, text, NULL);
    pthread_mutex_unlock(&turn);
}

void power_fail(long nth, int error, const char *as_long_as) {
    fail_at = nth;
    fail_with = error;
    strncpy(fail_while, as_long_as, sizeof fail_while - 1);
}

void power_fail_only(int what) { fail_what = what; }

void power_kill(long nth) { kill_at = nth; }

void power_lie(int on) { lies = on; }

__attribute__((constructor)) static void begin(void) {
    const char *store = getenv("POWER_STORE"), *path = getenv("POWER_TAPE");
    if (store) power_store(store);
    if (path) power_tape(path, 0);
}

/* --- Files --- */

static int opened(int descriptor, const char *path, int flags, int existed) {
    if (descriptor < 0 || descriptor >= FILES) return descriptor;
    pthread_mutex_lock(&turn);
    owner[descriptor] = STORE;
    record('o', descriptor, (uint64_t)(unsigned)flags, (uint64_t)existed, path, NULL);
    pthread_mutex_unlock(&turn);
    return descriptor;
}

static void unknown(int descriptor, const char *name) {
    if (!ours(descriptor)) return;
    pthread_mutex_lock(&turn);
    record('U', descriptor, 0, 0, name, NULL);
    pthread_mutex_unlock(&turn);
}

/* A name relative to a folder of the store would slip past within(). */
static void relative(int at, const char *path, const char *name) {
    if (path && path[0] != '/') unknown(at, name);
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
    relative(at, path, "openat");
    if (!within(path)) {
        if (flags & (O_CREAT | O_TRUNC)) effect('c', path);
        int descriptor = (int)syscall(SYS_openat, at, path, flags, mode);
        if (descriptor >= 0 && descriptor < FILES) owner[descriptor] = FOREIGN;
        return descriptor;
    }
    struct stat status;
    int saved = errno, existed = stat(path, &status) == 0;
    errno = saved;
    char op = !existed && flags & O_CREAT ? 'c' : 'o';
    if (op == 'c' || flags & O_TRUNC) effect(op, path);
    if (verdict(op, path) == FAIL) return -1;
    return opened((int)syscall(SYS_openat, at, path, flags, mode), path, flags, existed);
}

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) {
    MODE return do_open(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE return do_open(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE return do_open(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE return do_open(at, path, flags | O_LARGEFILE, mode);
}
int creat(const char *path, mode_t mode) {
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) {
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode);
}

int close(int descriptor) {
    if (ours(descriptor)) {
        pthread_mutex_lock(&turn);
        owner[descriptor] = FOREIGN;
        record('x', descriptor, 0, 0, NULL, NULL);
        pthread_mutex_unlock(&turn);
    }
    return (int)syscall(SYS_close, descriptor);
}

static ssize_t do_pwrite(int descriptor, const void *data, size_t size, off_t at) {
    effect('w', NULL);
    if (!ours(descriptor)) return syscall(SYS_pwrite64, descriptor, data, size, at);
    switch (verdict('w', NULL)) {
    case FAIL: return -1;
    case SHORTEN: size = (size + 1) / 2;
    }
    pthread_mutex_lock(&turn);
    ssize_t done = syscall(SYS_pwrite64, descriptor, data, size, at);
    if (done > 0) record('w', descriptor, (uint64_t)at, (uint64_t)done, NULL, data);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    return do_pwrite(descriptor, data, size, at);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) {
    return do_pwrite(descriptor, data, size, at);
}

ssize_t write(int descriptor, const void *data, size_t size) {
    effect('w', NULL);
    if (!ours(descriptor)) return syscall(SYS_write, descriptor, data, size);
    switch (verdict('w', NULL)) {
    case FAIL: return -1;
    case SHORTEN: size = (size + 1) / 2;
    }
    pthread_mutex_lock(&turn);
    ssize_t done = syscall(SYS_write, descriptor, data, size);
    if (done > 0) {
        off_t end = lseek(descriptor, 0, SEEK_CUR); /* right for O_APPEND too */
        record('w', descriptor, (uint64_t)(end - done), (uint64_t)done, NULL, data);
    }
    pthread_mutex_unlock(&turn);
    return done;
}

static ssize_t do_pread(int descriptor, void *data, size_t size, off_t at) {
    struct reach reach = {descriptor, at, size};
    if (ours(descriptor) && judged('p', NULL, reach) == FAIL) return -1;
    return syscall(SYS_pread64, descriptor, data, size, at);
}

ssize_t pread(int descriptor, void *data, size_t size, off_t at) {
    return do_pread(descriptor, data, size, at);
}
ssize_t pread64(int descriptor, void *data, size_t size, off64_t at) {
    return do_pread(descriptor, data, size, at);
}
ssize_t read(int descriptor, void *data, size_t size) {
    if (ours(descriptor)) {
        struct reach reach = {descriptor, lseek(descriptor, 0, SEEK_CUR), size};
        if (judged('p', NULL, reach) == FAIL) return -1;
    }
    return syscall(SYS_read, descriptor, data, size);
}

static int flush(int descriptor, long number) {
    effect('y', NULL);
    if (!ours(descriptor)) return (int)syscall(number, descriptor);
    if (verdict('y', NULL) == FAIL) return -1;
    if (lies) return 0;
    pthread_mutex_lock(&turn);
    record('s', descriptor, 0, 0, NULL, NULL); /* what is written from now on is not in it */
    pthread_mutex_unlock(&turn);
    int result = (int)syscall(number, descriptor);
    pthread_mutex_lock(&turn);
    if (result == 0) record('y', descriptor, 0, 0, NULL, NULL);
    pthread_mutex_unlock(&turn);
    return result;
}

int fsync(int descriptor) { return flush(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return flush(descriptor, SYS_fdatasync); }

static int do_truncate(int descriptor, off_t size) {
    effect('t', NULL);
    if (!ours(descriptor)) return (int)syscall(SYS_ftruncate, descriptor, size);
    if (verdict('t', NULL) == FAIL) return -1;
    pthread_mutex_lock(&turn);
    int result = (int)syscall(SYS_ftruncate, descriptor, size);
    if (result == 0) record('t', descriptor, 0, (uint64_t)size, NULL, NULL);
    pthread_mutex_unlock(&turn);
    return result;
}

int ftruncate(int descriptor, off_t size) { return do_truncate(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return do_truncate(descriptor, size); }

static int do_allocate(int descriptor, int mode, off_t at, off_t size) {
    effect('a', NULL);
    if (!ours(descriptor)) return (int)syscall(SYS_fallocate, descriptor, mode, at, size);
    if (verdict('a', NULL) == FAIL) return -1;
    pthread_mutex_lock(&turn);
    int result = (int)syscall(SYS_fallocate, descriptor, mode, at, size);
    if (result == 0) record(mode ? 'U' : 'a', descriptor, (uint64_t)at, (uint64_t)size, NULL, NULL);
    pthread_mutex_unlock(&turn);
    return result;
}

int fallocate(int descriptor, int mode, off_t at, off_t size) {
    return do_allocate(descriptor, mode, at, size);
}
int fallocate64(int descriptor, int mode, off64_t at, off64_t size) {
    return do_allocate(descriptor, mode, at, size);
}
int posix_fallocate(int descriptor, off_t at, off_t size) {
    return do_allocate(descriptor, 0, at, size) == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off64_t at, off64_t size) {
    return do_allocate(descriptor, 0, at, size) == 0 ? 0 : errno;
}

/* --- Names --- */

int unlinkat(int at, const char *path, int flags) {
    effect('n', path);
    relative(at, path, "unlinkat");
    if (!within(path)) return (int)syscall(SYS_unlinkat, at, path, flags);
    if (verdict('d', path) == FAIL) return -1;
    pthread_mutex_lock(&turn);
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (result == 0) record('n', -1, 0, 0, path, NULL);
    pthread_mutex_unlock(&turn);
    return result;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    effect('r', from);
    relative(from_at, from, "renameat");
    relative(to_at, to, "renameat");
    if (!within(from) && !within(to))
        return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (verdict('r', from) == FAIL) return -1;
    pthread_mutex_lock(&turn);
    int result = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (result == 0) {
        record(flags ? 'U' : 'r', -1, 0, 0, from, NULL);
        record('R', -1, 0, 0, to, NULL);
    }
    pthread_mutex_unlock(&turn);
    return result;
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    return renameat2(from_at, from, to_at, to, 0);
}
int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* --- What leaves by a wire --- */

ssize_t send(int descriptor, const void *data, size_t size, int flags) {
    effect('e', NULL);
    return syscall(SYS_sendto, descriptor, data, size, flags, NULL, 0);
}
ssize_t sendto(int descriptor, const void *data, size_t size, int flags,
               const struct sockaddr *to, socklen_t length) {
    effect('e', NULL);
    return syscall(SYS_sendto, descriptor, data, size, flags, to, length);
}
ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    effect('e', NULL);
    return syscall(SYS_sendmsg, descriptor, message, flags);
}

/* --- What the model of a disk does not know: said on the tape, so that nobody trusts it --- */

static int strange(const char *path, const char *name, long result) {
    if (result != 0 || !within(path)) return (int)result;
    pthread_mutex_lock(&turn);
    record('U', -1, 0, 0, name, NULL);
    pthread_mutex_unlock(&turn);
    return 0;
}

int truncate(const char *path, off_t size) {
    effect('t', path);
    return strange(path, "truncate", syscall(SYS_truncate, path, size));
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }
int link(const char *from, const char *to) {
    effect('r', from);
    return strange(to, "link", syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int symlink(const char *from, const char *to) {
    effect('r', from);
    return strange(to, "symlink", syscall(SYS_symlinkat, from, AT_FDCWD, to));
}
int mkdir(const char *path, mode_t mode) {
    effect('c', path);
    return strange(path, "mkdir", syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
void *mmap(void *where, size_t size, int rights, int flags, int descriptor, off_t at) {
    if (rights & PROT_WRITE && flags & MAP_SHARED) unknown(descriptor, "mmap");
    return (void *)syscall(SYS_mmap, where, size, rights, flags, descriptor, at);
}
void *mmap64(void *where, size_t size, int rights, int flags, int descriptor, off64_t at) {
    return mmap(where, size, rights, flags, descriptor, at);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    effect('w', NULL);
    unknown(descriptor, "writev");
    return syscall(SYS_writev, descriptor, parts, count);
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t at) {
    NEXT(pwritev);
    effect('w', NULL);
    unknown(descriptor, "pwritev");
    return next(descriptor, parts, count, at);
}
ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    effect('w', NULL);
    unknown(to, "sendfile");
    return syscall(SYS_sendfile, to, from, at, size);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    effect('w', NULL);
    unknown(to, "sendfile");
    return syscall(SYS_sendfile, to, from, at, size);
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                        unsigned flags) {
    effect('w', NULL);
    unknown(to, "copy_file_range");
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, size, flags);
}
