// libcurl, and its variadic functions once for each kind of argument: Swift imports no variadics.
#pragma once
// One function is deprecated in favour of others that are used beside it here.
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>

static inline CURLcode modelfs_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode modelfs_curl_set_int64(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode modelfs_curl_set_pointer(CURL *easy, CURLoption option, const void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode modelfs_curl_set_write(
    CURL *easy, CURLoption option, size_t (*value)(char *, size_t, size_t, void *)) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode modelfs_curl_info_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode modelfs_curl_info_int64(CURL *easy, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode modelfs_curl_info_string(CURL *easy, CURLINFO info, char **value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode modelfs_curl_info_pointer(CURL *easy, CURLINFO info, void **value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLMcode modelfs_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode modelfs_curl_multi_set_pointer(
    CURLM *multi, CURLMoption option, void *value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode modelfs_curl_multi_set_socket(CURLM *multi, curl_socket_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, value);
}

static inline CURLMcode modelfs_curl_multi_set_timer(
    CURLM *multi, curl_multi_timer_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, value);
}

static inline CURLMcode modelfs_curl_multi_socket_all(CURLM *multi, int *running) {
    return curl_multi_socket_all(multi, running);
}

// The result of a finished transfer: the message keeps it in a union.
static inline CURLcode modelfs_curl_message_result(const CURLMsg *message) {
    return message->data.result;
}

// Function-like or cast macros that Swift does not import as the types they are compared with.
static inline size_t modelfs_curl_write_pause(void) { return CURL_WRITEFUNC_PAUSE; }
static inline long modelfs_curl_global_all(void) { return CURL_GLOBAL_ALL; }
