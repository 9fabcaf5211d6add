# The module for nginx. `make nginx` builds it against the headers of Debian's nginx-dev, `make install-nginx` installs it beside nginx's
# modules, with a line for modules-available. Another nginx: NGINX_SOURCE=, with the options that it was configured with in NGINX_OPTIONS=.
# Included by the Makefile.

NGINX_SOURCE   ?= /usr/share/nginx/src
NGINX_BUILD    := $(abspath $(RELEASE))/nginx
NGINX_FILES    := $(wildcard bindings/nginx/*.c bindings/nginx/*.h) bindings/nginx/config
NGINX_RPATH    ?= $(abspath $(RELEASE))
NGINX_MODULES  ?= /usr/lib/nginx/modules
NGINX_SHARE    ?= /usr/share/nginx
NGINX_OPTIONS  ?= --with-compat --with-debug --with-threads --with-http_ssl_module --with-http_v2_module
# The map of the build's own directory comes last: of two that fit, gcc takes the later one, and Debian's CFLAGS map the directory around it.
NGINX_CFLAGS    = -g -O2 -fPIC -fvisibility=default -Wdate-time -D_FORTIFY_SOURCE=2 -fstack-protector-strong $(CFLAGS) \
	-ffile-prefix-map=$(NGINX_BUILD)=.

.PHONY: nginx
nginx: lib nginx-module

.PHONY: nginx-module
nginx-module: $(NGINX_BUILD)/ngx_http_outlive_module.so

$(NGINX_BUILD)/ngx_http_outlive_module.so: $(NGINX_FILES) bindings/nginx/nginx.mk include/outlive.h
	@mkdir -p $(NGINX_BUILD)
	@cd '$(NGINX_SOURCE)' && OUTLIVE_CFLAGS='-I$(abspath include)' \
		OUTLIVE_LIBS='-L$(abspath $(RELEASE)) -loutlive $(if $(NGINX_RPATH),-Wl$(comma)-rpath=$(NGINX_RPATH))' \
		./configure $(NGINX_OPTIONS) --builddir='$(NGINX_BUILD)' --add-dynamic-module='$(abspath bindings/nginx)' \
		--with-cc-opt='$(NGINX_CFLAGS)' --with-ld-opt='-fPIC $(LDFLAGS)' > '$(NGINX_BUILD)/configure.log' 2>&1 || { cat '$(NGINX_BUILD)/configure.log' >&2; exit 1; }
	@$(MAKE) -s -C '$(NGINX_SOURCE)' -f '$(NGINX_BUILD)/Makefile' modules

comma := ,

# After `make install`: the module looks for the library in LIBDIR, or with SYSTEM_LIBRARY=1 where the system has its own. It is built anew
# for that, in a directory of its own: two that install at once are not in each other's way.
.PHONY: install-nginx
install-nginx: lib
	$(INSTALL) -d '$(DESTDIR)$(NGINX_MODULES)' '$(DESTDIR)$(NGINX_SHARE)/modules-available' '$(DESTDIR)$(PREFIX)/share/outlive/nginx'
	@set -e; build=$$(mktemp -d '$(NGINX_BUILD)-XXXXXX'); trap 'rm -rf "$$build"' EXIT; \
		$(MAKE) --no-print-directory nginx-module NGINX_RPATH='$(INSTALLED_RPATH)' NGINX_BUILD="$$build"; \
		$(INSTALL) -m 644 "$$build/ngx_http_outlive_module.so" '$(DESTDIR)$(NGINX_MODULES)/'
	$(INSTALL) -m 644 bindings/nginx/outlive.conf bindings/nginx/without.conf '$(DESTDIR)$(PREFIX)/share/outlive/nginx/'
	echo 'load_module modules/ngx_http_outlive_module.so;' > '$(DESTDIR)$(NGINX_SHARE)/modules-available/mod-http-outlive.conf'
