// Reads or maps one file as a model server does, and says how long it took, as a line of JSON.
//
//   probe KIND PATH [THREADS [TENSOR_BYTES [stalls]]]
//
// read      read(2) of 1 MiB, in order
// map       a byte of each page of a mapping, in order
// tensors   a byte of each page, tensor by tensor in a shuffled order that is always the same;
//           each thread takes the next tensor
// random    2,000 single pages by pread, far from each other
// hold      opens and maps the file, says so, and then does what each line of its input names
//           (read, map, tensors) through that descriptor and that mapping
//
// The clock starts before open and stops when the last byte was touched; unmapping and closing are
// not in it; "ended" is when it stopped (CLOCK_MONOTONIC). "sum" is the sum of the bytes that were
// touched, so that two ways can be compared.
// With "stalls" each touch is timed: the longest one of each thread after its first is told.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PIECE = 1 << 20, RANDOM_READS = 2000, THREADS_MAX = 64 };

struct work {
    const unsigned char *bytes;
    size_t size, tensor;
    uint32_t *order;
    uint32_t count;
    atomic_uint next;
    int timed;
};

struct share {
    struct work *work;
    pthread_t thread;
    uint64_t sum;
    double first, longest;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t step(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void *touch(void *argument) {
    struct share *share = argument;
    struct work *work = share->work;
    uint64_t sum = 0;
    for (;;) {
        uint32_t index = atomic_fetch_add(&work->next, 1);
        if (index >= work->count) break;
        size_t start = (size_t)work->order[index] * work->tensor;
        size_t end = start + work->tensor < work->size ? start + work->tensor : work->size;
        for (size_t place = start; place < end; place += PAGE) {
            if (!work->timed) {
                sum += *(const volatile unsigned char *)(work->bytes + place);
                continue;
            }
            double began = now();
            sum += *(const volatile unsigned char *)(work->bytes + place);
            double took = now() - began;
            if (share->first == 0) share->first = took;
            else if (took > share->longest) share->longest = took;
        }
    }
    share->sum = sum;
    return NULL;
}

static uint64_t touch_all(const unsigned char *bytes, size_t size, int shuffled, int threads,
                          size_t tensor, int timed, double *first, double *longest) {
    struct work work = {.bytes = bytes, .size = size, .tensor = tensor, .timed = timed};
    work.count = (uint32_t)((size + tensor - 1) / tensor);
    work.order = malloc(sizeof *work.order * work.count);
    for (uint32_t index = 0; index < work.count; index++) work.order[index] = index;
    uint64_t state = 88172645463325252u;
    for (uint32_t index = work.count; shuffled && index > 1; index--) {
        uint32_t other = (uint32_t)(step(&state) % index), kept = work.order[index - 1];
        work.order[index - 1] = work.order[other];
        work.order[other] = kept;
    }
    struct share shares[THREADS_MAX] = {{0}};
    for (int index = 0; index < threads; index++) {
        shares[index].work = &work;
        if (threads == 1) touch(&shares[index]);
        else if (pthread_create(&shares[index].thread, NULL, touch, &shares[index])) fail("thread");
    }
    uint64_t sum = 0;
    for (int index = 0; index < threads; index++) {
        if (threads > 1) pthread_join(shares[index].thread, NULL);
        sum += shares[index].sum;
        if (shares[index].first > *first) *first = shares[index].first;
        if (shares[index].longest > *longest) *longest = shares[index].longest;
    }
    free(work.order);
    return sum;
}

static uint64_t read_all(int file, size_t size) {
    static unsigned char buffer[PIECE] __attribute__((aligned(PAGE)));
    uint64_t sum = 0;
    for (size_t place = 0; place < size;) {
        ssize_t count = pread(file, buffer, PIECE, (off_t)place);
        if (count <= 0) fail("read");
        for (ssize_t index = 0; index < count; index += PAGE) sum += buffer[index];
        place += (size_t)count;
    }
    return sum;
}

static uint64_t read_random(int file, size_t size) {
    unsigned char buffer[PAGE];
    uint64_t sum = 0, state = 1181783497276652981u;
    posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    for (int index = 0; index < RANDOM_READS; index++) {
        off_t place = (off_t)(step(&state) % (size / PAGE)) * PAGE;
        if (pread(file, buffer, PAGE, place) != PAGE) fail("read");
        sum += buffer[0];
    }
    return sum;
}

static const unsigned char *map_file(int file, size_t size) {
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    return bytes;
}

static void tell(double seconds, uint64_t sum, double first, double longest) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"seconds\": %.9f, \"ended\": %.9f, \"sum\": %llu, \"first\": %.6f,"
           " \"longest\": %.6f, \"faults\": %ld}\n", seconds, now(), (unsigned long long)sum,
           first, longest, usage.ru_minflt + usage.ru_majflt);
    fflush(stdout);
}

static void hold(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts)) fail(path);
    size_t size = (size_t)facts.st_size;
    const unsigned char *bytes = map_file(file, size);
    printf("held\n");
    fflush(stdout);
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        double first = 0, longest = 0;
        // Only the table of pages is dropped: the pages stay where they are.
        if (line[0] != 'r' && madvise((void *)bytes, size, MADV_DONTNEED)) fail("madvise");
        double began = now();
        uint64_t sum = line[0] == 'r'
            ? read_all(file, size)
            : touch_all(bytes, size, line[0] == 't', 1, 4 << 20, 0, &first, &longest);
        tell(now() - began, sum, first, longest);
    }
}

int main(int count, char **words) {
    if (count < 3) return 2;
    const char *kind = words[1], *path = words[2];
    int threads = count > 3 ? atoi(words[3]) : 1;
    size_t tensor = count > 4 ? strtoull(words[4], NULL, 10) : 4 << 20;
    if (threads < 1 || threads > THREADS_MAX || tensor < PAGE) return 2;
    if (!strcmp(kind, "hold")) {
        hold(path);
        return 0;
    }
    double first = 0, longest = 0, began = now();
    int file = open(path, O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts)) fail(path);
    size_t size = (size_t)facts.st_size;
    uint64_t sum;
    if (!strcmp(kind, "read")) sum = read_all(file, size);
    else if (!strcmp(kind, "random")) sum = read_random(file, size);
    else
        sum = touch_all(map_file(file, size), size, !strcmp(kind, "tensors"), threads, tensor,
                        count > 5, &first, &longest);
    tell(now() - began, sum, first, longest);
    return 0;
}
