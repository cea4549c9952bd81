#include "audit/keep/folder_view.h"

#include <algorithm>
#include <array>

#include "audit/segments/batch_scan.h"

namespace tidegate::audit::keep {
namespace {

using segments::Bytes;
using segments::SegmentEntry;
using segments::SegmentHeader;

constexpr std::uint64_t kHeadMax = 4096;
constexpr int kTries = 10;
constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};

Result<std::string> head_text(const segments::LogFolder& folder) {
    auto text = segments::read_whole(folder, std::string(segments::kHeadName), kHeadMax);
    if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
    return text;
}

Result<std::vector<SegmentHeader>> begun_segments(const segments::LogFolder& folder) {
    TG_TRY(const auto names, folder.list());
    std::vector<SegmentHeader> headers;
    for (const std::string& name : names) {
        const auto generation = segments::parse_segment_name(name);
        if (!generation) continue;
        TG_TRY(const auto header, read_segment_header(folder, *generation));
        if (header) headers.push_back(*header);
    }
    std::ranges::sort(headers, {}, &SegmentHeader::generation);
    return headers;
}

/// What a segment without an index holds.
Result<std::shared_ptr<segments::LiveKeys>> scan_keys(const segments::LogFolder& folder, const SegmentHeader& header,
                                                      std::uint64_t end_leaf) {
    TG_TRY(const auto file, folder.open_read(segments::segment_name(header.generation)));
    const std::uint64_t seed = segments::get<std::uint64_t>(header.log_id.data());
    auto keys = std::make_shared<segments::LiveKeys>();
    segments::BatchScan batches(*file, header, end_leaf);
    for (;;) {
        TG_TRY(const auto batch, batches.next());
        if (!batch) break;
        segments::RecordCursor cursor(batch->payload);
        Bytes record;
        for (;;) {
            const std::uint64_t at = batch->offset + segments::kBatchHeaderBytes + cursor.position();
            if (!cursor.next(record)) break;
            TG_TRY(const segments::RecordView view, segments::decode(record));
            keys->add(segments::keys_of(seed, view),
                      {static_cast<std::uint32_t>(at), segments::check_of(segments::leaf_hash(record))});
        }
    }
    keys->publish();
    return keys;
}

}  // namespace

Result<std::optional<SegmentHeader>> read_segment_header(const segments::LogFolder& folder, std::uint64_t generation) {
    const auto file = folder.open_read(segments::segment_name(generation));
    if (!file && file.error().code == ErrorCode::kNotFound) return std::optional<SegmentHeader>();
    if (!file) return std::unexpected(file.error());
    std::array<std::uint8_t, segments::kBlockBytes> block{};
    TG_TRY(const std::size_t got, (*file)->read(0, block));
    auto header = got == block.size() ? segments::decode_header(block) : std::nullopt;
    if (header && header->generation != generation) header.reset();
    return header;
}

Result<std::unique_ptr<FolderView>> FolderView::open(const std::string& folder) {
    for (int i = 1;; ++i) {
        std::unique_ptr<FolderView> view(new FolderView(folder));
        TG_TRY(const std::string before, head_text(view->folder_));
        auto loaded = view->load();
        TG_TRY(const std::string after, head_text(view->folder_));
        if (before != after && i < kTries) continue;
        TG_CHECK(std::move(loaded));
        view->reader_.emplace(view->folder_, view->catalog_, segments::get<std::uint64_t>(view->log_id_.data()));
        return view;
    }
}

Result<void> FolderView::load() {
    TG_TRY(const std::vector<SegmentHeader> headers, begun_segments(folder_));
    if (headers.empty()) return fail(ErrorCode::kNotFound, "the folder holds no log, or an empty one");
    log_id_ = headers.front().log_id;
    for (std::size_t i = 0; i < headers.size(); ++i) {
        const SegmentHeader& header = headers[i];
        const bool last = i + 1 == headers.size();
        if (!last && (headers[i + 1].generation != header.generation + 1 || headers[i + 1].log_id != log_id_)) {
            return fail(ErrorCode::kDataLoss, "the log's segments are no row; verify it");
        }
        const std::uint64_t end_leaf = last ? kNoEnd : headers[i + 1].first_leaf;
        SegmentEntry entry{.header = header, .live = nullptr, .index = nullptr};
        auto index = segments::IndexFile::open(folder_, header, false);
        if (index && (last || header.first_leaf + (*index)->count() == end_leaf)) {
            entry.index = *std::move(index);
        } else {
            TG_TRY(entry.live, scan_keys(folder_, header, end_leaf));
            if (!last && entry.end_leaf() != end_leaf) {
                return fail(ErrorCode::kDataLoss, "a segment of the log is damaged; verify it");
            }
        }
        catalog_.push(std::make_shared<SegmentEntry>(std::move(entry)));
    }
    return {};
}

Result<std::unique_ptr<LogTail>> LogTail::open(const std::string& folder, std::uint64_t leaf) {
    std::unique_ptr<LogTail> tail(new LogTail(folder, leaf));
    TG_CHECK(tail->find_segment());
    return tail;
}

Result<void> LogTail::enter(const SegmentHeader& header) {
    TG_TRY(file_, folder_.open_read(segments::segment_name(header.generation)));
    scan_ = std::make_unique<segments::BatchScan>(*file_, header, kNoEnd);
    generation_ = header.generation;
    if (header.first_leaf > leaf_) missed_ += header.first_leaf - leaf_;
    leaf_ = std::max(leaf_, header.first_leaf);
    return scan_->skip_to(leaf_);
}

// The last begun segment that begins at or before our leaf, else the first. False: none is begun.
Result<bool> LogTail::find_segment() {
    TG_TRY(const std::vector<SegmentHeader> headers, begun_segments(folder_));
    if (headers.empty()) return false;
    auto after = std::ranges::upper_bound(headers, leaf_, {}, &SegmentHeader::first_leaf);
    if (after != headers.begin()) --after;
    TG_CHECK(enter(*after));
    return true;
}

Result<std::uint64_t> LogTail::poll(const Visit& visit) {
    std::uint64_t visited = 0;
    if (scan_ == nullptr) {
        TG_TRY(const bool found, find_segment());
        if (!found) return visited;
    }
    scan_->forget();
    std::optional<SegmentHeader> next;
    for (;;) {
        TG_TRY(const auto batch, scan_->next());
        if (batch) {
            segments::RecordCursor cursor(batch->payload);
            Bytes record;
            for (std::uint64_t at = batch->header.first_leaf; cursor.next(record); ++at) {
                if (at < leaf_) continue;
                leaf_ = at + 1;
                ++visited;
                if (visit(at, record)) continue;
                scan_.reset();  // It is past the rest of the batch: the next poll looks for our leaf.
                return visited;
            }
            continue;
        }
        if (!next) {
            // Where the next segment has begun this one is at its end, but may have grown since we looked.
            TG_TRY(next, read_segment_header(folder_, generation_ + 1));
            if (!next) {
                TG_TRY(const auto own, read_segment_header(folder_, generation_));
                if (!own) TG_CHECK(find_segment());  // Retention has taken ours, and more.
                return visited;
            }
            scan_->forget();
            continue;
        }
        // What its failed write has left behind belongs to the next one.
        if (next->first_leaf < leaf_) {
            taken_back_ += leaf_ - next->first_leaf;
            leaf_ = next->first_leaf;
        }
        TG_CHECK(enter(*next));
        next.reset();
    }
}

}  // namespace tidegate::audit::keep
