// Giving up what a process does not need, by the kernel's own calls: Landlock, capabilities, prctl.
#define _GNU_SOURCE
#include "CShims.h"
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Source: include/uapi/linux/landlock.h of Linux 6.12, newer than the headers of many systems;
// the numbers of the calls are the same on every architecture.
enum {
    call_create_ruleset = 444,
    call_add_rule = 445,
    call_restrict_self = 446,
    create_ruleset_version = 1,
    rule_net_port = 2,
};

static const uint64_t access_bind_tcp = 1;
static const uint64_t scope_abstract_sockets = 1, scope_signals = 2;

struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

struct port_rule {
    uint64_t access;
    uint64_t port;
};

int modelfs_landlock_version(void) {
    long version = syscall(call_create_ruleset, NULL, (size_t)0, create_ruleset_version);
    return version > 0 ? (int)version : 0;
}

int modelfs_landlock_restrict(int version, int port) {
    struct ruleset rules = {.net = access_bind_tcp};
    size_t size = offsetof(struct ruleset, scoped);
    if (version >= 6) {
        rules.scoped = scope_abstract_sockets | scope_signals;
        size = sizeof rules;
    }
    int set = (int)syscall(call_create_ruleset, &rules, size, 0);
    if (set < 0) return -1;
    struct port_rule rule = {.access = access_bind_tcp, .port = (uint64_t)port};
    long code = port < 0 ? 0 : syscall(call_add_rule, set, rule_net_port, &rule, 0);
    if (code == 0) code = syscall(call_restrict_self, set, 0);
    int error = errno;
    close(set);
    errno = error;
    return code == 0 ? 0 : -1;
}

int modelfs_set_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
}

int modelfs_has_no_new_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L);
}

static int get_capabilities(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(SYS_capget, &header, data);
}

int modelfs_capabilities(unsigned long long *permitted) {
    struct __user_cap_data_struct data[2] = {0};
    if (get_capabilities(data) != 0) return -1;
    *permitted = data[0].permitted | (unsigned long long)data[1].permitted << 32;
    return 0;
}

int modelfs_keep_capabilities(unsigned long long kept) {
    // First, since it takes CAP_SETPCAP. Without that the bounding set stays as whoever started
    // this process chose it, which is an error only if there is more in it than is kept.
    for (int number = 0; number < 64; number++) {
        int held = prctl(PR_CAPBSET_READ, (long)number, 0L, 0L, 0L);
        if (held < 0) break;
        if (held == 0 || kept >> number & 1) continue;
        if (prctl(PR_CAPBSET_DROP, (long)number, 0L, 0L, 0L) != 0) return -1;
    }
    (void)prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
    struct __user_cap_data_struct data[2] = {0};
    if (get_capabilities(data) != 0) return -1;
    uint32_t given_up = 0;
    for (int half = 0; half < 2; half++) {
        uint32_t mask = (uint32_t)(kept >> (32 * half));
        given_up |= (data[half].permitted | data[half].inheritable) & ~mask;
        data[half].permitted &= mask;
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    // A service manager that left no more than that may also forbid the call.
    if (given_up == 0) return 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(SYS_capset, &header, data);
}
