// HDF5: the files that Keras keeps weights in.
#include <hdf5.h>
