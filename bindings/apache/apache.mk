# mod_outlive. `make apache` builds it with what apxs says (Debian: apache2-dev), `make install-apache` installs it beside httpd's
# modules, with a .load and .conf pair for a2enmod. Included by the Makefile.

APXS           ?= $(or $(shell command -v apxs2),apxs)
APACHE_BUILD   := $(RELEASE)/apache
APACHE_SOURCE  := bindings/apache
APACHE_FILES   := $(addprefix $(APACHE_SOURCE)/,mod_outlive.c directives.c containers.c child.c job.c file.c output.c backend.c fcgi_abort.c script.c interrupter.c php.c settings.c status.c)
# Where the library is looked for besides the system's places; empty for a package.
APACHE_RPATH   ?= $(abspath $(RELEASE))
APACHE_LINK     = -Wl,-rpath='$(APACHE_RPATH)'
APACHE_MODULES  = $(shell $(APXS) -q LIBEXECDIR)
APACHE_CONFIG   = $(shell $(APXS) -q sysconfdir)
APACHE_CFLAGS   = -std=gnu11 -Wall -Wextra -Werror -fvisibility=hidden -fPIC -Iinclude \
	$(shell $(APXS) -q CFLAGS) $(shell $(APXS) -q EXTRA_CPPFLAGS) \
	-I$(shell $(APXS) -q INCLUDEDIR) -I$(shell $(APXS) -q APR_INCLUDEDIR) -I$(shell $(APXS) -q APU_INCLUDEDIR)

# Where php.ini is looked for last, and the directory of *.ini files that is read behind it, as they are compiled into mod_php: for Debian's
# PHP 8.2, PHP_INI_DIR=/etc/php/8.2/apache2. Nowhere unless said: which PHP of the machine is meant is not for us to guess.
PHP_INI_DIR    ?=
PHP_SCAN_DIR   ?= $(if $(PHP_INI_DIR),$(PHP_INI_DIR)/conf.d)
APACHE_CFLAGS  += $(if $(PHP_INI_DIR),-DOUTLIVE_PHP_INI_DIR='"$(PHP_INI_DIR)"' -DOUTLIVE_PHP_SCAN_DIR='"$(PHP_SCAN_DIR)"')

.PHONY: apache
apache: lib apache-module

.PHONY: apache-module
apache-module:
	@mkdir -p $(APACHE_BUILD)
	@$(call whole,$(APACHE_BUILD)/mod_outlive.so,$(CC) $(APACHE_CFLAGS) $(CFLAGS) -shared -o $$part $(APACHE_FILES) $(LDFLAGS) -L$(RELEASE) -loutlive \
		$(if $(APACHE_RPATH),$(APACHE_LINK)))
	@$(call whole,$(APACHE_BUILD)/mod_outlive_example.so,$(CC) $(APACHE_CFLAGS) $(CFLAGS) -shared -o $$part -I$(APACHE_SOURCE) \
		$(APACHE_SOURCE)/example/mod_outlive_example.c $(LDFLAGS))

# After `make install`: the module looks for the library in LIBDIR, or with SYSTEM_LIBRARY=1 where the system has its own. It is built anew
# for that, in a directory of its own: two that install at once are not in each other's way.
INSTALLED_RPATH = $(if $(SYSTEM_LIBRARY),,$(LIBDIR))
.PHONY: install-apache
install-apache: lib
	$(INSTALL) -d '$(DESTDIR)$(APACHE_MODULES)' '$(DESTDIR)$(PREFIX)/include' '$(DESTDIR)$(APACHE_CONFIG)/mods-available'
	@set -e; build=$$(mktemp -d '$(APACHE_BUILD).XXXXXX'); trap 'rm -rf "$$build"' EXIT; \
		$(MAKE) --no-print-directory apache-module APACHE_RPATH='$(INSTALLED_RPATH)' APACHE_BUILD="$$build"; \
		$(INSTALL) -m 644 "$$build/mod_outlive.so" '$(DESTDIR)$(APACHE_MODULES)/'
	$(INSTALL) -m 644 $(APACHE_SOURCE)/mod_outlive.h '$(DESTDIR)$(PREFIX)/include/'
	printf '# Depends: authz_core authz_host\n' > '$(DESTDIR)$(APACHE_CONFIG)/mods-available/outlive.load'
	echo 'LoadModule outlive_module $(APACHE_MODULES)/mod_outlive.so' >> '$(DESTDIR)$(APACHE_CONFIG)/mods-available/outlive.load'
	test -e '$(DESTDIR)$(APACHE_CONFIG)/mods-available/outlive.conf' || \
		$(INSTALL) -m 644 $(APACHE_SOURCE)/outlive.conf '$(DESTDIR)$(APACHE_CONFIG)/mods-available/'
