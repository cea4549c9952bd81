// The records of a data folder whose server has ended, oldest first.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "audit/segments/segment_log.h"
#include "base/random.h"

namespace tidegate::testing {

inline std::vector<audit::Decision> recorded(const std::string& data_dir) {
    const SystemClock clock;
    SystemRandom random;
    audit::segments::SegmentLogOptions options;
    options.segment_bytes = 1024 * 1024;
    auto log = audit::segments::SegmentLog::open(
        std::make_unique<audit::segments::SystemLogFolder>(data_dir + "/audit"), options, clock, random);
    std::vector<audit::Decision> all;
    if (!log) {
        ADD_FAILURE() << log.error().message;
        return all;
    }
    const auto& reader = (*log)->reader();
    const auto scanned =
        reader.scan(reader.first_leaf(), reader.end_leaf(), [&](std::uint64_t, audit::segments::Bytes bytes) {
            const auto view = audit::segments::decode(bytes);
            if (view) all.push_back(audit::segments::to_decision(*view));
            return view.has_value();
        });
    EXPECT_TRUE(scanned) << scanned.error().message;
    return all;
}

}  // namespace tidegate::testing
