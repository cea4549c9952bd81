// Files that the build put into the binary (cmake/embed.cmake), as string views.
#pragma once

#include <cstddef>
#include <string_view>

/// At namespace scope: `TG_EMBEDDED(docs_html)` declares `std::string_view docs_html()`.
#define TG_EMBEDDED(symbol)                                                                              \
    extern "C" const char tg_##symbol##_begin[];                                                         \
    extern "C" const char tg_##symbol##_end[];                                                           \
    inline std::string_view symbol() {                                                                   \
        return {tg_##symbol##_begin, static_cast<std::size_t>(tg_##symbol##_end - tg_##symbol##_begin)}; \
    }
