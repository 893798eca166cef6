/* Loaded into the program by LD_PRELOAD: has calls on the log fail while a file says so, and
 * "configuration", the reading of that, and "thread", the start of one.
 *
 * The folder FAULTS has a file with the name of each call that fails; in it, the error's number,
 * or a word: then the call waits until the file is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The error that is ordered for this call, or 0. */
static int ordered(const char *call) {
    char order[4096];
    if (!getenv("FAULTS")) return 0;
    snprintf(order, sizeof order, "%s/%s", getenv("FAULTS"), call);
    FILE *file = fopen(order, "r");
    if (!file) return 0;
    int error = 0;
    int given = fscanf(file, "%d", &error);
    fclose(file);
    if (given != 1) {
        while (access(order, F_OK) == 0) usleep(10000);
        return 0;
    }
    return error;
}

static int fails_on(const char *name, const char *call, int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1), end = strlen(name);
    if (length < end || memcmp(path + length - end, name, end) != 0) return 0;
    int error = ordered(call);
    if (error) errno = error;
    return error;
}

static int fails(const char *call, int fd) { return fails_on("/db", call, fd); }

int fsync(int fd) { return fails("fsync", fd) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) {
    int failed = fails("fsync", fd) || fails("fdatasync", fd);
    return failed ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    return fails("write", fd) ? -1 : syscall(SYS_pwrite64, fd, data, length, at);
}

ssize_t read(int fd, void *data, size_t length) {
    int failed = fails("read", fd) || fails_on("/component.toml", "configuration", fd);
    return failed ? -1 : syscall(SYS_read, fd, data, length);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t at) {
    return fails("read", fd) ? -1 : syscall(SYS_pread64, fd, data, length, at);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *),
                   void *with) {
    int (*start)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        dlsym(RTLD_NEXT, "pthread_create");
    int error = ordered("thread");
    return error ? error : start(thread, attributes, work, with);
}
