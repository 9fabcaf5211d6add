# What people read: the reference and the book. Included by the Makefile.

# The HTML reference of outlive.h and outlive.hpp, in $(TARGET)/docs/html.
.PHONY: docs
docs:
	mkdir -p $(TARGET)/docs
	VERSION=$(VERSION) OUT=$(TARGET)/docs doxygen packaging/Doxyfile
	@echo $(TARGET)/docs/html/index.html

# The book, in $(TARGET)/site/html. MkDocs and its theme come from PyPI into a virtual environment beside it.
.PHONY: site
site:
	@test -x $(TARGET)/release/outlive || $(CARGO) build --release --locked -q -p outlive-cli
	@cmp -s packaging/site/requirements.txt $(TARGET)/site-venv/requirements.txt || { rm -rf $(TARGET)/site-venv && \
		$(PYTHON) -m venv $(TARGET)/site-venv && $(TARGET)/site-venv/bin/pip install -q --disable-pip-version-check -r packaging/site/requirements.txt && \
		cp packaging/site/requirements.txt $(TARGET)/site-venv/; }
	@NO_MKDOCS_2_WARNING=1 $(TARGET)/site-venv/bin/python packaging/site/build $(TARGET)/site
