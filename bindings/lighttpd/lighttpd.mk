# lighttpd's mod_outlive. Debian has no package with lighttpd's headers: LIGHTTPD_SOURCE is the source of the very lighttpd that will load the module,
# as `apt-get source lighttpd` or `make lighttpd-source` brings it. Included by the Makefile.

LIGHTTPD_VERSION = $(shell lighttpd -v 2>/dev/null | sed -n 's|^lighttpd/\([0-9.]*\).*|\1|p')
LIGHTTPD_BUILD  := $(RELEASE)/lighttpd
LIGHTTPD_SOURCE ?= $(TARGET)/lighttpd/lighttpd-$(LIGHTTPD_VERSION)
LIGHTTPD_FILES  := $(addprefix bindings/lighttpd/,mod_outlive.c job.c wire.c streams.c status.c)
LIGHTTPD_RPATH  ?= $(abspath $(RELEASE))
LIGHTTPD_LINK    = -Wl,-rpath='$(LIGHTTPD_RPATH)'
LIGHTTPD_MODULES ?= /usr/lib/lighttpd
# What lighttpd's configure finds on Linux and its structures depend on; a source that was built has it all in config.h.
LIGHTTPD_LINUX  := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DHAVE_STDINT_H -DHAVE_INTTYPES_H -DHAVE_SYS_TIME_H -DHAVE_LOCALTIME_R -DHAVE_GMTIME_R \
	-DHAVE_TIMEGM -DHAVE_CLOCK_GETTIME -DHAVE_SOCKLEN_T -DHAVE_IPV6 -DHAVE_SYS_UN_H -DHAVE_MMAP -DHAVE_SPLICE -DHAVE_PCRE2_H
LIGHTTPD_CONFIG = $(if $(wildcard $(LIGHTTPD_SOURCE)/config.h),-DHAVE_CONFIG_H -I$(LIGHTTPD_SOURCE),$(LIGHTTPD_LINUX) \
	-DLIGHTTPD_VERSION_ID=0x$(shell printf '%x%02x%02x' $(subst ., ,$(LIGHTTPD_VERSION))))
LIGHTTPD_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -fvisibility=hidden -fPIC -Iinclude $(LIGHTTPD_CONFIG) \
	-isystem $(LIGHTTPD_SOURCE)/src

.PHONY: lighttpd
lighttpd: lib lighttpd-module

.PHONY: lighttpd-module
lighttpd-module:
	@test -e '$(LIGHTTPD_SOURCE)/src/plugin.h' || { echo 'lighttpd: no source in $(LIGHTTPD_SOURCE): make lighttpd-source, or LIGHTTPD_SOURCE=' >&2; exit 1; }
	@mkdir -p $(LIGHTTPD_BUILD)
	@$(call whole,$(LIGHTTPD_BUILD)/mod_outlive.so,$(CC) $(LIGHTTPD_CFLAGS) $(CFLAGS) -shared -o $$part $(LIGHTTPD_FILES) $(LDFLAGS) -L$(RELEASE) -loutlive \
		$(if $(LIGHTTPD_RPATH),$(LIGHTTPD_LINK)))

# The source package of the lighttpd that is installed, from where apt has its packages; apt's own lists are not touched.
.PHONY: lighttpd-source
lighttpd-source:
	@bindings/lighttpd/source '$(TARGET)/lighttpd'

.PHONY: install-lighttpd
install-lighttpd: lib
	$(INSTALL) -d '$(DESTDIR)$(LIGHTTPD_MODULES)'
	@set -e; build=$$(mktemp -d '$(LIGHTTPD_BUILD).XXXXXX'); trap 'rm -rf "$$build"' EXIT; \
		$(MAKE) --no-print-directory lighttpd-module LIGHTTPD_RPATH='$(INSTALLED_RPATH)' LIGHTTPD_BUILD="$$build"; \
		$(INSTALL) -m 644 "$$build/mod_outlive.so" '$(DESTDIR)$(LIGHTTPD_MODULES)/'
