// Bytes of the store as text, and text as bytes of the store.
#pragma once

#include <string_view>

#include "store/sqlite.h"

namespace tidegate::audit::privacy {

inline std::string_view chars(store::Blob bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tidegate::audit::privacy
