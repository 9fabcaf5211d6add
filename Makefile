# The few commands that people need: demo, test, install, bench. `make help` lists them.

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DOCDIR  ?= $(PREFIX)/share/doc/outlive
CMAKEDIR ?= $(LIBDIR)/cmake/outlive
DESTDIR ?=
CARGO   ?= cargo
CC      ?= cc
CXX     ?= c++
PYTHON  ?= python3
INSTALL ?= install
STRIP   ?= strip

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI     := $(shell echo $(VERSION) | sed -E 's/^0\.([0-9]+)\..*/0.\1/; t; s/\..*//')
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
# What the static library needs beside itself: `cargo rustc --crate-type staticlib -- --print native-static-libs`, with the unwinder that
# a program linked with -static can have, too.
PRIVATE := -lgcc_eh -lutil -lrt -lpthread -lm -ldl -lc

.PHONY: help
help:
	@echo 'make demo           the story: a form is saved though the browser has gone (SERVE=1 keeps the server up)'
	@echo 'make test           every test; installs what it needs where it may (STAGES="c apache" for some)'
	@echo 'make test-fresh     the same on a clean Debian, made here; as root'
	@echo 'make bench          timings beside their gates (ROWS="6 13" for some)'
	@echo 'make plot           draws the chart of docs/performance.md anew; on a quiet machine'
	@echo 'make durable        KILLS=25 of each kind while forms are submitted; what was accepted, and done once or twice'
	@echo 'make soak           everything at once for SECONDS=600, then the counts'
	@echo 'make differential   compare with real PHP and Apache, by the hundred thousand'
	@echo 'make lib            the shared and the static library, in $(RELEASE)'
	@echo 'make lib-portable   the shared library for systems down to GLIBC=2.17, in $(TARGET)/portable'
	@echo 'make python         the Python package: built, and tested on real servers'
	@echo 'make docs           the HTML reference, in $(TARGET)/docs/html'
	@echo 'make site           the book, in $(TARGET)/site/html'
	@echo 'make recording      draws the README'"'"'s picture of the demo anew'
	@echo 'make fuzz           SECONDS=60 over all targets; TARGETS=httpd for one'
	@echo 'make static         the command as one file for any Linux image (ARCH=aarch64), in $(TARGET)/static'
	@echo 'make deb            Debian packages, in $(TARGET)/deb'
	@echo 'make dist           the source archive with every crate, checksums, what is in it (SBOM) and licences, in $(TARGET)/dist'
	@echo 'make deb-source     Debian'"'"'s source package, of what make dist makes'
	@echo 'make release        VERSION=0.2.0: all that can be made of it without network, and what is left to do'
	@echo 'make release-check  what is packed, built again and tried: an hour'
	@echo 'make install-lib    the library alone, with headers and examples; for package recipes'
	@echo 'make install        PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR)'
	@echo 'make apache         mod_outlive, in $(RELEASE)/apache; make install-apache installs it'
	@echo 'make nginx          the module for nginx, in $(RELEASE)/nginx; make install-nginx installs it'
	@echo 'make lighttpd       the same for lighttpd; make lighttpd-source brings its headers, make install-lighttpd installs it'
	@echo 'make header         write include/outlive.h anew from src/capi'
	@echo 'make clean          remove what was built'

.PHONY: lib
lib:
	$(CARGO) build --release --locked -p outlive
	@ln -sf liboutlive.so $(RELEASE)/liboutlive.so.$(ABI)

.PHONY: header
header:
	BLESS=1 $(CARGO) test --locked --test header -q

.PHONY: test
test:
	tests/run

.PHONY: test-fresh
test-fresh:
	tests/fresh/run

.PHONY: durable
durable:
	KILLS=$(or $(KILLS),25) tests/durable/run
	KILLS=$(or $(KILLS),25) bindings/python/tests/run durable

.PHONY: soak
soak:
	tests/soak/run $(or $(SECONDS),600)

.PHONY: python
python:
	bindings/python/tests/run

.PHONY: differential
differential:
	tests/differential/run

# Fills in what an installed description says: @PREFIX@, @LIBDIR@ … of a template.
LIBRARIES := $(subst $(eval ) ,;,$(PRIVATE))
FILL = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PRIVATE@|$(PRIVATE)|' \
	-e 's|@ABI@|$(ABI)|' -e 's|@ABI_PATTERN@|$(subst .,[.],$(ABI))|' -e 's|@LIBRARIES@|$(LIBRARIES)|' \
	-e 's|@TO_INCLUDE@|'"$$(realpath -m --relative-to='$(LIBDIR)' '$(PREFIX)/include')"'|' \
	-e 's|@TO_LIBDIR@|'"$$(realpath -m --relative-to='$(CMAKEDIR)' '$(LIBDIR)')"'|'

.PHONY: install
install: install-lib
	$(CARGO) build --release --locked -p outlive-cli
	$(INSTALL) -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' \
		'$(DESTDIR)$(PREFIX)/share/outlive/schema'
	$(INSTALL) -m 755 $(RELEASE)/outlive '$(DESTDIR)$(PREFIX)/bin/'
	$(STRIP) --strip-unneeded '$(DESTDIR)$(PREFIX)/bin/outlive'
	$(INSTALL) -m 644 cli/schema/*.json '$(DESTDIR)$(PREFIX)/share/outlive/schema/'
	$(RELEASE)/outlive man --directory '$(DESTDIR)$(PREFIX)/share/man/man1'
	$(RELEASE)/outlive completions bash > '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/outlive'

# Makes a file that servers may be loading: beside it, then in its place as a whole, and nothing is left of one that failed. Arguments: the file; a
# command that writes $$part.
whole = part='$(1).'$$$$; trap 'rm -f "$$part"' EXIT; trap 'exit 1' HUP INT TERM; $(2) && mv -f "$$part" '$(1)'

# The library alone: what a program that links it needs, with examples that build where they lie.
EXAMPLES = examples/hello.cpp examples/httpd.conf php.ini.example packaging/examples/Makefile
.PHONY: install-lib
install-lib: lib
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(CMAKEDIR)' '$(DESTDIR)$(PREFIX)/include' '$(DESTDIR)$(DOCDIR)/examples'
	$(INSTALL) -m 755 $(RELEASE)/liboutlive.so '$(DESTDIR)$(LIBDIR)/liboutlive.so.$(VERSION)'
	ln -sf liboutlive.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/liboutlive.so.$(ABI)'
	ln -sf liboutlive.so.$(ABI) '$(DESTDIR)$(LIBDIR)/liboutlive.so'
	$(INSTALL) -m 644 $(RELEASE)/liboutlive.a '$(DESTDIR)$(LIBDIR)/'
	$(STRIP) --strip-unneeded '$(DESTDIR)$(LIBDIR)/liboutlive.so.$(VERSION)'
	$(STRIP) --strip-debug --enable-deterministic-archives '$(DESTDIR)$(LIBDIR)/liboutlive.a'
	$(INSTALL) -m 644 include/outlive.h bindings/cpp/outlive.hpp '$(DESTDIR)$(PREFIX)/include/'
	$(FILL) packaging/outlive.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/outlive.pc'
	$(FILL) packaging/outlive-static.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/outlive-static.pc'
	$(FILL) packaging/cmake/outlive-config.cmake.in > '$(DESTDIR)$(CMAKEDIR)/outlive-config.cmake'
	$(FILL) packaging/cmake/outlive-config-version.cmake.in > '$(DESTDIR)$(CMAKEDIR)/outlive-config-version.cmake'
	$(INSTALL) -m 644 $(EXAMPLES) '$(DESTDIR)$(DOCDIR)/examples/'
	for part in embed formsave site stop; do \
		$(INSTALL) -d '$(DESTDIR)$(DOCDIR)/examples/'$$part && $(INSTALL) -m 644 examples/$$part/* '$(DESTDIR)$(DOCDIR)/examples/'$$part/ || exit 1; done

.PHONY: clean
clean:
	$(CARGO) clean

-include examples/demo.mk
-include benches/benches.mk
-include fuzz/fuzz.mk
-include packaging/dist/dist.mk
-include packaging/debian.mk
-include packaging/any-linux.mk
-include packaging/site/site.mk
-include bindings/apache/apache.mk
-include bindings/nginx/nginx.mk
-include bindings/lighttpd/lighttpd.mk
