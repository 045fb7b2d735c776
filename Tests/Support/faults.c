// Faults at random on mapped files, from many threads, and checks what it finds.
//
//   faults SECONDS SEED THREADS PAUSE_MICROSECONDS PATH...
//
// Each page of file N begins with two numbers of 64 bits: N, and the number of the page. A thread
// maps one of the files, touches some pages of it, and lets go of it; every second mapping is
// advised as random, so that the kernel asks for single pages. Prints a line of JSON: touches,
// wrong pages, the longest touch, and the fewest touches of a thread.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, TOUCHES = 24, THREADS_MAX = 64 };

static char **paths;
static int path_count, pause_microseconds;
static double end;

struct share {
    pthread_t thread;
    uint64_t state, touches, wrong;
    double longest;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static uint64_t step(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void *fault(void *argument) {
    struct share *share = argument;
    while (now() < end) {
        uint64_t number = step(&share->state) % (uint64_t)path_count;
        int file = open(paths[number], O_RDONLY);
        struct stat facts;
        if (file < 0 || fstat(file, &facts)) {
            perror(paths[number]);
            exit(1);
        }
        uint64_t pages = (uint64_t)facts.st_size / PAGE;
        void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (bytes == MAP_FAILED) exit(1);
        if (step(&share->state) & 1) madvise(bytes, (size_t)facts.st_size, MADV_RANDOM);
        for (int index = 0; index < TOUCHES && now() < end; index++) {
            uint64_t page = step(&share->state) % pages;
            const volatile uint64_t *place =
                (const volatile uint64_t *)((char *)bytes + page * PAGE);
            double began = now();
            if (place[0] != number || place[1] != page) share->wrong++;
            double took = now() - began;
            if (took > share->longest) share->longest = took;
            share->touches++;
            usleep((unsigned)pause_microseconds);
        }
        munmap(bytes, (size_t)facts.st_size);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 6) return 2;
    end = now() + atof(words[1]);
    uint64_t seed = strtoull(words[2], NULL, 10);
    int threads = atoi(words[3]);
    pause_microseconds = atoi(words[4]);
    paths = words + 5;
    path_count = count - 5;
    if (threads < 1 || threads > THREADS_MAX) return 2;
    struct share shares[THREADS_MAX] = {{0}};
    for (int index = 0; index < threads; index++) {
        shares[index].state = (seed + 1) * 2654435761u + (uint64_t)index * 40503 + 1;
        if (pthread_create(&shares[index].thread, NULL, fault, &shares[index])) return 1;
    }
    struct share all = {0};
    uint64_t fewest = UINT64_MAX;
    for (int index = 0; index < threads; index++) {
        pthread_join(shares[index].thread, NULL);
        all.touches += shares[index].touches;
        all.wrong += shares[index].wrong;
        if (shares[index].longest > all.longest) all.longest = shares[index].longest;
        if (shares[index].touches < fewest) fewest = shares[index].touches;
    }
    printf("{\"touches\": %llu, \"wrong\": %llu, \"longest\": %.4f, \"fewest\": %llu}\n",
           (unsigned long long)all.touches, (unsigned long long)all.wrong, all.longest,
           (unsigned long long)fewest);
    return 0;
}
