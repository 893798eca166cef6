/* Loaded into the program by LD_PRELOAD: for each of its threads, how much processor time passes
 * between two looks at its sockets.
 *
 * A look is a call that waits for any of them or reads from one: there others can have their turn.
 * What a thread computes from the end of one look to the beginning of the next is a slice, which
 * nobody interrupts. It is told in the thread's own processor time, so that what else the machine
 * does is no part of it. The figures are in the file SLICES, which whoever measures reads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 255, STEPS = 24 };

/* As benches/turns/slices.rs has it: 32 numbers of 64 bits each. */
struct thread {
    uint64_t round, id, bytes, looks, longest, over_5_ms, all, unused;
    uint64_t by_length[STEPS]; /* so many of less than 2^n microseconds */
};
struct page {
    uint64_t round; /* whoever measures counts it up: figures begin again */
    uint64_t threads;
    uint64_t unused[30];
    struct thread thread[THREADS];
};

static struct page *page;
static __thread struct thread *own;
static __thread uint64_t since;

static uint64_t busy(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SLICES");
    int file = path ? open(path, O_RDWR) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) page = mapped;
    close(file);
}

static void look_begins(void) {
    if (!page) return;
    if (!own) {
        uint64_t number = __sync_fetch_and_add(&page->threads, 1);
        own = &page->thread[number < THREADS ? number : THREADS - 1];
        own->id = (uint64_t)syscall(SYS_gettid);
        own->round = page->round;
        since = busy();
    }
    uint64_t slice = busy() - since;
    if (own->round != page->round) {
        own->round = page->round;
        own->bytes = own->looks = own->longest = own->over_5_ms = own->all = 0;
        for (int step = 0; step < STEPS; step++) own->by_length[step] = 0;
        slice = 0; /* it began in the round before */
    }
    own->looks++;
    own->all += slice;
    if (slice > own->longest) own->longest = slice;
    if (slice > 5000000) own->over_5_ms++;
    int step = 0;
    while (step < STEPS - 1 && slice >= (1000ull << step)) step++;
    own->by_length[step]++;
}

static void look_ends(ssize_t bytes) {
    if (!page) return;
    if (bytes > 0) own->bytes += (uint64_t)bytes;
    since = busy();
}

#define LOOK(type, name, parameters, arguments, bytes)         \
    type name parameters {                                     \
        static type(*next) parameters;                         \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);  \
        look_begins();                                         \
        type found = next arguments;                           \
        look_ends(bytes);                                      \
        return found;                                          \
    }

LOOK(int, epoll_wait, (int it, struct epoll_event *events, int most, int timeout),
     (it, events, most, timeout), 0)
LOOK(int, epoll_pwait,
     (int it, struct epoll_event *events, int most, int timeout, const sigset_t *mask),
     (it, events, most, timeout, mask), 0)
LOOK(ssize_t, recv, (int it, void *data, size_t size, int flags), (it, data, size, flags), found)
LOOK(ssize_t, recvfrom,
     (int it, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length),
     (it, data, size, flags, from, length), found)
LOOK(ssize_t, recvmsg, (int it, struct msghdr *message, int flags), (it, message, flags), found)
LOOK(ssize_t, readv, (int it, const struct iovec *parts, int count), (it, parts, count), found)
