// How a process gives up what it does not need: capabilities, privileges by exec, TCP ports,
// signals. All of it holds for the calling thread and for those that it starts later.
#pragma once

// The version of Landlock that the kernel has on, 0 for none.
int modelfs_landlock_version(void);
// From here on no TCP port is bound, but that one (-1: none at all; 0: whichever is free), and,
// where the version has it, no signal goes and no abstract Unix socket is reached out of what is
// confined. Nothing is changed for files, so mounting goes on. 0, or -1 and errno.
int modelfs_landlock_restrict(int version, int port);
// Exec gives no privileges that are not there already. 0, or -1 and errno.
int modelfs_set_no_new_privileges(void);
// Whether it is so: 1 or 0, or -1 and errno.
int modelfs_has_no_new_privileges(void);
// The permitted capabilities, a bit each. 0, or -1 and errno.
int modelfs_capabilities(unsigned long long *permitted);
// Gives up all capabilities but those, for what is started by exec as well. What was not there is
// not gained. 0, or -1 and errno.
int modelfs_keep_capabilities(unsigned long long kept);
