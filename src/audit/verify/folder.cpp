#include "audit/verify/folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "audit/verify/segment_scan.h"

namespace tidegate::audit::verify {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeadMax = 4096;

struct Candidate {
    SegmentFile file;
    bool begun = false;
    bool has_data = false;  // Its first batch is of this generation, whatever its header says.
};

Result<std::vector<Candidate>> list_segments(const std::string& path) {
    std::vector<Candidate> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error)) {
        const auto generation = parse_segment_name(entry.path().filename().string());
        if (generation) found.push_back({{*generation, entry.path().string(), {}}});
    }
    if (error) return fail(ErrorCode::kUnavailable, "the folder of the log cannot be read: " + error.message());
    std::ranges::sort(found, {}, [](const Candidate& candidate) { return candidate.file.generation; });
    return found;
}

Result<std::string> head_text(const std::string& path) {
    const auto source = FileSource::open(path + "/HEAD");
    if (!source && source.error().code == ErrorCode::kNotFound) return std::string();
    if (!source) return std::unexpected(source.error());
    Window window(**source);
    TG_TRY(const Bytes bytes, window.view(0, kHeadMax));
    return std::string(bytes.begin(), bytes.end());
}

// The segments between two looks at HEAD that are alike: neither a seal nor a removal came between.
Result<std::vector<Candidate>> list_still(const std::string& path) {
    constexpr int kTries = 10;
    for (int i = 0;; ++i) {
        TG_TRY(const std::string before, head_text(path));
        TG_TRY(auto found, list_segments(path));
        TG_TRY(const std::string after, head_text(path));
        if (before == after || i == kTries) return found;
    }
}

Result<void> read_start(Candidate& candidate, Report& report) {
    TG_TRY(const auto source, FileSource::open(candidate.file.path));
    Window window(*source);
    TG_TRY(const Bytes start, window.view(0, kBlockSize + kBatchHeaderSize));
    if (start.size() < kBlockSize + kBatchHeaderSize) return {};
    if (const auto header = parse_segment_header(start.first(kBlockSize))) {
        candidate.file.header = *header;
        candidate.begun = header->generation == candidate.file.generation;
    }
    const auto batch = parse_batch_header(start.subspan(kBlockSize));
    candidate.has_data = batch && batch->generation == candidate.file.generation;
    if (candidate.begun && candidate.file.header.file_size != source->size()) {
        report.add(Kind::kHeaderDamaged,
                   fmt::format("segment {} says that it has {} bytes and has {}", candidate.file.generation,
                               candidate.file.header.file_size, source->size()));
    }
    return {};
}

Result<std::optional<Head>> read_head(const std::string& path, Report& report) {
    const auto source = FileSource::open(path + "/HEAD");
    if (!source) {
        if (source.error().code == ErrorCode::kNotFound) return std::optional<Head>();
        return std::unexpected(source.error());
    }
    Window window(**source);
    TG_TRY(const Bytes bytes, window.view(0, kHeadMax));
    auto head = parse_head({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!head) report.add(Kind::kHeadWrong, "HEAD does not check out");
    return head;
}

void check_row(const LogFolder& folder, Report& report) {
    for (std::size_t i = 1; i < folder.segments.size(); ++i) {
        const SegmentFile& before = folder.segments[i - 1];
        const SegmentFile& after = folder.segments[i];
        if (after.generation != before.generation + 1) {
            report.add(Kind::kSegmentMissing,
                       fmt::format("between segments {} and {} there is none", before.generation, after.generation));
        }
        if (after.header.first_leaf < before.header.first_leaf) {
            report.add(Kind::kOverlap, fmt::format("segment {} begins at leaf {}, before segment {}", after.generation,
                                                   after.header.first_leaf, before.generation));
        }
    }
}

}  // namespace

Result<LogFolder> read_folder(const std::string& path, Report& report) {
    LogFolder folder;
    TG_TRY(std::vector<Candidate> found, list_still(path));
    TG_TRY(folder.head, read_head(path, report));
    for (Candidate& candidate : found) TG_CHECK(read_start(candidate, report));
    std::uint64_t last_begun = 0;
    for (const Candidate& candidate : found) {
        if (candidate.begun) last_begun = candidate.file.generation;
    }
    const std::uint64_t sealed = folder.head ? folder.head->sealed_generation : 0;
    for (const Candidate& candidate : found) {
        if (candidate.begun) continue;
        // A file that was prepared and not begun is sound behind the last begun one only.
        const std::uint64_t generation = candidate.file.generation;
        if (generation < last_begun || generation <= sealed || candidate.has_data) {
            report.add(Kind::kHeaderDamaged, fmt::format("the header of segment {} does not check out", generation));
        }
    }
    std::erase_if(found, [](const Candidate& candidate) { return !candidate.begun; });
    if (found.empty()) return folder;
    folder.log_id = folder.head ? folder.head->log_id : found.front().file.header.log_id;
    for (Candidate& candidate : found) {
        if (candidate.file.header.log_id == folder.log_id) {
            folder.segments.push_back(std::move(candidate.file));
        } else {
            report.add(Kind::kForeignSegment, fmt::format("segment {} is of another log", candidate.file.generation));
        }
    }
    check_row(folder, report);
    return folder;
}

}  // namespace tidegate::audit::verify
