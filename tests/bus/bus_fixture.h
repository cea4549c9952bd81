// Records, blocks and partitions for the tests of the bus.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "audit/segments/record.h"
#include "audit/verify/verify.h"
#include "base/random.h"
#include "base/strings.h"
#include "bus/packed_block.h"
#include "bus/partition_log.h"

namespace tidegate::bus {

/// A folder that goes away with the test.
class BusFolder {
  public:
    BusFolder() {
        std::string pattern = std::filesystem::temp_directory_path().string() + "/tidegate-bus-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~BusFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    BusFolder(const BusFolder&) = delete;
    BusFolder& operator=(const BusFolder&) = delete;
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

/// Record `n` of a sender: the same bytes each time.
inline std::vector<std::uint8_t> record_bytes(std::uint64_t n, const std::string& tenant = "acme") {
    constexpr UnixMillis kTime = 1'772'366'400'000;
    SeededRandom random(n);
    const ManualClock clock(kTime + static_cast<UnixMillis>(n));
    audit::Decision d;
    d.id = make_uuid7(clock, random);
    d.request_id = "request-" + std::to_string(n);
    d.tenant = tenant;
    d.service = "provenance";
    d.operation = "detect/text";
    d.input_hash = sha256(std::to_string(n));
    d.model = "text_detector";
    d.output = R"({"score":)" + std::to_string(n) + "}";
    std::vector<std::uint8_t> bytes(audit::segments::encoded_size(d));
    audit::segments::encode(d, kTime + 5 + static_cast<UnixMillis>(n), bytes);
    return bytes;
}

inline LogId origin_id(std::uint8_t n) {
    LogId id{};
    id.back() = n;
    return id;
}

/// A block of those records, labelled as one of the round [round_first, round_end).
inline std::string block_of(const std::vector<std::uint64_t>& numbers, std::uint64_t round_first,
                            std::uint64_t round_end, LogId origin = origin_id(1),
                            Compression compression = Compression::kZstd) {
    BlockBuilder builder(compression);
    for (const std::uint64_t n : numbers) builder.add(record_bytes(n));
    return builder.take({origin, round_first, round_end, numbers.front()});
}

inline Bytes bytes_of(const std::string& message) {
    return {reinterpret_cast<const std::uint8_t*>(message.data()), message.size()};
}

inline audit::segments::SegmentLogOptions small_log() {
    audit::segments::SegmentLogOptions options;
    options.segment_bytes = 256 * 1024;
    options.batch_bytes_max = 64 * 1024;
    options.batch_interval = std::chrono::microseconds(100);
    options.spares_ahead = 1;
    return options;
}

inline PartitionOptions partition_options(const std::string& folder, std::uint32_t partition = 3) {
    return {.folder = folder, .topic = "decisions", .partition = partition, .log = small_log()};
}

/// The request ids of the decisions of a closed log's folder, in order; events are left out.
inline std::vector<std::string> requests_in(const std::string& folder) {
    std::vector<std::string> requests;
    const auto walked = audit::verify::walk_records(folder, [&](std::uint64_t, audit::verify::Bytes bytes) {
        const auto view = audit::segments::decode(bytes);
        EXPECT_TRUE(view.has_value());
        if (view && view->kind == audit::RecordKind::kDecision) requests.emplace_back(view->request_id);
        return true;
    });
    EXPECT_TRUE(walked.has_value());
    return requests;
}

inline std::vector<std::string> requests_from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::string> requests;
    for (std::uint64_t n = from; n < to; ++n) requests.push_back("request-" + std::to_string(n));
    return requests;
}

inline std::vector<std::uint64_t> numbers_from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t n = from; n < to; ++n) numbers.push_back(n);
    return numbers;
}

}  // namespace tidegate::bus
