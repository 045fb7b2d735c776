// SQLite: metadata that survives a restart.
#include <sqlite3.h>
