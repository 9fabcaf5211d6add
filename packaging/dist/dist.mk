# What people download, and a release of it. Included by the Makefile.

# In $(TARGET)/dist: the source archive, which builds without network, recipes for package managers that name it with its
# checksum, what is in it (SBOM) and the licences of that: the same commit gives the same bytes; a repository for apt, where its packages have been built.
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
	packaging/dist/repository $(DIST)
	packaging/dist/sums $(DIST)

# Debian's source package of $(DIST)'s archive, and what is built of it alone: packages, and a repository for apt.
.PHONY: deb-source
deb-source: dist
	packaging/dist/debian-source $(DIST)
	packaging/dist/repository $(DIST)
	packaging/dist/sums $(DIST)

# A new version: everything that needs no network, and what is left to do (RELEASING.md).
.PHONY: release
release:
	packaging/dist/release '$(origin VERSION)' '$(VERSION)'

# What is packed, built of the source archive alone, tried, and compared with a second build: STEPS="deb rpm" for some.
.PHONY: release-check
release-check:
	packaging/dist/check $(STEPS)
