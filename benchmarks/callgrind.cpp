// Tells valgrind's callgrind when to count; does nothing outside valgrind.
#include <valgrind/callgrind.h>

extern "C" {

void begin() {
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
}

void end(const char* name) {
  CALLGRIND_DUMP_STATS_AT(name);
  CALLGRIND_STOP_INSTRUMENTATION;
}
}
