// The least that a FUSE server can be: one file, from memory, whose pages are kept between opens.
//
//   cachedserver SOURCE MOUNTPOINT
//
// The yardstick of what the kernel itself costs where it does not read the files by passthrough.
// libfuse's own threads answer; READs are answered out of memory without a copy in between.
#define FUSE_USE_VERSION 34
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name[] = "model.safetensors";
static const double lasting = 3600;
static char *bytes;
static size_t size;

static void describe(fuse_ino_t node, struct stat *facts) {
    memset(facts, 0, sizeof *facts);
    facts->st_ino = node;
    facts->st_mode = node == 1 ? S_IFDIR | 0555 : S_IFREG | 0444;
    facts->st_nlink = 1;
    facts->st_size = node == 1 ? 0 : (off_t)size;
}

static void look_up(fuse_req_t request, fuse_ino_t parent, const char *wanted) {
    struct fuse_entry_param entry = {.ino = 2, .attr_timeout = lasting, .entry_timeout = lasting};
    if (parent != 1 || strcmp(wanted, name)) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    describe(2, &entry.attr);
    fuse_reply_entry(request, &entry);
}

static void get_attributes(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info) {
    (void)info;
    struct stat facts;
    describe(node, &facts);
    fuse_reply_attr(request, &facts, lasting);
}

static void open_file(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info) {
    (void)node;
    info->keep_cache = 1;
    fuse_reply_open(request, info);
}

static void read_file(fuse_req_t request, fuse_ino_t node, size_t count, off_t place,
                      struct fuse_file_info *info) {
    (void)node;
    (void)info;
    size_t start = (size_t)place < size ? (size_t)place : size;
    fuse_reply_buf(request, bytes + start, count < size - start ? count : size - start);
}

static void begin(void *data, struct fuse_conn_info *connection) {
    (void)data;
    connection->max_background = 256;
    connection->congestion_threshold = 192;
}

int main(int count, char **words) {
    if (count != 3) return 2;
    int source = open(words[1], O_RDONLY);
    struct stat facts;
    if (source < 0 || fstat(source, &facts)) return 1;
    size = (size_t)facts.st_size;
    bytes = malloc(size);
    for (size_t place = 0; place < size;) {
        ssize_t got = pread(source, bytes + place, size - place, (off_t)place);
        if (got <= 0) return 1;
        place += (size_t)got;
    }
    close(source);
    char *options[] = {words[0], "-o", "ro,fsname=cachedserver"};
    struct fuse_args arguments = FUSE_ARGS_INIT(3, options);
    const struct fuse_lowlevel_ops operations = {
        .init = begin, .lookup = look_up, .getattr = get_attributes, .open = open_file,
        .read = read_file};
    struct fuse_session *session =
        fuse_session_new(&arguments, &operations, sizeof operations, NULL);
    if (!session || fuse_session_mount(session, words[2])) return 1;
    struct fuse_loop_config loop = {.clone_fd = 0, .max_idle_threads = 10};
    int result = fuse_session_loop_mt(session, &loop);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return result != 0;
}
