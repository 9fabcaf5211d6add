# Timings beside their gates, and the chart that is drawn of them. Included by the Makefile.

.PHONY: bench
bench: lib
	benches/run

# docs/performance.svg, of what benches/contention measures here; docs/performance.md says of which machine the one in the repository is.
CONTENTION = $(RELEASE)/contention
.PHONY: plot
plot: lib
	$(CC) -std=c11 -O2 -D_GNU_SOURCE -Iinclude $(CFLAGS) -o $(CONTENTION) benches/contention.c $(LDFLAGS) -L$(RELEASE) -Wl,-rpath='$(abspath $(RELEASE))' -loutlive -lpthread
	$(CONTENTION) > $(CONTENTION).txt
	benches/plot.py docs/performance.svg < $(CONTENTION).txt
