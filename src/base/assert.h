// TG_ASSERT: ends the process when an invariant of ours is broken; kept in every build.
//
// For what may not happen. What may happen (bad input, a full disk) is an Error, see base/result.h.
#pragma once

namespace tidegate {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define TG_ASSERT(expression) \
    (static_cast<bool>(expression) ? void(0) : ::tidegate::assertion_failed(#expression, __FILE__, __LINE__))
