// FolderView: a log folder opened for reading alone, beside the server that writes it or without one.
//
// Guarantee   Takes no lock and writes nothing. Sees what was durable when it was opened: a batch that was half written then is not
//             in it. What it reads later is compared with its leaf hash or checksum, so a segment that retention takes away meanwhile is an
//             error, never a wrong record.
// Algorithm   Sealed segments by their indexes, the others read through once. The whole is read again when HEAD changed meanwhile (a seal,
//             a removal).
// Memory      As the log's own reader: 32 bytes a record of the segments without an index.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "audit/segments/batch_scan.h"
#include "audit/segments/log_file.h"
#include "audit/segments/log_reader.h"

namespace tidegate::audit::keep {

class FolderView {
  public:
    /// kNotFound: the folder holds no log. kDataLoss: it is damaged; verify says where.
    static Result<std::unique_ptr<FolderView>> open(const std::string& folder);

    const segments::LogReader& reader() const noexcept { return *reader_; }
    const segments::LogId& log_id() const noexcept { return log_id_; }

  private:
    explicit FolderView(const std::string& folder) : folder_(folder, false) {}
    Result<void> load();

    segments::SystemLogFolder folder_;
    segments::LogId log_id_{};
    segments::Catalog catalog_;
    std::optional<segments::LogReader> reader_;
};

/// The header of that segment; nothing when it is not begun, or not there.
Result<std::optional<segments::SegmentHeader>> read_segment_header(const segments::LogFolder& folder,
                                                                   std::uint64_t generation);

/// Goes on reading where a log is being written: each poll() gives what has become readable since.
///
/// A record may be given whose write the server then took back (it could not sync it and told its caller so): taken_back() counts them.
class LogTail {
  public:
    using Visit = segments::LogReader::Visit;

    /// From `leaf` on, which is in the folder or its end.
    static Result<std::unique_ptr<LogTail>> open(const std::string& folder, std::uint64_t leaf);
    /// False from `visit` ends the poll. Gives how many were visited.
    Result<std::uint64_t> poll(const Visit& visit);
    std::uint64_t leaf() const noexcept { return leaf_; }
    std::uint64_t taken_back() const noexcept { return taken_back_; }
    /// Leaves that retention removed before they were read.
    std::uint64_t missed() const noexcept { return missed_; }

  private:
    LogTail(const std::string& folder, std::uint64_t leaf) : folder_(folder, false), leaf_(leaf) {}
    Result<bool> find_segment();
    Result<void> enter(const segments::SegmentHeader& header);

    segments::SystemLogFolder folder_;
    std::uint64_t leaf_;
    std::uint64_t generation_ = 0;  // 0: none yet.
    std::unique_ptr<segments::LogFile> file_;
    std::unique_ptr<segments::BatchScan> scan_;
    std::uint64_t taken_back_ = 0;
    std::uint64_t missed_ = 0;
};

}  // namespace tidegate::audit::keep
