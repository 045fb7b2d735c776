// HDF5: the files that Keras keeps weights in. With functions for what are macros there.
#include <hdf5.h>

static inline hid_t modelfs_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t modelfs_h5_default(void) { return H5P_DEFAULT; }
static inline hid_t modelfs_h5_error_stack(void) { return H5E_DEFAULT; }
static inline hid_t modelfs_h5_c_string(void) { return H5T_C_S1; }
static inline size_t modelfs_h5_variable(void) { return H5T_VARIABLE; }
static inline hsize_t modelfs_h5_no_address(void) { return HADDR_UNDEF; }
static inline unsigned modelfs_h5_read_only(void) { return H5F_ACC_RDONLY; }
