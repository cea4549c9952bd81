#include "audit/verify/verify.h"

#include <fmt/core.h>

#include <algorithm>

#include "audit/verify/checkpoint_check.h"
#include "audit/verify/folder.h"
#include "audit/verify/segment_scan.h"

namespace tidegate::audit::verify {
namespace {

constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};

class Verification {
  public:
    Verification(const LogFolder& folder, const Source* checkpoints, const Evidence& evidence, Report& report)
        : folder_(folder), check_(checkpoints, evidence.keys, evidence.checkpoints, report), report_(report) {}

    Result<void> run();

  private:
    struct Totals {
        std::uint64_t records = 0;
        std::uint64_t batches = 0;
        std::int64_t earliest = 0;
        std::int64_t latest = 0;
    };

    void check_front();
    void check_header(const SegmentFile& file);
    Result<void> segment(const SegmentFile& file, std::uint64_t end_leaf);
    Result<std::optional<SegmentFooter>> read_footer(const Source& source, const SegmentFile& file, bool last);
    Result<void> batches(SegmentScan& scan, const SegmentFile& file, const std::optional<SegmentFooter>& footer,
                         std::uint64_t end_leaf, Totals& totals);
    static Result<std::optional<Batch>> second_look(SegmentScan& scan);
    /// At a place without a sound batch. True: there are more behind it.
    Result<bool> stopped(SegmentScan& scan, const SegmentFile& file, const std::optional<SegmentFooter>& footer,
                         std::uint64_t end_leaf);
    Result<void> batch(const Batch& batch, Totals& totals);
    void check_footer(const SegmentFile& file, const SegmentFooter& footer, const SegmentScan& scan,
                      const Totals& totals);
    void check_head(const SegmentFile& file, bool has_footer);
    /// Leaves [leaf_, to) cannot be read: no root is known from there on.
    void lost(std::uint64_t to);
    Result<void> finish();

    const LogFolder& folder_;
    CheckpointCheck check_;
    Report& report_;
    Peaks tree_;
    bool tree_known_ = true;
    std::uint64_t leaf_ = 0;  // The next.
    std::uint64_t dirty_paddings_ = 0;
};

Result<void> Verification::run() {
    TG_CHECK(check_.begin());
    if (!folder_.segments.empty()) check_front();
    // Smaller checkpoints than the first leaf that is left cannot be compared any more.
    if (leaf_ != 0) TG_CHECK(check_.reached(leaf_ - 1, nullptr));
    const Digest root = tree_.root();
    TG_CHECK(check_.reached(leaf_, tree_known_ ? &root : nullptr));
    for (std::size_t i = 0; i < folder_.segments.size(); ++i) {
        const bool last = i + 1 == folder_.segments.size();
        TG_CHECK(segment(folder_.segments[i], last ? kNoEnd : folder_.segments[i + 1].header.first_leaf));
    }
    return finish();
}

void Verification::check_front() {
    const SegmentFile& first = folder_.segments.front();
    const std::uint64_t kept = folder_.head ? folder_.head->kept_leaf : 0;
    report_.first_leaf = leaf_ = first.header.first_leaf;
    if (leaf_ != kept) {
        report_.add(Kind::kRecordsMissing,
                    fmt::format("the log begins at leaf {} and should begin at {}", leaf_, kept));
    }
    if (leaf_ == 0) return;
    // What the header says of them is as good as the first signed root that the records behind them lead to.
    const auto before = Peaks::of(leaf_, first.header.peaks);
    tree_known_ = before.has_value();
    if (before) tree_ = *before;
    report_.notes.push_back(fmt::format("leaves 0 to {} were removed{}: completeness is judged from leaf {} on",
                                        leaf_ - 1, leaf_ == kept ? " by retention, as HEAD says" : "", leaf_));
}

// Each header states the tree before its segment once more.
void Verification::check_header(const SegmentFile& file) {
    if (!tree_known_ || tree_.size() != file.header.first_leaf) return;
    if (tree_.root() != file.header.root || !std::ranges::equal(tree_.list(), file.header.peaks)) {
        report_.add(Kind::kHeaderDamaged,
                    fmt::format("the header of segment {} states another tree before it", file.generation));
    }
}

void Verification::lost(std::uint64_t to) {
    tree_known_ = false;
    leaf_ = std::max(leaf_, to);
}

Result<void> Verification::segment(const SegmentFile& file, std::uint64_t end_leaf) {
    if (file.header.first_leaf > leaf_) {
        report_.add(Kind::kRecordsMissing, fmt::format("leaves {} to {} are missing before segment {}", leaf_,
                                                       file.header.first_leaf - 1, file.generation));
        lost(file.header.first_leaf);
    }
    check_header(file);
    TG_TRY(const auto source, FileSource::open(file.path));
    if (source->size() < 2 * kBlockSize || file.header.file_size % kBlockSize != 0) {
        report_.add(Kind::kHeaderDamaged, fmt::format("segment {} has an impossible size", file.generation));
        return {};
    }
    TG_TRY(const std::optional<SegmentFooter> footer, read_footer(*source, file, end_leaf == kNoEnd));
    SegmentScan scan(*source, file.header);
    Totals totals;
    TG_CHECK(batches(scan, file, footer, end_leaf, totals));
    if (footer) check_footer(file, *footer, scan, totals);
    check_head(file, footer.has_value());
    ++report_.segments;
    return {};
}

// That block holds a footer or zeroes: in a recycled file the footer of an earlier generation.
Result<std::optional<SegmentFooter>> Verification::read_footer(const Source& source, const SegmentFile& file,
                                                               bool last) {
    Window window(source);
    TG_TRY(const Bytes block, window.view(file.header.file_size - kBlockSize, kBlockSize));
    std::optional<SegmentFooter> footer = block.size() == kBlockSize ? parse_segment_footer(block) : std::nullopt;
    const bool own = footer && footer->generation == file.generation && footer->log_id == folder_.log_id;
    const bool blank = std::ranges::all_of(block, [](std::uint8_t byte) { return byte == 0; });
    if (!footer && !blank && !last) {
        report_.add(Kind::kFooterWrong, fmt::format("the footer of segment {} does not check out", file.generation));
    } else if (!footer && !blank) {
        report_.notes.push_back(fmt::format("segment {} is being sealed or has a torn footer", file.generation));
    }
    if (!own) footer.reset();
    return footer;
}

Result<void> Verification::batches(SegmentScan& scan, const SegmentFile& file,
                                   const std::optional<SegmentFooter>& footer, std::uint64_t end_leaf, Totals& totals) {
    // What is behind the first leaf of the next segment a failed write has left.
    while (scan.leaf() < end_leaf) {
        TG_TRY(auto found, scan.next());
        if (!found) {
            TG_TRY(found, second_look(scan));
        }
        if (!found) {
            TG_TRY(const bool more, stopped(scan, file, footer, end_leaf));
            if (!more) return {};
            continue;
        }
        if (scan.leaf() > end_leaf) {
            report_.add(Kind::kOverlap,
                        fmt::format("a batch of segment {} reaches into the next one", file.generation));
            return {};
        }
        TG_CHECK(batch(*found, totals));
    }
    return {};
}

// A log that is being written: we may have read a batch while it was only half there. One batch is written after the other, so once a later
// one is sound this one is whole too, unless it is damaged.
Result<std::optional<Batch>> Verification::second_look(SegmentScan& scan) {
    SegmentScan ahead(scan);
    TG_TRY(const bool later, ahead.skip_damage());
    if (!later) return std::optional<Batch>();
    scan.forget();
    return scan.next();
}

Result<bool> Verification::stopped(SegmentScan& scan, const SegmentFile& file,
                                   const std::optional<SegmentFooter>& footer, std::uint64_t end_leaf) {
    const std::uint64_t offset = scan.offset();
    const std::string why = scan.fault();
    if (footer && scan.sequence() == footer->batches && offset == footer->data_end) return false;
    TG_TRY(const bool more, scan.skip_damage());
    std::uint64_t to = scan.leaf();
    if (!more && footer) to = footer->first_leaf + footer->records;
    if (!more && !footer && end_leaf != kNoEnd) to = end_leaf;
    if (more || to > leaf_) {
        report_.add(Kind::kBatchDamaged,
                    fmt::format("segment {}, offset {}: no sound batch ({}); leaves {} to {} cannot be read",
                                file.generation, offset, why, leaf_, to - 1));
        lost(to);
    }
    return more;
}

Result<void> Verification::batch(const Batch& batch, Totals& totals) {
    RecordFacts facts;
    Result<void> outcome;
    each_record(batch.payload, batch.header.records, [&](Bytes record) {
        if (const char* fault = record_fault(record, facts)) {
            report_.add(Kind::kRecordMalformed, fmt::format("the record of leaf {}: {}", leaf_, fault));
        } else {
            const bool first = totals.records == 0;
            totals.earliest = first ? facts.recorded : std::min(totals.earliest, facts.recorded);
            totals.latest = first ? facts.recorded : std::max(totals.latest, facts.recorded);
            ++totals.records;
        }
        ++leaf_;
        if (tree_known_) tree_.add(digest(leaf_bytes(record)));
        if (leaf_ < check_.next() || !outcome) return;
        const Digest root = tree_known_ ? tree_.root() : Digest{};
        outcome = check_.reached(leaf_, tree_known_ ? &root : nullptr);
    });
    ++totals.batches;
    report_.records += batch.header.records;
    report_.bytes += batch.header.span();
    if (!batch.clean_padding) ++dirty_paddings_;
    return outcome;
}

void Verification::check_footer(const SegmentFile& file, const SegmentFooter& footer, const SegmentScan& scan,
                                const Totals& totals) {
    const auto wrong = [&](const char* what) {
        report_.add(Kind::kFooterWrong,
                    fmt::format("the footer of segment {} states another {}", file.generation, what));
    };
    if (footer.first_leaf != file.header.first_leaf) wrong("first leaf");
    if (leaf_ != footer.first_leaf + footer.records) wrong("number of records");
    if (scan.offset() != footer.data_end) wrong("end of data");
    if (totals.records == footer.records && totals.batches != footer.batches) wrong("number of batches");
    if (totals.records == footer.records && (totals.earliest != footer.earliest || totals.latest != footer.latest)) {
        wrong("time of its records");
    }
    if (!tree_known_ || tree_.size() != footer.first_leaf + footer.records) return;
    if (tree_.root() != footer.root) wrong("root");
    if (!std::ranges::equal(tree_.list(), footer.peaks)) wrong("row of peaks");
}

void Verification::check_head(const SegmentFile& file, bool has_footer) {
    if (!folder_.head) {
        if (has_footer) report_.add(Kind::kTruncated, "HEAD is missing, though a segment is sealed");
        return;
    }
    const Head& head = *folder_.head;
    if (file.generation == head.sealed_generation && !has_footer) {
        report_.add(Kind::kFooterWrong,
                    fmt::format("segment {} is sealed, as HEAD says, and has no sound footer", file.generation));
    }
    if (file.generation != head.sealed_generation) return;
    if (leaf_ != head.sealed_leaves) {
        report_.add(
            leaf_ < head.sealed_leaves ? Kind::kTruncated : Kind::kHeadWrong,
            fmt::format("segment {} ends at leaf {}, and HEAD says {}", file.generation, leaf_, head.sealed_leaves));
    } else if (tree_known_ && tree_.root() != head.root) {
        report_.add(Kind::kHeadWrong, "the records do not lead to the root in HEAD");
    }
}

Result<void> Verification::finish() {
    report_.log_id = folder_.segments.empty() ? std::string() : hex_of(folder_.log_id);
    report_.end_leaf = leaf_;
    const Digest root = tree_known_ ? tree_.root() : Digest{};
    if (tree_known_) report_.root = hex_of(root);
    const std::uint64_t sealed = folder_.head ? folder_.head->sealed_generation : 0;
    if (sealed != 0 && (folder_.segments.empty() || folder_.segments.back().generation < sealed)) {
        report_.add(Kind::kTruncated, fmt::format("the log ends before segment {}, which HEAD says is sealed", sealed));
    }
    TG_CHECK(check_.reached(leaf_, tree_known_ ? &root : nullptr));
    TG_CHECK(check_.finish(leaf_));
    if (dirty_paddings_ != 0) {
        report_.notes.push_back(
            fmt::format("{} batch(es) have padding that is not zero; it is no part of the log", dirty_paddings_));
    }
    report_.note_unsigned();
    return {};
}

}  // namespace

Result<Report> verify_log(const Evidence& evidence) {
    Report report;
    report.keys_given = !evidence.keys.empty();
    // First the checkpoints: what they speak of is in the segments by now, however fast the log grows.
    auto checkpoints = FileSource::open(evidence.folder + "/checkpoints");
    if (!checkpoints && checkpoints.error().code != ErrorCode::kNotFound) return std::unexpected(checkpoints.error());
    TG_TRY(const LogFolder folder, read_folder(evidence.folder, report));
    Verification verification(folder, checkpoints ? checkpoints->get() : nullptr, evidence, report);
    TG_CHECK(verification.run());
    return report;
}

Result<void> walk_records(const std::string& path, const std::function<bool(std::uint64_t leaf, Bytes record)>& take) {
    Report ignored;
    TG_TRY(const LogFolder folder, read_folder(path, ignored));
    for (std::size_t i = 0; i < folder.segments.size(); ++i) {
        const bool last = i + 1 == folder.segments.size();
        const std::uint64_t end_leaf = last ? kNoEnd : folder.segments[i + 1].header.first_leaf;
        TG_TRY(const auto source, FileSource::open(folder.segments[i].path));
        SegmentScan scan(*source, folder.segments[i].header);
        while (scan.leaf() < end_leaf) {
            std::uint64_t leaf = scan.leaf();
            TG_TRY(const auto found, scan.next());
            if (!found) return last ? Result<void>() : fail(ErrorCode::kDataLoss, "the log is damaged; verify it");
            bool more = true;
            each_record(found->payload, found->header.records,
                        [&](Bytes record) { more = more && take(leaf++, record); });
            if (!more) return {};
        }
    }
    return {};
}

}  // namespace tidegate::audit::verify
