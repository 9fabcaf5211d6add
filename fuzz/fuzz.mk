# Included by the Makefile.

# Fuzzes every target, SECONDS in all; `make fuzz SECONDS=36000 TARGETS=httpd` by hand.
.PHONY: fuzz
fuzz:
	FUZZ_SECONDS='$(or $(SECONDS),60)' TARGETS='$(TARGETS)' fuzz/run
