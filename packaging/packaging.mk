# What a release is made of beside the code: Debian packages, the HTML reference, the ABI baseline.

.PHONY: deb
deb: lib
	rm -rf $(TARGET)/deb
	mkdir -p $(TARGET)/deb/outlive-$(VERSION)
	cp -R packaging/debian $(TARGET)/deb/outlive-$(VERSION)/
	cd $(TARGET)/deb/outlive-$(VERSION) && OUTLIVE_SOURCE='$(CURDIR)' CARGO_TARGET_DIR='$(abspath $(TARGET))' dpkg-buildpackage --build=binary --no-sign
	@ls $(TARGET)/deb/*.deb

# The command as one file for any Linux image, with manual pages, completions and checksums, in $(TARGET)/static.
.PHONY: static
static:
	packaging/static $(ARCH)

# The HTML reference of outlive.h and outlive.hpp, in $(TARGET)/docs/html.
.PHONY: docs
docs:
	mkdir -p $(TARGET)/docs
	VERSION=$(VERSION) OUT=$(TARGET)/docs doxygen packaging/Doxyfile
	@echo $(TARGET)/docs/html/index.html

# Fuzzes every target, SECONDS in all; `make fuzz SECONDS=36000 TARGETS=httpd` by hand.
.PHONY: fuzz
fuzz:
	FUZZ_SECONDS='$(or $(SECONDS),60)' TARGETS='$(TARGETS)' fuzz/run

# The shared library for systems down to this glibc, in $(TARGET)/portable.
GLIBC ?= 2.17
.PHONY: lib-portable
lib-portable:
	packaging/portable $(GLIBC)
