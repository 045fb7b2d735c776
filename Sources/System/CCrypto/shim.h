// libcrypto of OpenSSL: message digests only.
#include <openssl/evp.h>
#include <openssl/sha.h>
