// What could be done from within a daemon by who has taken it over, preloaded: when the file
// MODELFS_TEST_CAPTIVE is there, the next read of the cache by one of the daemon's threads tries
// what its words say, and leaves a line for each in that file's name with ".said": the word, and 0
// or the errno.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int told(int code) {
    return code < 0 ? errno : 0;
}

static int bind_port(long port) {
    int ear = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int error = told(bind(ear, (struct sockaddr *)&address, sizeof address));
    close(ear);
    return error;
}

static int reach_abstract(const char *name) {
    int voice = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int error = told(connect(voice, (struct sockaddr *)&address, size));
    close(voice);
    return error;
}

static int attempt(const char *word) {
    const char *value = strchr(word, '=') ? strchr(word, '=') + 1 : "0";
    if (!strncmp(word, "bind=", 5)) return bind_port(atol(value));
    if (!strncmp(word, "signal=", 7)) return told(kill((pid_t)atol(value), SIGUSR2));
    if (!strncmp(word, "abstract=", 9)) return reach_abstract(value);
    if (!strncmp(word, "own=", 4)) return told(chown(value, 65534, 65534));
    if (!strcmp(word, "raw")) return told(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
    if (!strcmp(word, "root")) return told(chroot("/"));
    return ENOSYS;
}

static void consider(void) {
    const char *path = getenv("MODELFS_TEST_CAPTIVE");
    char taken[4096], said[4096], text[2048] = {0};
    if (!path) return;
    snprintf(taken, sizeof taken, "%s.taken", path);
    if (rename(path, taken) != 0) return;
    int order = open(taken, O_RDONLY | O_CLOEXEC);
    if (order < 0) return;
    ssize_t count = read(order, text, sizeof text - 1);
    close(order);
    FILE *answer = fopen(taken, "we");
    if (!answer || count <= 0) return;
    char *rest = NULL;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        fprintf(answer, "%s %d\n", word, attempt(word));
    fclose(answer);
    // Whoever waits sees all of it at once.
    snprintf(said, sizeof said, "%s.said", path);
    (void)!rename(taken, said);
}

ssize_t pread(int file, void *room, size_t count, off_t offset) {
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next) next = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    consider();
    return next(file, room, count, offset);
}

ssize_t preadv(int file, const struct iovec *vectors, int count, off_t offset) {
    static ssize_t (*next)(int, const struct iovec *, int, off_t);
    if (!next) next = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "preadv");
    consider();
    return next(file, vectors, count, offset);
}
