# Debian packages of the work tree, in $(TARGET)/deb; those of a release are built of its source package (dist/dist.mk). Included by the Makefile.

.PHONY: deb
deb: lib
	rm -rf $(TARGET)/deb
	mkdir -p $(TARGET)/deb/outlive-$(VERSION)
	cp -R packaging/debian $(TARGET)/deb/outlive-$(VERSION)/
	cd $(TARGET)/deb/outlive-$(VERSION) && OUTLIVE_SOURCE='$(CURDIR)' CARGO_TARGET_DIR='$(abspath $(TARGET))' DEB_BUILD_PROFILES=pkg.outlive.rustup \
		dpkg-buildpackage --build=binary --no-sign
	@ls $(TARGET)/deb/*.deb
