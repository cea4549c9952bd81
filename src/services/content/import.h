// Import: contents from JSON or lines of it into the library, what cannot be taken named by its line.
//
// Guarantee   Commits are whole: kImportBatch contents, or fewer where they are long. What is told as stored is on the disk; an import that
//             ends early has stored whole commits and nothing else; of a COMMIT without an answer it says that it is not certain.
// Memory      The contents of a commit (kImportBatchBytes of text, or one content), the line that comes and kImportIdsMax ids: however much
//             is imported.
// Threads     One at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/schema.h"
#include "services/content/database/postgres_session.h"
#include "services/content/search/library.h"

namespace tidegate::content {

/// Of a commit.
inline constexpr std::size_t kImportBatch = 500;
inline constexpr std::size_t kImportBatchBytes = std::size_t{4} * 1024 * 1024;
/// A body of a million characters takes 12 MB where each is written as two \u escapes.
inline constexpr std::size_t kImportLineBytesMax = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kImportIdsMax = 10'000;

struct ImportFault {
    std::uint64_t line = 0;  // From 1; of an array: the element.
    pipeline::FieldError error;
};

struct ImportReport {
    static constexpr std::size_t kFaultsMax = 100;
    std::uint64_t received = 0, failed = 0;
    std::uint64_t stored = 0, updated = 0, unchanged = 0;  // Of whole commits.
    std::uint64_t committed_line = 0;                      // Those up to it were taken or refused.
    bool uncertain = false;                                // The commit that failed may be on the disk all the same.
    std::vector<std::string> ids;                          // The first kImportIdsMax.
    std::uint64_t ids_left_out = 0;
    std::vector<ImportFault> faults;  // The first kFaultsMax.
};

/// In words, for an import that ends early: what of it is on the disk.
std::string stored_so_far(const ImportReport& report);

class Import {
  public:
    Import(Library& library, std::string tenant, std::uint64_t items_max)
        : library_(library), tenant_(std::move(tenant)), items_max_(items_max) {}

    /// The next bytes of lines, cut anywhere. kTooLarge: more contents than `items_max`, those before are stored; others: the store's. After
    /// an error nothing more is taken.
    Result<void> add(std::string_view bytes);
    /// The last line, which needs no end, and the last commit.
    Result<void> finish();
    /// In place of lines: an object, an array of them, or one with `contents`. kInvalidArgument: it is no JSON; kTooLarge: over `items_max`,
    /// nothing is taken.
    Result<void> add_whole(std::string_view json);

    const ImportReport& report() const noexcept { return report_; }

  private:
    void hold(std::string_view piece);
    Result<void> end_line();
    Result<void> take_line(std::string_view line);
    Result<void> check_room(std::uint64_t line);
    Result<void> refuse_overlong(std::uint64_t line);
    Result<void> take(std::uint64_t line, json::Value value);
    void refuse(std::uint64_t line, pipeline::FieldError error);
    Result<void> flush();
    Error too_many() const;

    Library& library_;
    const std::string tenant_;
    const std::uint64_t items_max_;
    std::string held_;  // Of a line that has not ended.
    bool overlong_ = false;
    std::uint64_t line_ = 0;  // The last that ended.
    std::vector<Content> waiting_;
    std::vector<std::uint64_t> lines_;  // Of those that wait.
    std::size_t waiting_bytes_ = 0;
    ImportReport report_;
};

}  // namespace tidegate::content
