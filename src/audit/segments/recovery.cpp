#include "audit/segments/recovery.h"

#include <fmt/format.h>

#include <map>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::segments {
namespace {

std::unexpected<Error> lost(std::string what) {
    return fail(ErrorCode::kDataLoss, "the record's log: " + std::move(what));
}

class Recovery {
  public:
    Recovery(LogFolder& folder, std::size_t index_handles_max, Random& random)
        : folder_(folder), index_handles_max_(index_handles_max), random_(random) {}

    Result<Recovered> run() {
        TG_CHECK(read_head());
        TG_CHECK(read_names());
        TG_CHECK(read_headers());
        if (segments_.empty()) {
            TG_CHECK(begin_log());
            return std::move(out_);
        }
        TG_CHECK(check_order());
        TG_CHECK(read_footers());
        TG_CHECK(check_head());
        for (std::size_t i = 0; i < segments_.size(); ++i) TG_CHECK(i < trusted_ ? take_sealed(i) : take_scanned(i));
        out_.report.records = out_.tree.size();
        if (out_.tree.size() < out_.head.sealed_leaves) {
            return lost(
                fmt::format("HEAD knows of {} records, {} are left", out_.head.sealed_leaves, out_.tree.size()));
        }
        out_.next_generation = segments_.back().header.generation + 1;
        return std::move(out_);
    }

  private:
    struct Segment {
        SegmentHeader header;
        std::optional<SegmentFooter> footer;
    };

    Result<void> read_head() {
        auto text = read_whole(folder_, std::string(kHeadName), 4096);
        if (!text && text.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(text).error());
        const auto head = text ? decode_head(*text) : std::nullopt;
        out_.report.head_was_missing = !head;
        if (head) out_.head = *head;
        return {};
    }

    Result<void> read_names() {
        TG_TRY(const auto names, folder_.list());
        for (const std::string& name : names) {
            if (const auto generation = parse_segment_name(name)) {
                generations_.push_back(*generation);
            } else if (parse_spare_name(name)) {
                out_.spares.push_back(name);
            } else if (name.ends_with(".new")) {
                TG_CHECK(folder_.remove(name));
            }
        }
        std::ranges::sort(generations_);
        return {};
    }

    // A header is durable before the first batch: with a batch of its own generation behind it, it was there. What a spare holds of its
    // life before is of another generation.
    static Result<bool> begins_with_batch(const LogFile& file, std::uint64_t generation) {
        std::array<std::uint8_t, kBatchHeaderBytes> bytes{};
        TG_TRY(const std::size_t got, file.read(kBlockBytes, bytes));
        const auto batch = got == bytes.size() ? decode_batch(bytes) : std::nullopt;
        return batch && batch->generation == generation;
    }

    // Sorts the files into begun segments, those that retention had let go, and prepared ones.
    Result<void> read_headers() {
        std::vector<std::uint64_t> not_begun;
        for (const std::uint64_t generation : generations_) {
            const std::string name = segment_name(generation);
            if (!out_.report.head_was_missing && generation < out_.head.kept_generation) {
                TG_CHECK(folder_.remove(index_name(generation)));
                TG_CHECK(folder_.remove(name));
                continue;
            }
            TG_TRY(const auto file, folder_.open_read(name));
            std::array<std::uint8_t, kBlockBytes> block{};
            TG_TRY(const std::size_t got, file->read(0, block));
            const auto header = got == block.size() ? decode_header(block) : std::nullopt;
            if (!header || header->generation != generation) {
                TG_TRY(const bool has_batch, begins_with_batch(*file, generation));
                if (has_batch) return lost("the header of " + name + " is damaged: records come after it");
                not_begun.push_back(generation);
                continue;
            }
            TG_TRY(const std::uint64_t size, file->size());
            if (size < header->file_bytes || header->file_bytes < 3 * kBlockBytes) return lost(name + " is cut short");
            segments_.push_back({*header, std::nullopt});
        }
        for (const std::uint64_t generation : not_begun) {
            if (!segments_.empty() && generation < segments_.back().header.generation) {
                return lost("the header of " + segment_name(generation) + " is damaged");
            }
            // Behind the last begun one: it was prepared, and power went before it was used.
            const std::string spare = spare_name(generation);
            TG_CHECK(folder_.rename(segment_name(generation), spare));
            if (std::ranges::find(out_.spares, spare) == out_.spares.end()) out_.spares.push_back(spare);
        }
        return {};
    }

    Result<void> begin_log() {
        if (out_.head.sealed_generation != 0 || out_.head.kept_generation != 1) {
            return lost("HEAD knows of segments, and none is here");
        }
        out_.report.is_new = true;
        if (!out_.report.head_was_missing) return {};
        random_.fill(std::as_writable_bytes(std::span(out_.head.log_id)));
        out_.head.root = MerkleStack().root();
        TG_CHECK(folder_.write_whole(std::string(kHeadName), encode_head(out_.head)));
        out_.report.head_was_missing = false;
        return {};
    }

    Result<void> check_order() {
        const SegmentHeader& first = segments_.front().header;
        Head& head = out_.head;
        if (out_.report.head_was_missing) {
            head = {.log_id = first.log_id, .kept_generation = first.generation, .kept_leaf = first.first_leaf};
        }
        if (first.generation != head.kept_generation || first.first_leaf != head.kept_leaf) {
            return lost(fmt::format("it should begin with segment {}, the first one here is {}", head.kept_generation,
                                    first.generation));
        }
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            const SegmentHeader& here = segments_[i].header;
            if (here.log_id != head.log_id) return lost(segment_name(here.generation) + " is another log's");
            if (i == 0) continue;
            const SegmentHeader& before = segments_[i - 1].header;
            if (here.generation != before.generation + 1 || here.first_leaf < before.first_leaf) {
                return lost("segment " + segment_name(before.generation + 1) + " is missing");
            }
        }
        return {};
    }

    // Of all but the last every leaf belongs to somebody; of the last, no end is known.
    std::optional<std::uint64_t> next_first_leaf(std::size_t i) const {
        if (i + 1 < segments_.size()) return segments_[i + 1].header.first_leaf;
        return std::nullopt;
    }

    Result<void> read_footers() {
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            Segment& segment = segments_[i];
            TG_TRY(const auto file, folder_.open_read(segment_name(segment.header.generation)));
            std::array<std::uint8_t, kBlockBytes> block{};
            TG_TRY(const std::size_t got, file->read(segment.header.file_bytes - kBlockBytes, block));
            auto footer = got == block.size() ? decode_footer(block) : std::nullopt;
            if (!footer || footer->generation != segment.header.generation || footer->log_id != segment.header.log_id ||
                footer->first_leaf != segment.header.first_leaf) {
                continue;
            }
            const auto next = next_first_leaf(i);
            if (next && footer->end_leaf() != *next) {
                return lost(segment_name(segment.header.generation) + " and the next one do not meet");
            }
            segment.footer = std::move(footer);
            trusted_ = i + 1;
        }
        if (trusted_ > 0) {
            out_.tree = segments_[trusted_ - 1].footer->tree;
        } else {
            out_.tree = segments_.front().header.before;
        }
        return {};
    }

    Result<void> check_head() {
        const Head& head = out_.head;
        for (const Segment& segment : segments_) {
            if (segment.header.generation != head.sealed_generation || !segment.footer) continue;
            if (segment.footer->end_leaf() != head.sealed_leaves || segment.footer->tree.root() != head.root) {
                return lost("HEAD and " + segment_name(head.sealed_generation) + " have different hash trees");
            }
        }
        if (segments_.back().header.generation < head.sealed_generation) {
            return lost("HEAD knows of segments that are missing");
        }
        return {};
    }

    // Reads the whole segment; nothing but the keys comes out of it.
    Result<OpenSegment> scan(std::size_t i, MerkleStack& tree, bool is_open) {
        const SegmentHeader& header = segments_[i].header;
        TG_TRY(const auto file, folder_.open_read(segment_name(header.generation)));
        const std::uint64_t seed = get<std::uint64_t>(header.log_id.data());
        OpenSegment segment{.header = header, .live = std::make_shared<LiveKeys>()};
        BatchScan batches(*file, header, end_leaf(i));
        for (;;) {
            TG_TRY(const auto batch, batches.next());
            if (!batch) break;
            RecordCursor cursor(batch->payload);
            Bytes record;
            for (;;) {
                const std::uint64_t at = batch->offset + kBatchHeaderBytes + cursor.position();
                if (!cursor.next(record)) break;
                TG_TRY(const RecordView view, decode(record));
                const Sha256 leaf = leaf_hash(record);
                tree.add(leaf);
                segment.live->add(keys_of(seed, view), {static_cast<std::uint32_t>(at), check_of(leaf)});
            }
        }
        segment.live->publish();
        segment.offset = batches.offset();
        segment.sequence = batches.sequence();
        out_.report.scanned_records += segment.live->count();
        ++out_.report.scanned_segments;
        if (is_open) {
            TG_TRY(const bool damaged, batches.has_later_batch());
            if (damaged) {
                return lost(fmt::format("{} is damaged at byte {}: sound records come after it",
                                        segment_name(header.generation), batches.offset()));
            }
        } else if (batches.leaf() != end_leaf(i)) {
            return lost(fmt::format("{} is damaged: record {} cannot be read", segment_name(header.generation),
                                    batches.leaf()));
        }
        return segment;
    }

    std::uint64_t end_leaf(std::size_t i) const {
        const auto next = next_first_leaf(i);
        if (next) return *next;
        return segments_[i].footer ? segments_[i].footer->end_leaf() : ~std::uint64_t{0};
    }

    Result<void> take_sealed(std::size_t i) {
        const SegmentHeader& header = segments_[i].header;
        auto index = IndexFile::open(folder_, header, segments_.size() - i <= index_handles_max_);
        if (index && header.first_leaf + (*index)->count() == end_leaf(i)) {
            push({.header = header, .live = nullptr, .index = *std::move(index)});
            return {};
        }
        // Power went between the seal and its index, or the index is damaged: it is derived, so it is made again.
        ++out_.report.indexes_missing;
        MerkleStack unused;
        TG_TRY(const OpenSegment segment, scan(i, unused, false));
        push({.header = header, .live = segment.live, .index = nullptr});
        out_.unsealed.push_back({.header = header,
                                 .live = segment.live,
                                 .tree = {},
                                 .batches = segment.sequence,
                                 .data_end = segment.offset,
                                 .has_footer = true});
        return {};
    }

    Result<void> take_scanned(std::size_t i) {
        const bool is_open = i + 1 == segments_.size();
        if (segments_[i].header.before != out_.tree) {
            return lost(segment_name(segments_[i].header.generation) +
                        " states another hash tree than the one before it");
        }
        TG_TRY(OpenSegment segment, scan(i, out_.tree, is_open));
        push({.header = segment.header, .live = segment.live, .index = nullptr});
        if (is_open) {
            out_.open = std::move(segment);
        } else {
            out_.unsealed.push_back({.header = segment.header,
                                     .live = segment.live,
                                     .tree = out_.tree,
                                     .batches = segment.sequence,
                                     .data_end = segment.offset});
        }
        return {};
    }

    void push(SegmentEntry entry) { out_.entries.push_back(std::make_shared<SegmentEntry>(std::move(entry))); }

    LogFolder& folder_;
    const std::size_t index_handles_max_;
    Random& random_;
    Recovered out_;
    std::vector<std::uint64_t> generations_;
    std::vector<Segment> segments_;
    std::size_t trusted_ = 0;  // So many, from the first, need no scan.
};

}  // namespace

Result<Recovered> recover(LogFolder& folder, std::size_t index_handles_max, Random& random) {
    return Recovery(folder, index_handles_max, random).run();
}

}  // namespace tidegate::audit::segments
