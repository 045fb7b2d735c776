// libmicrohttpd, and its variadic functions once in the form that is used: Swift imports no
// variadics.
#pragma once
#include <microhttpd.h>
#include <sys/socket.h>

// Starts a daemon with a thread for each connection, on a socket that listens already.
static inline struct MHD_Daemon *modelfs_mhd_start(
    int listening_socket, unsigned int connection_count_max, unsigned int idle_seconds,
    size_t memory_byte_count, size_t stack_byte_count, void *context,
    MHD_AccessHandlerCallback handle, void *(*begin)(void *, const char *, struct MHD_Connection *),
    MHD_RequestCompletedCallback end, MHD_NotifyConnectionCallback watch) {
    return MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC,
        0, NULL, NULL, handle, context, MHD_OPTION_LISTEN_SOCKET, listening_socket,
        MHD_OPTION_CONNECTION_LIMIT, connection_count_max, MHD_OPTION_CONNECTION_TIMEOUT,
        idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory_byte_count,
        MHD_OPTION_THREAD_STACK_SIZE, stack_byte_count, MHD_OPTION_URI_LOG_CALLBACK, begin,
        context, MHD_OPTION_NOTIFY_COMPLETED, end, context, MHD_OPTION_NOTIFY_CONNECTION, watch,
        context, MHD_OPTION_END);
}

// How long the connection may be silent; 0 for as long as it likes.
static inline void modelfs_mhd_set_idle_seconds(
    struct MHD_Connection *connection, unsigned int seconds) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

// The connection's socket, which stays the library's; -1 if it has none.
static inline int modelfs_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

// The caller's address; NULL if it is not known.
static inline const struct sockaddr *modelfs_mhd_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

// A macro of two casts.
static inline uint64_t modelfs_mhd_size_unknown(void) { return MHD_SIZE_UNKNOWN; }
