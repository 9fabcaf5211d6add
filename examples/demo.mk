# The demo: `make demo` builds the library and the example server and plays the story; `make demo SERVE=1` keeps the server
# up (PORT=8000). Needs Rust and a C compiler. Included by the Makefile.

CARGO   ?= cargo
CC      ?= cc
CFLAGS  ?= -O2 -g
RELEASE ?= target/release
PORT    ?= 8000

DEMO        := $(RELEASE)/demo
DEMO_CFLAGS := -std=c99 -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude -I$(RELEASE)/include
DEMO_LIBS   := $(RELEASE)/libformsave_sqlite.a -ldl -lm
PHP_INI     := php.ini.example

# Cargo and the compiler decide themselves what is new; the C files take two seconds.
.PHONY: demo-build
demo-build:
	@$(CARGO) build --release --locked -q -p outlive -p formsave-sqlite
	@mkdir -p $(DEMO)
	@$(CC) $(DEMO_CFLAGS) $(CFLAGS) -o $(DEMO)/formsave examples/formsave/*.c $(LDFLAGS) $(RELEASE)/liboutlive.a $(DEMO_LIBS)
	@$(CC) $(DEMO_CFLAGS) $(CFLAGS) -o $(DEMO)/story examples/story.c $(LDFLAGS) $(DEMO_LIBS)

.PHONY: demo
demo:
	@test -e $(RELEASE)/demo/story || echo 'Building the library, SQLite and the example: some minutes, once.'
	@$(MAKE) --no-print-directory demo-build
ifneq ($(DATABASE),)
	@$(CC) -std=c11 -D_GNU_SOURCE -Iinclude $$(pkg-config --cflags libpq libmicrohttpd) $(CFLAGS) -o $(DEMO)/durable examples/durable/*.c \
		$(LDFLAGS) $(RELEASE)/liboutlive.a $$(pkg-config --libs libpq libmicrohttpd) -lpthread -ldl -lm
	@examples/durable/story $(DEMO)/durable '$(DATABASE)'
else ifeq ($(SERVE),1)
	@mkdir -p $(DEMO)/data
	@echo 'Ends with Ctrl-C. The databases are in $(DEMO)/data.'
	@exec $(DEMO)/formsave -i $(PHP_INI) -c examples/httpd.conf -s examples/site -d $(DEMO)/data -p $(PORT)
else
	@$(DEMO)/story $(DEMO)/formsave $(PHP_INI) examples/httpd.conf examples/site
endif

# The picture of the README: what the story prints, and when.
.PHONY: recording
recording: demo-build
	@packaging/record docs/demo.svg $(DEMO)/story $(DEMO)/formsave $(PHP_INI) examples/httpd.conf examples/site
