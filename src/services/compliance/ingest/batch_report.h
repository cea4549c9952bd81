// BatchReport: what became of the lines of a stream: an NDJSON line for each, or the sums and the first faults.
//
// Memory      A line's text until it is taken; of the sums, at most kFaultsMax faults.
// Threads     One at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "services/compliance/ingest/decision_json.h"
#include "services/compliance/ingest/intake.h"

namespace tidegate::compliance::ingest {

class BatchReport {
  public:
    static constexpr std::size_t kFaultsMax = 100;
    /// Not `each_line`: the sums alone.
    explicit BatchReport(bool each_line) : each_line_(each_line) {}

    void add(std::uint64_t line, const Outcome& outcome);
    void add_invalid(std::uint64_t line, const Faults& faults);
    /// What has been written since the last take().
    std::string take() { return std::exchange(text_, {}); }
    /// Every line so far is in the record.
    bool all_recorded() const noexcept { return conflicts() + invalid_ + failed() == 0; }
    /// The last line, or the whole of a summary. `stopped`: not all that was sent has been looked at.
    std::string end(std::uint64_t lines, bool stopped) const;

  private:
    std::uint64_t conflicts() const noexcept { return of(Outcome::Kind::kConflict); }
    std::uint64_t failed() const noexcept { return of(Outcome::Kind::kFailed); }
    std::uint64_t of(Outcome::Kind kind) const noexcept { return counts_[static_cast<std::size_t>(kind)]; }
    /// Where the line goes; null: nowhere, the summary is full.
    std::string* place(bool is_fault);

    const bool each_line_;
    std::string text_;
    std::string faults_;  // Of the summary, with commas between.
    std::size_t faults_kept_ = 0;
    std::uint64_t faults_left_out_ = 0;
    std::uint64_t invalid_ = 0;
    std::array<std::uint64_t, 4> counts_{};
};

}  // namespace tidegate::compliance::ingest
