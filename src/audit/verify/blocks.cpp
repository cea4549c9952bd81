#include "audit/verify/blocks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <memory>

#include "audit/verify/checkpoint_check.h"
#include "audit/verify/checksum.h"
#include "audit/verify/layout.h"
#include "audit/verify/segment_scan.h"

namespace tidegate::audit::verify {
namespace {

constexpr std::uint64_t kFormat = 2;
constexpr int kLooksMax = 3;

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// An int8 column: 8 bytes, the highest first, not negative.
std::optional<std::uint64_t> number_of(std::string_view column) {
    if (column.size() != 8) return std::nullopt;
    std::uint64_t number = 0;
    for (const std::uint8_t byte : bytes_of(column)) number = number << 8U | byte;
    return number >> 63U == 0 ? std::optional(number) : std::nullopt;
}

std::optional<std::vector<Digest>> digests_of(std::string_view column) {
    if (column.size() % sizeof(Digest) != 0) return std::nullopt;
    std::vector<Digest> digests(column.size() / sizeof(Digest));
    for (std::size_t i = 0; i < digests.size(); ++i) {
        std::ranges::copy(bytes_of(column.substr(i * sizeof(Digest), sizeof(Digest))), digests[i].begin());
    }
    return digests;
}

struct LogHead {
    std::string log_id;
    std::uint64_t size = 0;
    std::uint64_t first_leaf = 0;
    std::vector<Digest> peaks;
    Peaks before;
};

Result<LogHead> parse_head_row(const HeadRow& row) {
    const auto wrong = [](const char* what) {
        return fail(ErrorCode::kDataLoss, std::string("the head of the log in the database has no sound ") + what);
    };
    const auto format = number_of(row.format);
    if (!format) return wrong("format");
    if (*format != kFormat) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("the log in the database has format {}, this program knows {}", *format, kFormat));
    }
    LogHead head;
    if (row.log_id.size() != sizeof(LogId)) return wrong("log id");
    head.log_id = hex_of(bytes_of(row.log_id));
    const auto size = number_of(row.size);
    const auto first = number_of(row.first_leaf);
    if (!size || !first || *first > *size) return wrong("size");
    head.size = *size;
    head.first_leaf = *first;
    auto peaks = digests_of(row.peaks);
    const auto before = digests_of(row.first_peaks);
    const auto tree = before ? Peaks::of(*first, *before) : std::nullopt;
    if (!peaks || !tree) return wrong("peaks");
    head.peaks = *std::move(peaks);
    head.before = *tree;
    return head;
}

class BlockVerification {
  public:
    BlockVerification(LogHead head, const Source* checkpoints, const Evidence& evidence, Report& report)
        : head_(std::move(head)), check_(checkpoints, evidence.keys, evidence.checkpoints, report), report_(report) {}

    Result<void> run(const BlockSource& source);

  private:
    struct Block {
        std::uint64_t generation = 0;
        std::uint64_t first_leaf = 0;
        std::uint64_t records = 0;
        std::uint64_t crc = 0;
    };
    Result<void> begin();
    Result<void> row(const BlockRow& row);
    Result<void> records(const Block& block, Bytes payload);
    void check_peaks(std::string_view peaks);
    void damaged(std::uint64_t leaf, std::string_view why) {
        report_.add(Kind::kBatchDamaged, fmt::format("the block at leaf {}: {}", leaf, why));
    }
    /// Leaves [leaf_, to) cannot be read: no root is known from there on.
    void lost(std::uint64_t to) {
        tree_known_ = false;
        leaf_ = std::max(leaf_, to);
    }
    Result<void> reached() {
        if (leaf_ < check_.next()) return {};
        const Digest root = tree_known_ ? tree_.root() : Digest{};
        return check_.reached(leaf_, tree_known_ ? &root : nullptr);
    }
    Result<void> finish();

    const LogHead head_;
    CheckpointCheck check_;
    Report& report_;
    Peaks tree_;
    bool tree_known_ = true;
    std::uint64_t leaf_ = 0;  // The next.
    std::uint64_t generation_ = 0;
};

Result<void> BlockVerification::run(const BlockSource& source) {
    TG_CHECK(begin());
    TG_CHECK(source.blocks(head_.first_leaf, head_.size, [this](const BlockRow& block) { return row(block); }));
    return finish();
}

Result<void> BlockVerification::begin() {
    TG_CHECK(check_.begin());
    tree_ = head_.before;
    report_.first_leaf = leaf_ = head_.first_leaf;
    if (leaf_ == 0) return reached();
    report_.notes.push_back(fmt::format(
        "leaves 0 to {} were removed by retention, as the head says: completeness is judged from leaf {} on", leaf_ - 1,
        leaf_));
    // Smaller checkpoints cannot be compared any more.
    TG_CHECK(check_.reached(leaf_ - 1, nullptr));
    return reached();
}

Result<void> BlockVerification::row(const BlockRow& row) {
    const auto generation = number_of(row.generation);
    const auto first = number_of(row.first_leaf);
    const auto count = number_of(row.records);
    const auto crc = number_of(row.crc);
    if (!generation || !first || !count || !crc || *count == 0 || *first + *count > head_.size) {
        damaged(leaf_, "its columns do not fit the log");
        return {};
    }
    const Block block{*generation, *first, *count, *crc};
    if (block.first_leaf < leaf_) {
        report_.add(Kind::kOverlap,
                    fmt::format("the block at leaf {} holds what the one before it holds", block.first_leaf));
        return {};
    }
    if (block.first_leaf > leaf_) {
        report_.add(Kind::kRecordsMissing, fmt::format("leaves {} to {} are missing", leaf_, block.first_leaf - 1));
        lost(block.first_leaf);
    }
    if (block.generation < generation_)
        damaged(block.first_leaf, "it is of an earlier generation than the one before it");
    generation_ = std::max(generation_, block.generation);
    TG_CHECK(records(block, bytes_of(row.payload)));
    check_peaks(row.peaks);
    ++report_.segments;
    return {};
}

Result<void> BlockVerification::records(const Block& block, Bytes payload) {
    std::array<std::uint8_t, 24> front{};
    const std::array<std::uint64_t, 3> numbers{block.generation, block.first_leaf, block.records};
    for (std::size_t i = 0; i < front.size(); ++i) {
        front[i] = static_cast<std::uint8_t>(numbers[i / 8] >> (8 * (i % 8)));
    }
    const std::uint64_t end = block.first_leaf + block.records;
    const bool sound = checksum(payload, checksum(front)) == block.crc;
    if (!sound || block.records > kPayloadMax || payload.size() > kPayloadMax ||
        !each_record(payload, static_cast<std::uint32_t>(block.records), [](Bytes) {})) {
        damaged(block.first_leaf,
                fmt::format("{}; leaves {} to {} cannot be read",
                            sound ? "its records do not fill it" : "its checksum is wrong", block.first_leaf, end - 1));
        lost(end);
        return reached();
    }
    RecordFacts facts;
    Result<void> outcome;
    each_record(payload, static_cast<std::uint32_t>(block.records), [&](Bytes record) {
        if (const char* fault = record_fault(record, facts)) {
            report_.add(Kind::kRecordMalformed, fmt::format("the record of leaf {}: {}", leaf_, fault));
        }
        ++leaf_;
        if (tree_known_) tree_.add(digest(leaf_bytes(record)));
        if (outcome) outcome = reached();
    });
    report_.records += block.records;
    report_.bytes += payload.size();
    return outcome;
}

void BlockVerification::check_peaks(std::string_view peaks) {
    const auto stated = digests_of(peaks);
    if (!stated || (tree_known_ && !std::ranges::equal(tree_.list(), *stated))) {
        report_.add(Kind::kFooterWrong,
                    fmt::format("the block before leaf {} states another tree than its records", leaf_));
    }
}

Result<void> BlockVerification::finish() {
    report_.log_id = head_.log_id;
    if (leaf_ < head_.size) {
        report_.add(Kind::kTruncated,
                    fmt::format("the blocks end at leaf {}, and the head says {}", leaf_, head_.size));
    } else if (tree_known_ && !std::ranges::equal(tree_.list(), head_.peaks)) {
        report_.add(Kind::kHeadWrong, "the records do not lead to the tree in the head");
    }
    report_.end_leaf = leaf_;
    if (tree_known_) report_.root = hex_of(tree_.root());
    TG_CHECK(check_.finish(leaf_));
    report_.note_unsigned();
    return {};
}

}  // namespace

namespace {

Result<LogHead> read_head(const BlockSource& source) {
    TG_TRY(const HeadRow row, source.head());
    return parse_head_row(row);
}

Result<std::unique_ptr<FileSource>> open_checkpoints(const std::string& folder) {
    if (folder.empty()) return nullptr;
    auto file = FileSource::open(folder + "/checkpoints");
    if (!file && file.error().code == ErrorCode::kNotFound) return nullptr;
    return file;
}

}  // namespace

Result<Report> verify_blocks(const Evidence& evidence, const BlockSource& source) {
    for (int look = 1;; ++look) {
        Report report;
        report.keys_given = !evidence.keys.empty();
        // First the checkpoints: what they speak of is in the database by now, however fast the log grows.
        TG_TRY(const auto checkpoints, open_checkpoints(evidence.folder));
        TG_TRY(const LogHead head, read_head(source));
        TG_CHECK(BlockVerification(head, checkpoints.get(), evidence, report).run(source));
        if (report.findings_total == 0 || look == kLooksMax) return report;
        // Retention may have taken blocks from under us: then the head says so by now.
        TG_TRY(const LogHead after, read_head(source));
        if (after.first_leaf == head.first_leaf) return report;
    }
}

}  // namespace tidegate::audit::verify
