# What a release is made of beside the code: Debian packages, the HTML reference, the ABI baseline.

# What people download, in $(TARGET)/dist: the source archive, which builds without network, recipes for package managers that name it with its
# checksum, what is in it (SBOM) and the licences of that. The same commit gives the same bytes.
RELEASES ?= https://outlive.invalid/releases
DIST      = $(TARGET)/dist
SUM       = $$(sha$(1)sum $(DIST)/outlive-$(VERSION).tar.xz | cut -d' ' -f1)
FILL_DIST = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@ABI@|$(ABI)|g' -e 's|@RELEASES@|$(RELEASES)|g' -e "s|@SHA256@|$(call SUM,256)|" -e "s|@SHA512@|$(call SUM,512)|"
.PHONY: dist
dist:
	rm -rf $(DIST)
	mkdir -p $(DIST)/vcpkg/outlive $(DIST)/conan/test_package
	packaging/dist/source $(DIST)
	packaging/dist/sbom > $(DIST)/outlive-$(VERSION).cdx.json
	packaging/dist/licences > $(DIST)/THIRD-PARTY.txt
	$(FILL_DIST) packaging/outlive.wrap.in > $(DIST)/outlive.wrap
	for file in vcpkg.json portfile.cmake; do $(FILL_DIST) packaging/vcpkg/$$file.in > $(DIST)/vcpkg/outlive/$$file || exit 1; done
	cp -R packaging/conan/. $(DIST)/conan/
	printf 'sources:\n  "%s":\n    url: "%s"\n    sha256: "%s"\n' $(VERSION) $(RELEASES)/v$(VERSION)/outlive-$(VERSION).tar.xz $(call SUM,256) > $(DIST)/conan/conandata.yml
	$(FILL_DIST) packaging/rpm/outlive.spec.in > $(DIST)/outlive.spec
	packaging/dist/sums $(DIST)

.PHONY: deb
deb: lib
	rm -rf $(TARGET)/deb
	mkdir -p $(TARGET)/deb/outlive-$(VERSION)
	cp -R packaging/debian $(TARGET)/deb/outlive-$(VERSION)/
	cd $(TARGET)/deb/outlive-$(VERSION) && OUTLIVE_SOURCE='$(CURDIR)' CARGO_TARGET_DIR='$(abspath $(TARGET))' DEB_BUILD_PROFILES=pkg.outlive.rustup \
		dpkg-buildpackage --build=binary --no-sign
	@ls $(TARGET)/deb/*.deb

# Debian's source package of $(DIST)'s archive, and what is built of it alone: packages, and a repository for apt.
.PHONY: deb-source
deb-source: dist
	packaging/dist/debian-source $(DIST)
	packaging/dist/sums $(DIST)

# A new version: everything that needs no network, and what is left to do (RELEASING.md).
.PHONY: release
release:
	packaging/dist/release '$(origin VERSION)' '$(VERSION)'

# What is packed, built of the source archive alone, tried, and compared with a second build: STEPS="deb rpm" for some.
.PHONY: release-check
release-check:
	packaging/dist/check $(STEPS)

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

# The book, in $(TARGET)/site/html. MkDocs and its theme come from PyPI into a virtual environment beside it.
.PHONY: site
site:
	@test -x $(TARGET)/release/outlive || $(CARGO) build --release --locked -q -p outlive-cli
	@cmp -s packaging/site/requirements.txt $(TARGET)/site-venv/requirements.txt || { rm -rf $(TARGET)/site-venv && \
		$(PYTHON) -m venv $(TARGET)/site-venv && $(TARGET)/site-venv/bin/pip install -q --disable-pip-version-check -r packaging/site/requirements.txt && \
		cp packaging/site/requirements.txt $(TARGET)/site-venv/; }
	@NO_MKDOCS_2_WARNING=1 $(TARGET)/site-venv/bin/python packaging/site/build $(TARGET)/site
