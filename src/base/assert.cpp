#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace tidegate {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "tidegate: broken invariant: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

}  // namespace tidegate
