// IndexFile: the keys of a sealed segment as sorted runs on disk, with its zone map (docs/audit-format.md, "Index").
//
// Guarantee   Every page read is checked: a rotten index is an error (kDataLoss), never "no such record".
// Algorithm   Keys are spread evenly, so the place of one is guessed from its value: one page of 512 keys read in nearly all
//             look-ups, bisection where the guess fails (runs of equal input hashes).
// Memory      1.6 KB and 4 bytes a page: 11 KB for 220,000 records.
// Threads     Any number of readers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "audit/segments/live_keys.h"
#include "audit/segments/log_file.h"

namespace tidegate::audit::segments {

class IndexFile {
  public:
    /// Builds and writes the index of a finished segment.
    static Result<void> write(LogFolder& folder, const SegmentHeader& segment, const LiveKeys& keys);
    /// kDataLoss: it is damaged or another segment's; kNotFound: there is none. With `keep_open` it holds a
    /// descriptor, else each look-up opens the file. `folder` outlives it.
    static Result<std::shared_ptr<const IndexFile>> open(const LogFolder& folder, const SegmentHeader& segment,
                                                         bool keep_open);

    std::uint32_t count() const noexcept { return count_; }
    const ZoneMap& zone() const noexcept { return zone_; }
    /// Appends up to `limit` records with that key to `out`, newest first.
    Result<void> find(Run run, std::uint64_t key, std::size_t limit, std::vector<std::uint32_t>& out) const;
    Result<RecordPlace> place(std::uint32_t record) const;
    /// The places of several; of neighbours a page is read once.
    Result<std::vector<RecordPlace>> places(std::span<const std::uint32_t> records) const;

  private:
    using Page = std::array<std::uint8_t, kBlockBytes>;
    // offsets, checks, then keys and records for each run.
    static constexpr std::size_t kArrays = 2 + 2 * kRuns;
    IndexFile() = default;
    Result<void> load(const LogFile& file, const SegmentHeader& segment);
    Result<void> load_header(const Page& page, const SegmentHeader& segment);
    Result<std::shared_ptr<const LogFile>> file() const;
    Result<void> read_page(const LogFile& file, std::size_t array, std::uint64_t page, Page& out) const;
    Result<std::uint32_t> number_at(const LogFile& file, std::size_t array, std::uint32_t position) const;
    /// `page` and `loaded` are the page read last and its number, for the caller to go on with.
    Result<std::uint32_t> upper_bound(const LogFile& file, std::size_t array, std::uint64_t key, Page& page,
                                      std::uint64_t& loaded) const;

    const LogFolder* folder_ = nullptr;
    std::string name_;
    std::shared_ptr<const LogFile> kept_open_;
    std::uint32_t count_ = 0;
    ZoneMap zone_;
    std::array<std::uint64_t, kArrays + 1> array_pages_{};  // First page of each array, counted from the first array.
    std::uint64_t arrays_at_ = 0;                           // Offset of the first array in the file.
    std::vector<std::uint32_t> checksums_;                  // One a page.
};

}  // namespace tidegate::audit::segments
