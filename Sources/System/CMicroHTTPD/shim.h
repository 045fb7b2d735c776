// libmicrohttpd: the HTTP server of the local Hub.
#include <microhttpd.h>
