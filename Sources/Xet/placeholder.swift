// Xet.
