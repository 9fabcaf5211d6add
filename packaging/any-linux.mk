# The same code for other Linux systems than this one. Included by the Makefile.

# The command as one file for any Linux image, with manual pages, completions and checksums, in $(TARGET)/static.
.PHONY: static
static:
	packaging/static $(ARCH)

# The shared library for systems down to this glibc, in $(TARGET)/portable.
GLIBC ?= 2.17
.PHONY: lib-portable
lib-portable:
	packaging/portable $(GLIBC)
