// What comes in from elsewhere, and how much of it at once.
#pragma once

#include <cstdint>

#include "settings/table.h"

namespace tidegate::compliance::ingest {

struct IngestSettings {
    std::uint32_t workers = 0;
    std::uint32_t streams_max = 0;
    std::uint64_t line_bytes_max = 0;
};

void declare(settings::Table& table, IngestSettings& s);

}  // namespace tidegate::compliance::ingest
