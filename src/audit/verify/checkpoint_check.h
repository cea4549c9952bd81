// CheckpointCheck: holds every signed statement about the log against the root that the records lead to, as they go by.
//
// Guarantee   A statement is judged at most once, when the records have reached its size. Those that disagree are told apart: before a later one
//             that agrees, two signed statements contradict each other (a fork); after the last that agrees, the records do.
// Memory      One checkpoint of the file at a time; the extra ones, which the caller holds, all at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/verify/report.h"
#include "audit/verify/signed_text.h"

namespace tidegate::audit::verify {

class CheckpointCheck {
  public:
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};

    /// `file` may be null. `extra`: notes that somebody else has kept. All outlive the check.
    CheckpointCheck(const Source* file, std::span<const Key> keys, std::span<const std::string> extra, Report& report);

    /// Reads up to the first statement.
    Result<void> begin();
    /// The next size at which a root is wanted; kNever: none.
    std::uint64_t next() const noexcept { return next_; }
    /// The records have reached `size`, which is next() or more. `root`: nullptr when damage or removal makes it unknown.
    Result<void> reached(std::uint64_t size, const Digest* root);
    /// The log ends at `size`.
    Result<void> finish(std::uint64_t size);

  private:
    Result<void> pull();
    void set_next() noexcept;
    void take(const ReadStatement& read, const char* where);
    void judge(const Statement& statement, std::uint64_t size, const Digest* root);

    std::optional<CheckpointStream> stream_;
    const std::span<const Key> keys_;
    Report& report_;
    std::optional<Statement> pending_;       // Of the file.
    std::optional<Statement> last_of_file_;  // To see the order, and two of one size.
    std::vector<Statement> extra_;           // Ascending.
    std::size_t extra_at_ = 0;
    std::uint64_t next_ = kNever;
    // Disagreements, told apart at the end.
    std::vector<std::uint64_t> wrong_sizes_;  // The first 64.
    std::uint64_t wrong_ = 0;
    std::uint64_t last_wrong_ = 0;
    std::uint64_t last_right_ = 0;
    std::uint64_t unjudged_ = 0;
};

}  // namespace tidegate::audit::verify
